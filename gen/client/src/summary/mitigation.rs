//! What a mitigation saved, and what it cost in truth.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Percentiles;
use stallion_engine::measure::mitigation::{MitigationSum, TALLIES, Tally};

/// The figures of `--mitigation`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct MitigationSummary {
    /// Share of the reads that never reached a server.
    pub offload: f64,
    /// Writes sent for each one that was asked for.
    pub write_amplification: f64,
    /// Share of the judged reads that returned less than had been acknowledged before they were
    /// sent.
    pub stale_share: f64,
    /// For how long newer versions had been acknowledged when stale ones were returned.
    pub behind_us: Percentiles,
    /// From the acknowledgement of a write to the end of what was kept of its key.
    pub invalidation_us: Percentiles,
    /// How far replicas were behind their primaries in the stream of writes; none unless they were
    /// read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica_lag: Option<ReplicaLag>,
    /// The counts behind all that.
    pub counts: BTreeMap<&'static str, u64>,
}

/// Bytes of writes that a replica has not made yet, by replication offsets, four looks a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct ReplicaLag {
    /// The mean over all replicas and looks.
    pub mean_bytes: f64,
    /// The most.
    pub max_bytes: f64,
    /// How many looks there were.
    pub looks: u64,
}

impl MitigationSummary {
    /// From the sums of a run.
    #[must_use]
    pub fn of(sum: &MitigationSum, replica_lag: Option<ReplicaLag>) -> Self {
        let share = |part: u64, all: u64| part as f64 / all.max(1) as f64;
        let saved = sum.of(Tally::FromMemory) + sum.of(Tally::Joined);
        let writes = sum.of(Tally::Writes);
        Self {
            offload: share(saved, sum.of(Tally::Reads)),
            write_amplification: share(writes + sum.of(Tally::Copies), writes),
            stale_share: share(sum.of(Tally::Stale), sum.of(Tally::Judged)),
            behind_us: Percentiles::of(&sum.behind),
            invalidation_us: Percentiles::of(&sum.invalidation),
            replica_lag,
            counts: TALLIES.into_iter().map(|(tally, name)| (name, sum.of(tally))).collect(),
        }
    }
}
