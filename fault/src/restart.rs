//! `restart`: a server dies and starts again, empty or from a snapshot that was taken before.

use std::time::{Duration, Instant};

use redis::Connection;
use serde_json::json;

use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use stallion_server::duration;

/// What it starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Data {
    Empty,
    Snapshot,
}

/// Let a server crash and start again at once
#[derive(Debug, clap::Args)]
pub(crate) struct Restart {
    /// What it starts with: no data, or those of a SAVE before
    #[arg(long, value_name = "DATA", alias = "policy", default_value = "empty")]
    data: Data,
    /// How long to wait until it answers
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse, default_value = "60s")]
    lasts: Duration,
}

impl Fault for Restart {
    fn inject(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        let snapshot = self.data == Data::Snapshot;
        let before = keys(&mut endpoint.connection)?;
        let start = Instant::now();
        let prepare = redis::cmd(if snapshot { "SAVE" } else { "FLUSHALL" });
        prepare.query::<()>(&mut endpoint.connection)?;
        let prepared = start.elapsed();
        let down = Instant::now();
        endpoint.connection = endpoint.crash_and_recover(self.lasts)?;
        let after = keys(&mut endpoint.connection)?;
        Ok(Detail::from_iter([
            ("policy".to_owned(), json!(if snapshot { "snapshot" } else { "empty" })),
            ("keys_before".to_owned(), json!(before)),
            ("keys_after".to_owned(), json!(after)),
            ("prepare_ms".to_owned(), json!(prepared.as_secs_f64() * 1e3)),
            ("down_ms".to_owned(), json!(down.elapsed().as_secs_f64() * 1e3)),
        ]))
    }
}

fn keys(connection: &mut Connection) -> Result<u64, FaultError> {
    Ok(redis::cmd("DBSIZE").query(connection)?)
}
