//! A cluster in figures: its nodes, its hottest slots, what was sent again, and its outages.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Serialize;
use stallion_timeline::{NodeShare, SlotShare};

use crate::cluster::board::{Board, NOBODY};
use crate::cluster::slots::SLOTS;
use crate::measure::cluster::Outage;
use crate::measure::cluster_sum::ClusterSum;
use crate::units::NodeId;

/// Slots that are named.
const HOT_SLOTS: usize = 10;

/// Outages of one node that are less apart than this are one: its connections do not notice in the
/// same microsecond.
const SAME_OUTAGE_NS: u64 = 100_000_000;

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
        outages: &[(u32, Outage)],
        board: &Board,
        origin_ns: u64,
        busy: impl Fn(SocketAddr) -> Option<f64>,
    ) -> Self {
        let addresses = board.addresses();
        let name = |node: usize| addresses.get(node).map_or_else(String::new, ToString::to_string);
        let mut owners = Box::new([NOBODY; SLOTS as usize]);
        // The run is over, and with it those who replace them.
        let _ = board.copy(&mut owners);
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
        Self {
            nodes,
            hot_slots: hot_slots.collect(),
            again: sum.again_by_name(),
            overflowed: sum.overflowed,
            gave_up: sum.gave_up,
            unserved_slots: owned(usize::from(NOBODY)),
            refreshes: board.refreshes(),
            outages: joined(outages)
                .iter()
                .map(|outage| outage_summary(outage, name(outage.node.index()), origin_ns))
                .collect(),
        }
    }
}

/// Outages of one node that several rings saw, or that follow each other at once, as one.
fn joined(outages: &[(u32, Outage)]) -> Vec<Outage> {
    let mut sorted: Vec<Outage> = outages.iter().map(|(_, outage)| *outage).collect();
    sorted.sort_by_key(|outage| (outage.start, outage.node));
    let mut joined: Vec<Outage> = Vec::new();
    for outage in sorted {
        let same = |known: &&mut Outage| {
            let close = outage.start.since(known.last_back) < SAME_OUTAGE_NS;
            known.node == outage.node && (close || known.slots_back < known.slots)
        };
        match joined.iter_mut().rev().find(same) {
            None => joined.push(outage),
            Some(known) => {
                let first = |one: &Outage| (one.slots_back > 0).then_some(one.first_back);
                let answers = [first(known), first(&outage)];
                known.first_back = answers.into_iter().flatten().min().unwrap_or(known.start);
                known.last_back = known.last_back.max(outage.last_back);
                known.first_slot = known.first_slot.min(outage.first_slot);
                known.last_slot = known.last_slot.max(outage.last_slot);
                known.slots += outage.slots;
                known.slots_back += outage.slots_back;
            }
        }
    }
    joined
}

fn outage_summary(outage: &Outage, node: String, origin_ns: u64) -> OutageSummary {
    let ms = |ns: u64| (ns as f64 / 1e4).round() / 100.0;
    let any_back = outage.slots_back > 0;
    let all_back = outage.slots_back == outage.slots;
    OutageSummary {
        node,
        at_s: (outage.start.0 as i64 - origin_ns as i64) as f64 / 1e9,
        start_ns: outage.start.0,
        end_ns: outage.last_back.0,
        first_answer_ms: any_back.then(|| ms(outage.first_back.since(outage.start))),
        recovery_ms: all_back.then(|| ms(outage.last_back.since(outage.start))),
        first_slot: outage.first_slot.0,
        last_slot: outage.last_slot.0,
        slots: outage.slots,
        slots_back: outage.slots_back,
    }
}

/// The name of a node by its number on the board.
#[must_use]
pub fn node_name(board: &Board, node: NodeId) -> String {
    board.address(node).map_or_else(String::new, |address| address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Nanos, SlotId};

    fn outage(node: u16, start: u64, end: u64, slots: (u32, u32)) -> Outage {
        Outage {
            node: NodeId(node),
            first_slot: SlotId(start as u16),
            last_slot: SlotId(end as u16),
            slots: slots.0,
            slots_back: slots.1,
            start: Nanos(start),
            first_back: Nanos(end),
            last_back: Nanos(end),
        }
    }

    #[test]
    fn what_several_rings_saw_of_one_outage_is_one() {
        let seen = [
            (0, outage(1, 1_000, 5_000, (3, 3))),
            (1, outage(1, 1_200, 9_000, (4, 4))),
            (0, outage(2, 1_100, 1_300, (1, 0))),
            (0, outage(1, 9_000 + 2 * SAME_OUTAGE_NS, 10_000 + 2 * SAME_OUTAGE_NS, (1, 1))),
        ];
        let found = joined(&seen);
        assert_eq!(found.len(), 3);
        let first = &found[0];
        assert_eq!((first.start.0, first.first_back.0, first.last_back.0), (1_000, 5_000, 9_000));
        assert_eq!((first.slots, first.slots_back), (7, 7));
        assert_eq!(outage_summary(first, String::new(), 0).recovery_ms, Some(0.01));
        assert_eq!(outage_summary(&found[1], String::new(), 0).recovery_ms, None);
    }
}
