//! A cluster's part of an interval, as the timeline has it.

use stallion_timeline::{ClusterInterval, Record};

use crate::summary::cluster::named;
use stallion_engine::cluster::cluster_map::ClusterMap;
use stallion_engine::measure::cluster::{ClusterCounts, Outage as Seen};
use stallion_engine::measure::cluster_sum::ClusterSum;

/// Slots that one interval names.
const HOT_SLOTS: usize = 8;

/// The sums of one interval.
pub(super) fn record(sum: &ClusterSum, cluster_map: &ClusterMap) -> ClusterInterval {
    let addresses = cluster_map.addresses().into_iter().enumerate();
    ClusterInterval {
        redirects: sum.redirects(),
        again: sum.again_by_name(),
        overflowed: sum.overflowed,
        gave_up: sum.gave_up,
        not_repeated: sum.not_repeated,
        divided: sum.divided_requests().map(Box::new),
        nodes: addresses
            .filter_map(|(number, address)| sum.node_share(number, address.to_string()))
            .collect(),
        hot_slots: sum.hottest(HOT_SLOTS),
    }
}

/// The outages that ended in an interval of one ring.
pub(super) fn outages(
    ring: usize,
    counts: &ClusterCounts,
    cluster_map: &ClusterMap,
) -> Vec<Record> {
    let record = |seen: &Seen| Record::Outage(named(cluster_map, ring as u32, seen));
    counts.outages.iter().map(record).collect()
}
