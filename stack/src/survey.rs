//! Asks servers everything that bears on a hit rate, without changing anything: INFO twice with a
//! window between, the cluster's map, SLOWLOG, LATENCY, and a bounded sample of the keys.

mod node;

mod keys;

mod map;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::{Connection, RedisError};
use stallion_server::Target;
use stallion_server::ask::slowlog;
use stallion_server::target::TargetError;
use stallion_triage::facts::{FORMAT, Facts, LatencyEvent, Silent, Slow};
use thiserror::Error;

use crate::interrupt::Interrupt;

/// Entries of SLOWLOG that are read, and how old they may be to bear on tonight.
const SLOW_ENTRIES: u32 = 32;
const SLOW_WITHIN_S: f64 = 600.0;
/// A server that takes longer to answer is down.
const PATIENCE: Duration = Duration::from_secs(5);
/// Of a server whose clock is wrong nothing is in the future.
const NOW: f64 = 0.0;

/// Why servers could not be asked.
#[derive(Debug, Error)]
pub enum SurveyError {
    /// The server that was named cannot be reached.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// It refused what everything stands on.
    #[error(
        "{server} refused {command}: {error}; grant the user +info, +scan, +pttl, +object and \
             +cluster (ACL SETUSER)"
    )]
    Refused {
        /// The server.
        server: String,
        /// The command.
        command: &'static str,
        /// What it said.
        error: RedisError,
    },
    /// Ctrl-C.
    #[error("interrupted before the window was over")]
    Interrupted,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Survey {
    /// How long counters are watched.
    pub window: Duration,
    /// How many keys are looked at in all.
    pub sample: usize,
}

/// A server that answers.
struct Open {
    target: Target,
    connection: Connection,
    first: node::Told,
}

impl Survey {
    /// Asks a server, and all others of its cluster. `watched` is called when the window begins.
    ///
    /// # Errors
    /// [`SurveyError`]; of the others one that does not answer is a fact, and no error.
    pub fn ask(
        self,
        target: &Target,
        interrupt: &Interrupt,
        watched: impl FnOnce(),
    ) -> Result<Facts, SurveyError> {
        let mut facts = Facts { format: FORMAT, ..Facts::default() };
        let mut open = vec![begin(target.clone())?];
        let is_cluster = open[0].first.is_cluster();
        if is_cluster {
            for other in map::others(&mut open[0]).map_err(refused(target, "CLUSTER NODES"))? {
                match begin(other.clone()) {
                    Ok(other) => open.push(other),
                    Err(error) => facts.silent.push(silent(&other, &error)),
                }
            }
            // Those that connected before the last one did have waited for it.
            open.retain_mut(|one| match told(&one.target, &mut one.connection) {
                Ok(first) => {
                    one.first = first;
                    true
                }
                Err(error) => {
                    facts.silent.push(silent(&one.target, &error));
                    false
                }
            });
        }
        watched();
        let begun = std::time::Instant::now();
        if !interrupt.sleep(self.window) {
            return Err(SurveyError::Interrupted);
        }
        facts.window_s = begun.elapsed().as_secs_f64();
        for one in &mut open {
            match told(&one.target, &mut one.connection) {
                Ok(second) => facts.nodes.push(node::between(&one.first, &second, &one.target)),
                Err(error) => facts.silent.push(silent(&one.target, &error)),
            }
        }
        facts.at_unix_s = now_unix_s();
        if is_cluster {
            facts.cluster = Some(map::cluster(&mut open, &mut facts.notes));
        }
        for one in &mut open {
            stalls(one, &mut facts);
        }
        facts.sample = keys::sample(&mut open, self, &mut facts.notes);
        Ok(facts)
    }
}

fn begin(target: Target) -> Result<Open, SurveyError> {
    let mut connection = target.connect()?;
    connection.set_read_timeout(Some(PATIENCE)).map_err(refused(&target, "INFO"))?;
    let first = told(&target, &mut connection)?;
    Ok(Open { target, connection, first })
}

fn silent(target: &Target, error: &SurveyError) -> Silent {
    Silent { address: address(target), reason: error.to_string() }
}

fn told(target: &Target, connection: &mut Connection) -> Result<node::Told, SurveyError> {
    node::Told::ask(connection).map_err(refused(target, "INFO"))
}

fn refused(target: &Target, command: &'static str) -> impl FnOnce(RedisError) -> SurveyError {
    let server = target.to_string();
    move |error| SurveyError::Refused { server, command, error }
}

fn address(target: &Target) -> String {
    match target.place() {
        (_, 0) => target.to_string(),
        (host, port) => format!("{host}:{port}"),
    }
}

fn now_unix_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// What SLOWLOG and LATENCY tell of one server.
fn stalls(one: &mut Open, facts: &mut Facts) {
    let address = address(&one.target);
    let ago_s = |at: i64| (facts.at_unix_s - at as f64).max(NOW);
    match slowlog(&mut one.connection, SLOW_ENTRIES) {
        Err(error) => facts.notes.push(format!("{address}: no SLOWLOG ({error})")),
        Ok(entries) => {
            let entries = entries.into_iter().map(|entry| Slow {
                address: address.clone(),
                command: entry.name,
                ms: entry.duration_us as f64 / 1e3,
                ago_s: ago_s(entry.at_unix_s),
            });
            facts.slow.extend(entries.filter(|slow| slow.ago_s <= SLOW_WITHIN_S));
            facts.slow.sort_by(|one, other| other.ms.total_cmp(&one.ms));
        }
    }
    let latest: Result<Vec<(String, i64, f64, f64)>, RedisError> =
        redis::cmd("LATENCY").arg("LATEST").query(&mut one.connection);
    match latest {
        Err(error) => facts.notes.push(format!("{address}: no LATENCY ({error})")),
        Ok(events) => {
            let events =
                events.into_iter().map(|(event, at, latest_ms, longest_ms)| LatencyEvent {
                    address: address.clone(),
                    event,
                    latest_ms,
                    longest_ms,
                    ago_s: ago_s(at),
                });
            facts.latency.extend(events.filter(|event| event.ago_s <= SLOW_WITHIN_S));
        }
    }
}
