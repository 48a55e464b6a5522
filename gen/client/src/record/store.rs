//! The part of an interval that the store behind the cache has, as the timeline has it.

use stallion_timeline::StoreInterval;

use stallion_engine::measure::histogram::Sum;
use stallion_engine::measure::store::{StoreSum, StoreTally};

/// The sums of one interval.
pub(super) fn record(sum: &StoreSum, encoded: impl FnOnce(&Sum) -> String) -> StoreInterval {
    let of = |tally| sum.load.of(tally);
    StoreInterval {
        reads: of(StoreTally::Reads),
        refused: of(StoreTally::Refused),
        failed: of(StoreTally::Failed),
        joined: of(StoreTally::Joined),
        early: of(StoreTally::Early),
        stale: of(StoreTally::Stale),
        refills: of(StoreTally::Refills),
        busy_ns: sum.load.busy_ns,
        queue_max: sum.load.queue_max,
        herd_max: sum.load.herd_max,
        latency_hdr: encoded(&sum.latency),
    }
}
