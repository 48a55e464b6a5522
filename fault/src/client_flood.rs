//! `client-flood`: many idle connections, as a pool without a bound opens them.

use std::time::{Duration, Instant};

use serde_json::json;
use stallion_server::info::Info;

use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use crate::parameters::{Parameter, Parameters};

const DEFAULT_COUNT: u64 = 1_000;
const DEFAULT_FOR: Duration = Duration::from_secs(5);

pub(crate) struct ClientFlood;

impl Fault for ClientFlood {
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

    fn inject(
        &self,
        endpoint: &mut Endpoint,
        parameters: &Parameters,
    ) -> Result<Detail, FaultError> {
        let count = parameters.count.unwrap_or(DEFAULT_COUNT);
        let used = |endpoint: &mut Endpoint| -> Result<i64, FaultError> {
            let memory = Info::ask(&mut endpoint.connection, "memory")?;
            Ok(memory.number("mem_clients_normal").unwrap_or(0))
        };
        let before = used(endpoint)?;
        let start = Instant::now();
        let (mut open, mut refused) = (Vec::new(), None);
        for _ in 0..count {
            match endpoint.target.connect() {
                Ok(connection) => open.push(connection),
                // The rest would be refused, too: the server's maxclients, or our own files.
                Err(error) => {
                    refused = Some(error.to_string());
                    break;
                }
            }
            endpoint.wait(Duration::ZERO)?;
        }
        let opened = start.elapsed();
        endpoint.wait(parameters.lasts.unwrap_or(DEFAULT_FOR))?;
        let clients = Info::ask(&mut endpoint.connection, "clients")?;
        let stats = Info::ask(&mut endpoint.connection, "stats")?;
        let held = used(endpoint)? - before;
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
