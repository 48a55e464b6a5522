//! `failover`: a replica of a cluster takes its primary's place because it is told to.

use std::time::{Duration, Instant};

use redis::Connection;
use serde_json::json;
use stallion_timeline::clock::monotonic_ns;

use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use stallion_server::duration;
use stallion_server::info::Info;

/// Redis waits 5 s for the primary's offset.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(6);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Whose consent it does without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Mode {
    Force,
    Takeover,
}

/// Run CLUSTER FAILOVER at a replica of the primary, until it is the primary
#[derive(Debug, clap::Args)]
pub(crate) struct Failover {
    /// Without the consent of the primary (force), or also of the other primaries (takeover)
    #[arg(long, value_name = "MODE", alias = "policy")]
    mode: Option<Mode>,
    /// How long to wait for it
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse, default_value = "40s")]
    lasts: Duration,
}

impl Fault for Failover {
    fn inject(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        let info = Info::ask(&mut endpoint.connection, "replication")?;
        let Some((host, port)) = replicas(&info).into_iter().next() else {
            let text = format!("{} has no replica that could take its place", endpoint.target);
            return Err(FaultError::Failed(text));
        };
        let heir = endpoint.target.beside(&host, port);
        let mut replica = heir.connect()?;
        let told_ns = monotonic_ns();
        let mut failover = redis::cmd("CLUSTER");
        failover.arg("FAILOVER");
        match self.mode {
            None => {}
            Some(Mode::Force) => _ = failover.arg("FORCE"),
            Some(Mode::Takeover) => _ = failover.arg("TAKEOVER"),
        }
        failover.query::<()>(&mut replica)?;
        let patience = self.lasts;
        let start = Instant::now();
        let mut told = start;
        while !is_primary(&mut replica)? {
            if start.elapsed() > patience {
                let text = format!("{heir} is no primary after {patience:?}");
                return Err(FaultError::Failed(text));
            }
            // One that its primary did not answer in time is given up, and wants to be told again.
            if told.elapsed() > GIVEN_UP_AFTER {
                failover.query::<()>(&mut replica)?;
                told = Instant::now();
            }
            endpoint.wait(LOOK_EVERY)?;
        }
        Ok(Detail::from_iter([
            ("heir".to_owned(), json!(heir.to_string())),
            ("took_over_ms".to_owned(), json!((monotonic_ns() - told_ns) as f64 / 1e6)),
        ]))
    }
}

fn is_primary(connection: &mut Connection) -> Result<bool, FaultError> {
    Ok(Info::ask(connection, "replication")?.text("role") == "master")
}

/// Host and port of each replica, from `slave0:ip=…,port=…,state=online,…`.
pub(crate) fn replicas(info: &Info) -> Vec<(String, u16)> {
    let lines = (0..).map_while(|number| {
        let text = info.text(&format!("slave{number}"));
        (!text.is_empty()).then(|| text.to_owned())
    });
    lines
        .filter_map(|line| {
            let field = |name: &str| {
                line.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
            };
            Some((field("ip")?.to_owned(), field("port")?.parse().ok()?))
        })
        .collect()
}
