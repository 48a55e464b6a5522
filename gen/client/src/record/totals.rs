//! The sums of a run: of what is measured, and of everything for the accounting.

use std::collections::BTreeMap;

use stallion_timeline::silence::Silences;
use stallion_timeline::{Server, Silence};

use super::merge::Merged;
use crate::control::lag::LAG_FIELD;
use crate::summary::mitigation::ReplicaLag;
use stallion_engine::measure::cluster::Outage;
use stallion_engine::measure::interval::Counts;
use stallion_engine::measure::steady::{Gathered, Steadiness};

/// Sums over the whole run.
#[derive(Debug)]
pub struct Totals {
    open: bool,
    origin_ns: u64,
    end_ns: u64,
    /// Warm-up, measurement and drain.
    pub all: Counts,
    /// Measurement and drain.
    pub measured: Merged,
    /// Answers that came before the end of the schedule.
    pub answered_in_time: u64,
    /// Busy time of the busiest worker, summed over the measured intervals.
    busy_ns: f64,
    runqueue_ns: u64,
    steady: Gathered,
    span_ns: u64,
    /// First and last word of each server on the CPU time of its main thread.
    servers: BTreeMap<String, [(u64, f64); 2]>,
    /// How far replicas were behind their primaries, in bytes: sum, most, and number of looks.
    lag: (f64, f64, u64),
    /// Outages of the whole run.
    pub outages: Vec<(u32, Outage)>,
    silences: Silences,
}

impl Totals {
    /// Sums of a run of the open or closed model that measures from `origin_ns` to `end_ns`.
    #[must_use]
    pub fn new(open: bool, origin_ns: u64, end_ns: u64) -> Self {
        Self {
            open,
            origin_ns,
            end_ns,
            all: Counts::default(),
            measured: Merged::default(),
            answered_in_time: 0,
            busy_ns: 0.0,
            runqueue_ns: 0,
            steady: Gathered::default(),
            span_ns: 0,
            servers: BTreeMap::new(),
            lag: (0.0, 0.0, 0),
            outages: Vec::new(),
            silences: Silences::default(),
        }
    }

    /// Adds one interval.
    pub(super) fn add(&mut self, merged: &Merged) {
        let Counts { due, sent, answered, failed, timeouts, lost } = merged.counts;
        self.all.due += due;
        self.all.sent += sent;
        self.all.answered += answered;
        self.all.failed += failed;
        self.all.timeouts += timeouts;
        self.all.lost += lost;
        if let Some(cluster) = &merged.cluster {
            self.outages.extend_from_slice(&cluster.outages);
        }
        self.silences.add(&merged.look());
        if merged.start_ns < self.origin_ns {
            return;
        }
        if merged.start_ns < self.end_ns {
            let length_ns = merged.end_ns - merged.start_ns;
            self.answered_in_time += answered;
            self.busy_ns += merged.busy_max * length_ns as f64;
            self.runqueue_ns += merged.runqueue_max_ns;
            self.span_ns += length_ns;
            let p50_ns = merged.response_of(self.open).value_at_quantile(0.5);
            self.steady.add(length_ns, answered, p50_ns);
        }
        self.measured.absorb(merged);
    }

    /// Notes the server's CPU time, if it says so.
    pub(super) fn server(&mut self, server: &Server) {
        let in_time =
            (self.origin_ns..=self.end_ns.saturating_add(50_000_000)).contains(&server.at_ns);
        if let Some(bytes) = server.info.get(LAG_FIELD).filter(|_| in_time) {
            let (sum, most, looks) = self.lag;
            self.lag = (sum + bytes, most.max(*bytes), looks + 1);
        }
        let time = |name: &str| server.info.get(name).copied();
        let main = time("used_cpu_user_main_thread")
            .zip(time("used_cpu_sys_main_thread"))
            .map(|(user, system)| user + system);
        if let Some(seconds) = main
            && in_time
        {
            let now = (server.at_ns, seconds);
            let times = self.servers.entry(server.target.clone()).or_insert([now; 2]);
            // One that was started again begins at zero again.
            *times = if seconds < times[1].1 { [now; 2] } else { [times[0], now] };
        }
    }

    /// Busy share of the main thread of the busiest server; none with less than half a second
    /// between its first and its last word.
    #[must_use]
    pub fn server_busy(&self) -> Option<f64> {
        self.servers.values().filter_map(busy).max_by(f64::total_cmp)
    }

    /// The same of one server, by the name that its records bear.
    #[must_use]
    pub fn busy_of(&self, target: &str) -> Option<f64> {
        self.servers.get(target).and_then(busy)
    }

    /// Mean and most bytes that replicas were behind their primaries; none when nobody looked.
    #[must_use]
    pub fn replica_lag(&self) -> Option<ReplicaLag> {
        let (sum, most, looks) = self.lag;
        (looks > 0).then(|| ReplicaLag {
            mean_bytes: (sum / looks as f64).round(),
            max_bytes: most.round(),
            looks,
        })
    }

    /// Mean busy share of the busiest worker while measuring.
    #[must_use]
    pub fn busy_max(&self) -> f64 {
        self.busy_ns / self.span_ns.max(1) as f64
    }

    /// Share of the time in which a worker had no core.
    #[must_use]
    pub fn runqueue_share(&self) -> f64 {
        self.runqueue_ns as f64 / self.span_ns.max(1) as f64
    }

    /// When the server answered nothing though something was asked of it.
    #[must_use]
    pub fn silences(&self) -> Vec<Silence> {
        self.silences.clone().finish()
    }

    /// Start of what is measured.
    #[must_use]
    pub const fn origin_ns(&self) -> u64 {
        self.origin_ns
    }

    /// Whether it was the same from its beginning to its end.
    #[must_use]
    pub fn steadiness(&self) -> Steadiness {
        self.steady.found()
    }

    /// Length of what was measured, without the drain.
    #[must_use]
    pub const fn span_ns(&self) -> u64 {
        self.span_ns
    }
}

fn busy([(from_ns, from_s), (to_ns, to_s)]: &[(u64, f64); 2]) -> Option<f64> {
    let wall_s = (to_ns - from_ns) as f64 / 1e9;
    (wall_s >= 0.5).then(|| ((to_s - from_s) / wall_s).clamp(0.0, 1.0))
}
