//! What the store behind the cache had to do, and how many asked it at once.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Percentiles;
use stallion_engine::measure::store::{STORE_TALLIES, StoreSum, StoreTally};

/// The figures of `--store`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct StoreSummary {
    /// Share of the GETs that found something.
    pub hit_rate: f64,
    /// Reads of the store a second.
    pub reads_per_sec: f64,
    /// Share of the time that its servers were busy, on average; above 1 when reads that began in
    /// the warm-up ended in it.
    pub busy: f64,
    /// Most reads that waited for a server at once.
    pub queue_max: u64,
    /// The largest stampede: most reads of one key that were with the store at once.
    pub herd_max: u64,
    /// From asking the store to its answer.
    pub latency_us: Percentiles,
    /// The counts behind all that.
    pub counts: BTreeMap<&'static str, u64>,
}

impl StoreSummary {
    /// From the sums of a run of so many seconds on a store of so many servers, and the hits and
    /// misses of its reads.
    #[must_use]
    pub fn of(sum: &StoreSum, servers: usize, duration_s: f64, (hits, misses): (u64, u64)) -> Self {
        let reads = sum.load.of(StoreTally::Reads) as f64;
        let span_s = duration_s.max(1e-9);
        Self {
            hit_rate: hits as f64 / (hits + misses).max(1) as f64,
            reads_per_sec: (reads / span_s * 10.0).round() / 10.0,
            busy: sum.load.busy_ns as f64 / 1e9 / span_s / servers.max(1) as f64,
            queue_max: sum.load.queue_max,
            herd_max: sum.load.herd_max,
            latency_us: Percentiles::of(&sum.latency),
            counts: STORE_TALLIES
                .into_iter()
                .map(|(tally, name)| (name, sum.load.of(tally)))
                .collect(),
        }
    }
}
