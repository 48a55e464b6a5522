//! `lose-primary`: a primary crashes while its replica is behind, and the replica takes its place; the
//! acknowledged writes that it does not have are lost, and counted.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::failover::replicas;
use crate::fault::{Detail, Fault};
use crate::tracked_writes::TrackedWrites;
use stallion_server::ask::{config, set_config};
use stallion_server::duration;
use stallion_server::info::Info;

const WRITE_EVERY: Duration = Duration::from_millis(1);
const BACK_WITHIN: Duration = Duration::from_secs(20);
const CONFIRMS_WITHIN: Duration = Duration::from_secs(10);

/// What a writer does for its safety.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Safety {
    #[value(name = "none")]
    Nothing,
    Wait,
    MinReplicas,
}

impl Safety {
    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Wait => "wait",
            Self::MinReplicas => "min-replicas",
        }
    }
}

/// Crash a primary whose replica is behind, promote the replica, and count the lost writes
#[derive(Debug, clap::Args)]
pub(crate) struct LosePrimary {
    /// What the writer does for its safety
    #[arg(long, value_name = "SAFETY", alias = "policy", default_value = "none")]
    safety: Safety,
    /// How long to write before the replica is cut off
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse, default_value = "2s")]
    lasts: Duration,
    /// How long to write after that, before the crash
    #[arg(long, value_name = "TIME", alias = "delay", value_parser = duration::parse, default_value = "300ms")]
    behind: Duration,
}

impl Fault for LosePrimary {
    fn inject(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        let safety = self.safety;
        let Some(link) = endpoint.links.replicas.first().cloned() else {
            let text = "the replica's link must be ours: stack.relay of a scenario".to_owned();
            return Err(FaultError::Failed(text));
        };
        let info = Info::ask(&mut endpoint.connection, "replication")?;
        let Some((host, port)) = replicas(&info).into_iter().next() else {
            return Err(FaultError::Failed(format!("{} has no replica", endpoint.target)));
        };
        let mut heir = endpoint.beside(&host, port)?;
        await_confirmation(endpoint)?;
        let least = config(&mut endpoint.connection, "min-replicas-to-write")?;
        if safety == Safety::MinReplicas {
            set_config(&mut endpoint.connection, "min-replicas-max-lag", "1")?;
            set_config(&mut endpoint.connection, "min-replicas-to-write", "1")?;
        }
        let mut writes = TrackedWrites::new("stallion:ledger".to_owned());
        let lasts = self.lasts;
        let before = write(endpoint, &mut writes, safety, lasts);
        let rate = writes.acknowledged() as f64 / lasts.as_secs_f64();
        link.cut(true);
        let behind = before.and_then(|()| write(endpoint, &mut writes, safety, self.behind));
        let lost = behind.and_then(|()| succeed(endpoint, &mut heir));
        link.sever();
        link.cut(false);
        let Lost { offset_bytes, back } = lost?;
        endpoint.connection = back;
        // It came back with its own configuration; a server of somebody else's would not have.
        set_config(&mut endpoint.connection, "min-replicas-to-write", &least)?;
        let missing = writes.missing(&mut heir.connection)?;
        writes.remove(&mut heir.connection)?;
        Ok(Detail::from_iter([
            ("policy".to_owned(), json!(safety.name())),
            ("acknowledged".to_owned(), json!(writes.acknowledged())),
            ("acknowledged_per_s".to_owned(), json!(rate)),
            ("refused".to_owned(), json!(writes.refused())),
            ("unconfirmed".to_owned(), json!(writes.unconfirmed())),
            ("lost_acknowledged".to_owned(), json!(missing.acknowledged)),
            ("lost_unconfirmed".to_owned(), json!(missing.unconfirmed)),
            ("lost_bytes".to_owned(), json!(missing.bytes)),
            ("offset_behind_bytes".to_owned(), json!(offset_bytes)),
        ]))
    }
}

/// A primary counts no confirmation of a replica that has only just joined, even one whose link is up.
/// What is lost is counted from the moment on at which the replica confirms what it has.
fn await_confirmation(endpoint: &mut Endpoint) -> Result<(), FaultError> {
    let start = Instant::now();
    while start.elapsed() < CONFIRMS_WITHIN {
        let mut probe = TrackedWrites::new("stallion:ledger:begin".to_owned());
        let confirmed = probe.write(&mut endpoint.connection, Some(1));
        probe.remove(&mut endpoint.connection)?;
        if confirmed {
            return Ok(());
        }
        endpoint.wait(WRITE_EVERY)?;
    }
    let text = format!("{}: its replica confirms no write (WAIT)", endpoint.target);
    Err(FaultError::Failed(text))
}

fn write(
    endpoint: &mut Endpoint,
    writes: &mut TrackedWrites,
    safety: Safety,
    lasts: Duration,
) -> Result<(), FaultError> {
    let wait = (safety == Safety::Wait).then_some(1);
    let start = Instant::now();
    while start.elapsed() < lasts {
        writes.write(&mut endpoint.connection, wait);
        endpoint.wait(WRITE_EVERY)?;
    }
    Ok(())
}

/// What the servers say of it.
struct Lost {
    /// By how much the replica's offset was behind the primary's when that crashed.
    offset_bytes: i64,
    back: redis::Connection,
}

/// The primary crashes (it starts again, empty, so that the rest of the load has a server), and the
/// replica becomes one. In this order nothing that the primary said reaches the replica any more.
fn succeed(endpoint: &mut Endpoint, heir: &mut Endpoint) -> Result<Lost, FaultError> {
    let there = Info::ask(&mut endpoint.connection, "replication")?;
    let here = Info::ask(&mut heir.connection, "replication")?;
    let offset = |info: &Info, name: &str| info.number(name).unwrap_or(0);
    let offset_bytes = offset(&there, "master_repl_offset") - offset(&here, "slave_repl_offset");
    redis::cmd("REPLICAOF").arg("NO").arg("ONE").query::<()>(&mut heir.connection)?;
    Ok(Lost { offset_bytes, back: endpoint.crash_and_recover(BACK_WITHIN)? })
}
