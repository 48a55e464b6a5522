//! What a run shall be: validated once, never changed. Nothing below this module asks again.

pub mod credentials;

pub mod rate;

pub mod mix;

pub mod mitigation;

pub mod postgres;

pub mod store;

pub mod cache_aside;

pub mod topology;

mod error;

pub mod distribution;

mod slots;

use std::net::SocketAddr;

use serde::Serialize;

pub use cache_aside::AsideError;
pub use credentials::Credentials;
pub use distribution::Distribution;
pub use error::PlanError;
pub use mitigation::MitigationError;
pub use rate::{Rate, RateError};
pub use slots::is_one_slot;
pub use topology::{OnError, RingError, RingPlan, Topology};

use mitigation::Around;

use crate::plan::store::CacheAsidePlan;
use stallion_engine::limits::{MAX_CONNECTIONS_PER_WORKER, MAX_OUTGOING_BYTES, MAX_PIPELINE};
use stallion_engine::mitigation::MitigationKind;
use stallion_engine::ring::HALVES;
use stallion_engine::workload::arrivals::Schedule;
use stallion_engine::workload::mix::Ttl;
use stallion_resp::command::{Command, Commands};
use stallion_resp::encoder::Encoder;
use stallion_resp::limits::{MAX_COMMANDS, MAX_KEYS, MAX_TRANSACTION, MAX_VALUE_BYTES};
use stallion_resp::sizes::Sizes;
use stallion_resp::trace::Played;
use stallion_resp::units::CommandId;
use stallion_resp::values::{Content, Values};
use stallion_rings::tls_ring::Tls;
use stallion_rings::wait::{Io, WaitPolicy};
use stallion_server::Place;

/// Where requests come from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// The commands by weight.
    Traffic {
        /// Distribution of the keys.
        distribution: Distribution,
    },
    /// The requests of the trace, once.
    Replay,
    /// Each key once, by the first command.
    Fill {
        /// The first key that is to be written: those before it are there already.
        from: u64,
    },
}

/// How arrivals of an open model are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// Evenly.
    Constant,
    /// As a Poisson process.
    Poisson,
}

/// A stretch of the run with a name of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Label {
    /// When it begins, from the start of what is measured.
    pub at_ns: u64,
    /// Its name.
    pub text: String,
}

/// Everything about a run.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// The server.
    pub target: Place,
    /// Who to be there; never written anywhere.
    #[serde(skip)]
    pub credentials: Credentials,
    /// What it is.
    pub topology: Topology,
    /// What is done for hot keys.
    #[serde(rename = "strategy")]
    pub mitigation: Option<MitigationKind>,
    /// The store behind the cache that the server is.
    pub aside: Option<CacheAsidePlan>,
    /// Speak RESP3 (`HELLO 3`).
    pub resp3: bool,
    /// The database that every connection selects.
    pub db: u32,
    /// The name that every connection gives itself, as CLIENT LIST shows it.
    pub client_name: Option<String>,
    /// Requests after which a connection is closed and opened again.
    pub reconnect_every: Option<u64>,
    /// What to do.
    pub work: Work,
    /// The commands to do it with.
    pub commands: Commands,
    /// What is replayed, when that is the work.
    #[serde(skip)]
    pub played: Option<Played>,
    /// Keys that exist for the run, numbered from 0.
    pub keys: u64,
    /// What stands before a key's twelve digits.
    pub key_prefix: String,
    /// Bytes of the values.
    pub value_size: Sizes,
    /// What they are.
    pub value_content: Content,
    /// Which writes expire.
    pub ttl: Ttl,
    /// Compare what comes back with what was written.
    pub verify: bool,
    /// How fast.
    pub rate: Rate,
    /// How arrivals are spread.
    pub arrivals: Spread,
    /// Connections, over all cores.
    pub conns: usize,
    /// Requests in flight on each.
    pub pipeline: usize,
    /// Length of what is measured.
    pub duration_ns: u64,
    /// Length of what comes before and does not count.
    pub warmup_ns: u64,
    /// CPUs to pin one worker each to; empty for one worker that is not pinned.
    pub cores: Vec<usize>,
    /// By which means of the kernel.
    pub io: Io,
    /// How workers wait.
    pub wait: WaitPolicy,
    /// A request without an answer for so long is given up.
    pub timeout_ns: u64,
    /// Requests slower than this are kept for attribution.
    pub slow_threshold_ns: u64,
    /// Length of an interval.
    pub interval_ns: u64,
    /// What the link to the server carries at most, if the user says so.
    pub link_bits_per_s: Option<u64>,
    /// Where a prober answers questions about the clock of the server's host.
    pub clock: Option<SocketAddr>,
    /// Seed of everything that is drawn.
    pub seed: u64,
    /// Stretches with names.
    pub labels: Vec<Label>,
}

