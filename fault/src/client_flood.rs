//! `client-flood`: many idle connections, as a pool without a bound opens them.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use stallion_server::duration;
use stallion_server::info::Info;

const DEFAULT_COUNT: u64 = 1_000;

/// Open connections as fast as it goes, and hold them
#[derive(Debug, clap::Args)]
pub(crate) struct ClientFlood {
    /// Connections to open
    #[arg(long, value_name = "N", default_value_t = DEFAULT_COUNT)]
    count: u64,
    /// How long they are held
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse, default_value = "5s")]
    lasts: Duration,
}

impl Fault for ClientFlood {
    fn inject(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        let count = self.count;
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
        endpoint.wait(self.lasts)?;
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
