//! `client-flood`: many idle connections, as a pool without a bound opens them.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Action, ChaosError, Detail, Parameter, Parameters, Site};
use crate::info::Info;

const DEFAULT_COUNT: u64 = 1_000;
const DEFAULT_FOR: Duration = Duration::from_secs(5);

pub(super) struct ClientFlood;

impl Action for ClientFlood {
    fn name(&self) -> &'static str {
        "client-flood"
    }

    fn about(&self) -> &'static str {
        "opens `count` connections as fast as it can, and holds them for `for`"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter::Count, Parameter::For]
    }

    fn destructive(&self) -> bool {
        true
    }

    fn act(&self, site: &mut Site, parameters: &Parameters) -> Result<Detail, ChaosError> {
        let count = parameters.count.unwrap_or(DEFAULT_COUNT);
        let used = |site: &mut Site| -> Result<i64, ChaosError> {
            let memory = Info::ask(&mut site.connection, "memory")?;
            Ok(memory.number("mem_clients_normal").unwrap_or(0))
        };
        let before = used(site)?;
        let start = Instant::now();
        let (mut open, mut refused) = (Vec::new(), None);
        for _ in 0..count {
            match site.target.connect() {
                Ok(connection) => open.push(connection),
                // The rest would be refused, too: the server's maxclients, or our own files.
                Err(error) => {
                    refused = Some(error.to_string());
                    break;
                }
            }
            site.wait(Duration::ZERO)?;
        }
        let opened = start.elapsed();
        site.wait(parameters.lasts.unwrap_or(DEFAULT_FOR))?;
        let clients = Info::ask(&mut site.connection, "clients")?;
        let stats = Info::ask(&mut site.connection, "stats")?;
        let held = used(site)? - before;
        Ok(Detail::from_iter([
            ("opened".to_owned(), json!(open.len())),
            ("opening_ms".to_owned(), json!(opened.as_millis())),
            ("connected_clients".to_owned(), json!(clients.number("connected_clients"))),
            ("rejected_connections".to_owned(), json!(stats.number("rejected_connections"))),
            ("bytes_a_client".to_owned(), json!(held / (open.len() as i64).max(1))),
            ("refused".to_owned(), json!(refused)),
        ]))
    }
}
