//! `kill-master`: a primary of a cluster dies, and the action lasts until another one serves its
//! slots. The dead server stays dead.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use redis::Connection;
use serde_json::json;
use stallion_timeline::clock::monotonic_ns;

use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use stallion_server::ask::cluster_nodes;
use stallion_server::cluster_nodes::ClusterNode;
use stallion_server::duration;
use stallion_server::info::Info;

const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Kill a primary of a cluster (SIGKILL), and wait until it is replaced
#[derive(Debug, clap::Args)]
pub(crate) struct KillPrimary {
    /// How long to wait for its successor
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse, default_value = "40s")]
    lasts: Duration,
}

impl Fault for KillPrimary {
    fn inject(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        let pid = endpoint.pid()?;
        let id: String = redis::cmd("CLUSTER").arg("MYID").query(&mut endpoint.connection)?;
        let all = cluster_nodes(&mut endpoint.connection)?;
        let victim = all.iter().find(|node| node.id == id);
        let slots = victim.filter(|node| node.is_primary).map_or(0, |one| one.slot_count());
        if slots == 0 {
            let text = format!("{} is no primary that serves slots: kill another", endpoint.target);
            return Err(FaultError::Failed(text));
        }
        let survivors = all.iter().filter(|node| node.id != id && !node.has_failed);
        let mut witnesses: Vec<Connection> = Vec::new();
        for node in survivors {
            witnesses.push(endpoint.target.beside(&node.host, node.port).connect()?);
        }
        let epoch_before = epoch(&mut witnesses)?;
        let killed_ns = monotonic_ns();
        kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL).map_err(|errno| {
            FaultError::Failed(format!("cannot kill process {pid}: {errno}; run as its user"))
        })?;
        let patience = self.lasts;
        let seen = await_heir(endpoint, &mut witnesses, &id, slots, patience)?;
        let ms = |at_ns: u64| json!(at_ns.saturating_sub(killed_ns) as f64 / 1e6);
        Ok(Detail::from_iter([
            ("pid".to_owned(), json!(pid)),
            ("node".to_owned(), json!(id)),
            ("slots".to_owned(), json!(slots)),
            ("killed_ns".to_owned(), json!(killed_ns)),
            ("replaced_ns".to_owned(), json!(seen.replaced_ns)),
            ("suspected_ms".to_owned(), ms(seen.suspected_ns)),
            ("agreed_ms".to_owned(), ms(seen.agreed_ns)),
            ("promoted_ms".to_owned(), ms(seen.promoted_ns)),
            ("outage_ms".to_owned(), ms(seen.replaced_ns)),
            ("epoch_before".to_owned(), json!(epoch_before)),
            ("epoch_after".to_owned(), json!(epoch(&mut witnesses)?)),
        ]))
    }
}

/// When the first of those that are left saw what; a step that nobody saw has the time of the next.
#[derive(Debug, Default)]
struct Seen {
    suspected_ns: u64,
    agreed_ns: u64,
    promoted_ns: u64,
    replaced_ns: u64,
}

impl Seen {
    /// The victim as one of the others sees it; none when that forgot it.
    fn look(&mut self, victim: Option<&ClusterNode>) {
        let now_ns = monotonic_ns();
        let note = |is_so: bool, at_ns: &mut u64| {
            if is_so && *at_ns == 0 {
                *at_ns = now_ns;
            }
        };
        let promoted = victim.is_none_or(|victim| victim.slot_count() == 0);
        let agreed = promoted || victim.is_some_and(|victim| victim.is_down);
        note(agreed || victim.is_some_and(|victim| victim.has_failed), &mut self.suspected_ns);
        note(agreed, &mut self.agreed_ns);
        note(promoted, &mut self.promoted_ns);
    }
}

/// The highest epoch that anybody knows: each election has one of its own.
fn epoch(witnesses: &mut [Connection]) -> Result<i64, FaultError> {
    let mut highest = 0;
    for witness in witnesses {
        let text: String = redis::cmd("CLUSTER").arg("INFO").query(witness)?;
        let epoch = Info::parse(&text).number("cluster_current_epoch");
        highest = highest.max(epoch.unwrap_or(0));
    }
    Ok(highest)
}

/// Waits until every primary that is left says that others serve the victim's slots and that the
/// cluster is well; gives what was seen when.
fn await_heir(
    endpoint: &Endpoint,
    witnesses: &mut [Connection],
    victim: &str,
    slots: usize,
    patience: Duration,
) -> Result<Seen, FaultError> {
    let start = Instant::now();
    let mut seen = Seen::default();
    while start.elapsed() < patience {
        let mut all_agree = true;
        for witness in &mut *witnesses {
            all_agree &= is_replaced(witness, victim, &mut seen)?;
        }
        if all_agree {
            seen.replaced_ns = monotonic_ns();
            return Ok(seen);
        }
        endpoint.wait(LOOK_EVERY)?;
    }
    let text = format!("nobody took over its {slots} slots within {patience:?}: has it a replica?");
    Err(FaultError::Failed(text))
}

fn is_replaced(
    witness: &mut Connection,
    victim: &str,
    seen: &mut Seen,
) -> Result<bool, FaultError> {
    let all = cluster_nodes(witness)?;
    let dead = all.iter().find(|node| node.id == victim);
    seen.look(dead);
    if dead.is_some_and(|node| node.slot_count() > 0) {
        return Ok(false);
    }
    let text: String = redis::cmd("CLUSTER").arg("INFO").query(witness)?;
    Ok(Info::parse(&text).text("cluster_state") == "ok")
}
