//! A cluster in figures: its nodes, its hottest slots, what was sent again, and its outages.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Serialize;
use stallion_timeline::{DividedRequests, NodeShare, Outage, SlotShare};

use stallion_engine::cluster::cluster_map::{ClusterMap, NO_NODE};
use stallion_engine::measure::cluster::Outage as Seen;
use stallion_engine::measure::cluster_sum::ClusterSum;
use stallion_resp::units::SLOTS;

/// Slots that are named.
const HOT_SLOTS: usize = 10;

/// One node of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeSummary {
    /// What went to it while measuring.
    #[serde(flatten)]
    pub share: NodeShare,
    /// Its part of all requests that were answered, 0 to 1.
    pub ops_share: f64,
    /// Slots that it serves at the end.
    pub slots: usize,
    /// Busy share of its main thread, from its INFO; none when it has not said so.
    pub server_busy: Option<f64>,
}

/// One slot of a cluster.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SlotSummary {
    /// What went to it while measuring.
    #[serde(flatten)]
    pub share: SlotShare,
    /// Its part of all requests that were answered, 0 to 1.
    pub ops_share: f64,
    /// Who serves it at the end.
    pub node: String,
}

/// Time in which requests to slots of one node failed, over all rings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutageSummary {
    /// Who served the slots when it began.
    pub node: String,
    /// When it began, from the start of what is measured, in seconds; negative in the warm-up.
    pub at_s: f64,
    /// When it began, on the timeline's clock.
    pub start_ns: u64,
    /// When each of the slots had been answered again, on the timeline's clock.
    pub end_ns: u64,
    /// From the first error to the first answer from one of the slots; none without one.
    pub first_answer_ms: Option<f64>,
    /// From the first error until each of the slots had been answered; none when the run ended
    /// before, or asked some of them no more.
    pub recovery_ms: Option<f64>,
    /// The lowest slot with an error.
    pub first_slot: u16,
    /// The highest slot with an error.
    pub last_slot: u16,
    /// How many slots had one.
    pub slots: u32,
    /// Of them, those that were answered again.
    pub slots_back: u32,
}

/// A cluster in figures.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ClusterSummary {
    /// The nodes that were sent anything, those with the most requests first.
    pub nodes: Vec<NodeSummary>,
    /// The slots with the most requests.
    pub hot_slots: Vec<SlotSummary>,
    /// Requests sent again by what they were answered; they count as sent once.
    pub again: BTreeMap<String, u64>,
    /// Due and never sent, because too many already waited for their node.
    pub overflowed: u64,
    /// Failed after they had been sent again as often as is allowed.
    pub gave_up: u64,
    /// Lost with a connection and not sent again, because that might have done them twice.
    pub not_repeated: u64,
    /// Requests of several keys that were sent key by key; none when there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub divided: Option<DividedRequests>,
    /// Slots that nobody serves at the end.
    pub unserved_slots: usize,
    /// How often the topology was read.
    pub refreshes: u64,
    /// When slots failed, from the first on, warm-up included.
    pub outages: Vec<OutageSummary>,
}

impl ClusterSummary {
    /// From the sums of what is measured. `busy` knows the busy share of a node's main thread.
    #[must_use]
    pub fn of(
        sum: &ClusterSum,
        outages: &[(u32, Seen)],
        cluster_map: &ClusterMap,
        origin_ns: u64,
        busy: impl Fn(SocketAddr) -> Option<f64>,
    ) -> Self {
        let addresses = cluster_map.addresses();
        let name = |node: usize| addresses.get(node).map_or_else(String::new, ToString::to_string);
        let mut owners = Box::new([NO_NODE; SLOTS as usize]);
        // The run is over, and with it those who replace them.
        let _ = cluster_map.copy(&mut owners);
        let owned =
            |node: usize| owners.iter().filter(|owner| usize::from(**owner) == node).count();
        let all: u64 = sum.slots.iter().map(|slot| slot.ops).sum();
        let share = |ops: u64| (ops as f64 / all.max(1) as f64 * 10_000.0).round() / 10_000.0;
        let mut nodes: Vec<NodeSummary> = addresses
            .iter()
            .enumerate()
            .filter_map(|(node, address)| {
                let of_node = sum.node_share(node, address.to_string())?;
                let (ops_share, slots) = (share(of_node.ops), owned(node));
                Some(NodeSummary { share: of_node, ops_share, slots, server_busy: busy(*address) })
            })
            .collect();
        nodes.sort_by_key(|node| std::cmp::Reverse(node.share.ops));
        let hot_slots = sum.hottest(HOT_SLOTS).into_iter().map(|slot| SlotSummary {
            ops_share: share(slot.ops),
            node: name(usize::from(owners[usize::from(slot.slot)])),
            share: slot,
        });
        let seen = outages.iter().map(|(ring, outage)| named(cluster_map, *ring, outage));
        Self {
            nodes,
            hot_slots: hot_slots.collect(),
            again: sum.again_by_name(),
            overflowed: sum.overflowed,
            gave_up: sum.gave_up,
            not_repeated: sum.not_repeated,
            divided: sum.divided_requests(),
            unserved_slots: owned(usize::from(NO_NODE)),
            refreshes: cluster_map.refreshes(),
            outages: Outage::joined(seen.collect())
                .into_iter()
                .map(|outage| outage_summary(outage, origin_ns))
                .collect(),
        }
    }
}

fn outage_summary(outage: Outage, origin_ns: u64) -> OutageSummary {
    let ms = |end_ns: u64| ((end_ns - outage.start_ns) as f64 / 1e4).round() / 100.0;
    OutageSummary {
        at_s: (outage.start_ns as i64 - origin_ns as i64) as f64 / 1e9,
        start_ns: outage.start_ns,
        end_ns: outage.end_ns,
        first_answer_ms: outage.answered_ns().map(ms),
        recovery_ms: outage.recovered_ns().map(ms),
        first_slot: outage.first_slot,
        last_slot: outage.last_slot,
        slots: outage.slots,
        slots_back: outage.slots_back,
        node: outage.node,
    }
}

/// What one ring saw, as the timeline has it.
#[must_use]
pub fn named(cluster_map: &ClusterMap, ring: u32, seen: &Seen) -> Outage {
    Outage {
        node: cluster_map
            .address(seen.node)
            .map_or_else(String::new, |address| address.to_string()),
        start_ns: seen.start.0,
        first_answer_ns: seen.first_back.0,
        end_ns: seen.last_back.0,
        first_slot: seen.first_slot.0,
        last_slot: seen.last_slot.0,
        slots: seen.slots,
        slots_back: seen.slots_back,
        ring,
    }
}