impl Plan {
    /// What encodes its requests.
    #[must_use]
    pub fn encoder(&self) -> Encoder {
        match &self.played {
            Some(played) => Encoder::of_trace(played, self.values()),
            None => Encoder::new(self.commands.clone(), &self.key_prefix, self.values()),
        }
    }

    /// When its requests are due.
    ///
    /// # Errors
    /// [`RateError`] when the rate cannot be.
    pub fn schedule(&self) -> Result<Schedule, RateError> {
        if let (Some(played), Rate::Recorded(_) | Rate::Steady(1..)) = (&self.played, &self.rate) {
            let rate = match self.rate {
                Rate::Steady(rate) => Some(rate),
                _ => None,
            };
            return Ok(Schedule::Recorded { times_ns: played.times_ns(rate) });
        }
        self.rate.schedule(self.arrivals, self.duration_ns, self.warmup_ns)
    }

    /// The scripts that its commands run by their digests.
    pub fn scripts(&self) -> impl Iterator<Item = &str> {
        self.commands.list.iter().filter_map(|command| command.script.as_deref())
    }

    /// The values that it writes and finds.
    #[must_use]
    pub fn values(&self) -> Values {
        Values::new(self.seed, self.value_size.clone(), self.value_content)
    }

    /// Shards that the plan needs: one for each core, at least one.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.cores.len().max(1)
    }

    /// Connections of one worker; the first ones take what is left over.
    #[must_use]
    pub fn conns_of(&self, worker: usize) -> usize {
        let (each, over) = (self.conns / self.workers(), self.conns % self.workers());
        each + usize::from(worker < over)
    }

    /// The commands by which the cache is read, and filled from the store.
    #[must_use]
    pub fn aside_commands(&self) -> Option<(CommandId, CommandId)> {
        self.aside.as_ref()?;
        let place = |is_it: fn(&Command) -> bool| {
            self.commands.list.iter().position(is_it).map(|place| CommandId(place as u8))
        };
        place(cache_aside::is_read).zip(place(|command| command.name == "set" && command.expires))
    }

    /// Checks every bound; `request_bytes` is the length of the longest request.
    ///
    /// # Errors
    /// [`PlanError`] for the first flag that is wrong.
    pub fn check(&self, request_bytes: usize) -> Result<(), PlanError> {
        let workers = self.workers();
        let conns_each = self.conns.div_ceil(workers);
        if self.conns == 0 {
            return Err(PlanError::NoConnections);
        }
        if self.conns < workers {
            return Err(PlanError::FewConnections { conns: self.conns, workers });
        }
        if conns_each > MAX_CONNECTIONS_PER_WORKER {
            return Err(PlanError::Connections { conns: self.conns, workers });
        }
        if !(1..=MAX_PIPELINE).contains(&self.pipeline) {
            return Err(PlanError::Pipeline(self.pipeline));
        }
        if self.value_size.longest() > MAX_VALUE_BYTES {
            return Err(PlanError::ValueSize(self.value_size.longest()));
        }
        if !(1..=MAX_KEYS).contains(&self.keys) {
            return Err(PlanError::Keys(self.keys));
        }
        self.check_memory(request_bytes, conns_each)?;
        if self.reconnect_every == Some(0) {
            return Err(PlanError::Reconnect);
        }
        let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_graphic());
        if let Some(name) = self.client_name.as_ref().filter(|name| !is_plain(name)) {
            return Err(PlanError::ClientName(name.clone()));
        }
        self.check_commands()?;
        self.check_distributions()?;
        self.check_slots()?;
        self.check_mitigation()?;
        self.check_aside()?;
        self.check_times()?;
        check_cores(&self.cores)
    }

    /// Whether the requests in flight on `conns` connections fit into a worker's memory.
    ///
    /// # Errors
    /// [`PlanError::Memory`].
    pub fn check_memory(&self, request_bytes: usize, conns: usize) -> Result<(), PlanError> {
        let pipeline = self.pipeline;
        let half = request_bytes.checked_mul(pipeline).filter(|half| *half <= MAX_OUTGOING_BYTES);
        let sealed = |half| if self.credentials.tls.is_some() { Tls::more_bytes(half) } else { 0 };
        let bytes = half.and_then(|half| (half * HALVES + sealed(half)).checked_mul(conns));
        if bytes.is_none_or(|bytes| bytes > MAX_OUTGOING_BYTES) {
            return Err(PlanError::Memory { conns, pipeline, request_bytes });
        }
        Ok(())
    }

    fn check_commands(&self) -> Result<(), PlanError> {
        let Commands { list, transaction } = &self.commands;
        if self.commands.len() > MAX_COMMANDS {
            return Err(PlanError::Commands(list.len()));
        }
        if list.iter().all(|command| command.weight == 0) {
            return Err(PlanError::Ratio);
        }
        let Some(count) = *transaction else { return Ok(()) };
        if !(1..=MAX_TRANSACTION).contains(&count) {
            return Err(PlanError::Transaction(count));
        }
        // In a transaction it would not wait.
        let wait = list.iter().find(|command| command.name == "wait");
        wait.map_or(Ok(()), |wait| Err(PlanError::InTransaction(wait.name.clone())))
    }

    fn check_mitigation(&self) -> Result<(), PlanError> {
        let Some(mitigation) = self.mitigation else { return Ok(()) };
        let around = Around {
            in_cluster: matches!(self.topology, Topology::Cluster { .. }),
            commands: &self.commands,
            sizes: &self.value_size,
            ttl: self.ttl,
            verify: self.verify,
            keys: self.keys,
        };
        Ok(mitigation::check(mitigation, around)?)
    }

    fn check_aside(&self) -> Result<(), PlanError> {
        let Some(plan) = &self.aside else { return Ok(()) };
        let beside = cache_aside::Beside {
            commands: &self.commands,
            sizes: &self.value_size,
            ttl: self.ttl,
            verify: self.verify,
            mitigates: self.mitigation.is_some(),
            replays: matches!(self.work, Work::Replay),
            unix: matches!(self.target, Place::Unix(_)),
        };
        Ok(cache_aside::check(&plan.settings, beside)?)
    }

    fn check_distributions(&self) -> Result<(), PlanError> {
        if let Work::Traffic { distribution } = self.work {
            distribution.check()?;
        }
        let Ttl { fraction, min_s, max_s } = self.ttl;
        let range_is_wrong = fraction > 0.0 && (min_s == 0 || max_s < min_s);
        if !(0.0..=1.0).contains(&fraction) || range_is_wrong {
            return Err(PlanError::Ttl);
        }
        Ok(())
    }

    fn check_times(&self) -> Result<(), PlanError> {
        let times = [
            ("--duration", self.duration_ns),
            ("--timeout", self.timeout_ns),
            ("--interval", self.interval_ns),
        ];
        for (flag, value_ns) in times {
            if value_ns == 0 {
                return Err(PlanError::Duration(flag));
            }
        }
        drop(self.schedule()?);
        Ok(())
    }
}

fn check_cores(cores: &[usize]) -> Result<(), PlanError> {
    let usable: Vec<usize> =
        core_affinity::get_core_ids().unwrap_or_default().iter().map(|core| core.id).collect();
    for (index, &cpu) in cores.iter().enumerate() {
        if !usable.contains(&cpu) || cores[..index].contains(&cpu) {
            let list: Vec<String> = usable.iter().map(ToString::to_string).collect();
            return Err(PlanError::Core { cpu, usable: list.join(",") });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
