//! What several workers, or several stretches, saw of a cluster.

use std::collections::BTreeMap;

use stallion_timeline::{DividedRequests, NodeShare, Redirects, SlotShare};

use super::cluster::{ClusterCounts, Divided, NodeCounts, Outage, SlotSum};
use super::outcome::ErrorKind;
use crate::limits::MAX_NODES;
use stallion_resp::units::SLOTS;

/// Sums of one node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeSum {
    /// Requests answered.
    pub ops: u64,
    /// Bytes sent and received.
    pub bytes: u64,
    /// Errors and redirects by kind.
    pub errors: [u64; ErrorKind::COUNT],
}

/// All of it.
#[derive(Debug, Clone)]
pub struct ClusterSum {
    /// By slot.
    pub slots: Box<[SlotSum]>,
    /// By node.
    pub nodes: Box<[NodeSum]>,
    /// Sent again, by kind.
    pub again: [u64; ErrorKind::COUNT],
    /// Never sent, because too many waited.
    pub overflowed: u64,
    /// Sent again as often as is allowed, and failed.
    pub gave_up: u64,
    /// Lost with a connection and not sent again, because that might have done it twice.
    pub not_repeated: u64,
    /// Requests that were divided among slots.
    pub divided: Divided,
    /// Outages that are over, with the ring that saw them.
    pub outages: Vec<(u32, Outage)>,
    /// Those that were not kept.
    pub outages_dropped: u64,
}

impl Default for ClusterSum {
    fn default() -> Self {
        Self {
            slots: vec![SlotSum::default(); usize::from(SLOTS)].into(),
            nodes: vec![NodeSum::default(); MAX_NODES].into(),
            again: [0; ErrorKind::COUNT],
            overflowed: 0,
            gave_up: 0,
            not_repeated: 0,
            divided: Divided::default(),
            outages: Vec::new(),
            outages_dropped: 0,
        }
    }
}

impl ClusterSum {
    /// Adds what one ring counted.
    pub fn add(&mut self, part: &ClusterCounts, ring: u32) {
        self.add_slots(part.slots());
        for (sum, NodeCounts { ops, bytes, errors }) in self.nodes.iter_mut().zip(&part.nodes) {
            sum.ops += ops;
            sum.bytes += bytes;
            for (sum, count) in sum.errors.iter_mut().zip(errors) {
                *sum += u64::from(*count);
            }
        }
        let ClusterCounts { overflowed, gave_up, outages_dropped, not_repeated, .. } = *part;
        self.add_rest(&part.again, [overflowed, gave_up, outages_dropped, not_repeated]);
        self.divided.add(part.divided);
        self.outages.extend(part.outages.iter().map(|outage| (ring, *outage)));
    }

    /// Adds another sum.
    pub fn absorb(&mut self, later: &Self) {
        self.add_slots(later.slots.iter().copied());
        for (sum, part) in self.nodes.iter_mut().zip(&later.nodes) {
            sum.ops += part.ops;
            sum.bytes += part.bytes;
            for (sum, count) in sum.errors.iter_mut().zip(part.errors) {
                *sum += count;
            }
        }
        let Self { overflowed, gave_up, outages_dropped, not_repeated, .. } = *later;
        self.add_rest(&later.again, [overflowed, gave_up, outages_dropped, not_repeated]);
        self.divided.add(later.divided);
        self.outages.extend_from_slice(&later.outages);
    }

    fn add_slots(&mut self, parts: impl Iterator<Item = SlotSum>) {
        for (sum, part) in self.slots.iter_mut().zip(parts) {
            sum.ops += part.ops;
            sum.bytes += part.bytes;
            sum.redirects += part.redirects;
            sum.errors += part.errors;
        }
    }

    fn add_rest(&mut self, again: &[u64; ErrorKind::COUNT], others: [u64; 4]) {
        for (sum, count) in self.again.iter_mut().zip(again) {
            *sum += count;
        }
        let [overflowed, gave_up, outages_dropped, not_repeated] = others;
        self.not_repeated += not_repeated;
        self.overflowed += overflowed;
        self.gave_up += gave_up;
        self.outages_dropped += outages_dropped;
    }

    /// Makes it empty, and keeps its memory.
    pub fn clear(&mut self) {
        self.slots.fill(SlotSum::default());
        self.nodes.fill(NodeSum::default());
        self.outages.clear();
        (self.again, self.overflowed) = ([0; ErrorKind::COUNT], 0);
        (self.gave_up, self.outages_dropped, self.not_repeated) = (0, 0, 0);
        self.divided = Divided::default();
    }

    /// Redirects that nodes answered, over all of them.
    #[must_use]
    pub fn redirects(&self) -> Redirects {
        let of = |kind: ErrorKind| self.nodes.iter().map(|node| node.errors[kind as usize]).sum();
        Redirects {
            moved: of(ErrorKind::Moved),
            ask: of(ErrorKind::Ask),
            tryagain: of(ErrorKind::TryAgain),
        }
    }

    /// Requests sent again by what they were answered.
    #[must_use]
    pub fn again_by_name(&self) -> BTreeMap<String, u64> {
        by_name(&self.again)
    }

    /// Requests of several keys that were sent key by key; none when there were none.
    #[must_use]
    pub fn divided_requests(&self) -> Option<DividedRequests> {
        let Divided { requests, parts, partly } = self.divided;
        (requests > 0).then_some(DividedRequests { requests, parts, partly_failed: partly })
    }

    /// What went to each node, by its number; none for those that got nothing.
    #[must_use]
    pub fn node_share(&self, number: usize, node: String) -> Option<NodeShare> {
        let sum = self.nodes.get(number).filter(|sum| **sum != NodeSum::default())?;
        Some(NodeShare { node, ops: sum.ops, bytes: sum.bytes, errors: by_name(&sum.errors) })
    }

    /// The slots with the most requests, the first the hottest.
    #[must_use]
    pub fn hottest(&self, count: usize) -> Vec<SlotShare> {
        let mut order: Vec<usize> = (0..self.slots.len()).collect();
        let key = |slot: &usize| {
            let sum = self.slots[*slot];
            (std::cmp::Reverse((sum.ops, sum.redirects + sum.errors)), *slot)
        };
        let count = count.min(order.len());
        if count < order.len() {
            order.select_nth_unstable_by_key(count, key);
            order.truncate(count);
        }
        order.sort_unstable_by_key(key);
        let share = |slot: usize| {
            let SlotSum { ops, bytes, redirects, errors } = self.slots[slot];
            SlotShare { slot: slot as u16, ops, bytes, redirects, errors }
        };
        let heard = |share: &SlotShare| share.ops + share.redirects + share.errors > 0;
        order.into_iter().map(share).filter(heard).collect()
    }
}

fn by_name(counts: &[u64; ErrorKind::COUNT]) -> BTreeMap<String, u64> {
    ErrorKind::ALL
        .into_iter()
        .map(|kind| (kind.name().to_owned(), counts[kind as usize]))
        .filter(|(_, count)| *count > 0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::NodeId;
    use stallion_resp::units::SlotId;

    #[test]
    fn sums_are_those_of_all_parts_and_name_the_hottest_slots() {
        let mut part = ClusterCounts::default();
        for slot in [5, 5, 5, 9, 16_383, 16_383] {
            part.answered(Some(NodeId(1)), SlotId(slot), 10);
        }
        part.failed(Some(NodeId(1)), SlotId(7), ErrorKind::Moved, 0);
        part.failed(Some(NodeId(0)), SlotId(7), ErrorKind::ClusterDown, 0);
        let mut sum = ClusterSum::default();
        sum.add(&part, 0);
        let mut twice = sum.clone();
        twice.absorb(&sum);
        assert_eq!(twice.redirects(), Redirects { moved: 2, ask: 0, tryagain: 0 });
        let hot = twice.hottest(2);
        assert_eq!([hot[0].slot, hot[1].slot], [5, 16_383]);
        assert_eq!((hot[0].ops, hot[0].bytes), (6, 60));
        assert_eq!(twice.hottest(20).len(), 4, "those that were heard of");
        assert_eq!(twice.hottest(20)[3].redirects, 2);
        let node = twice.node_share(1, "b".to_owned()).unwrap();
        assert_eq!((node.ops, node.errors["MOVED"]), (12, 2));
        assert!(twice.node_share(2, "c".to_owned()).is_none());
        twice.clear();
        assert!(twice.hottest(20).is_empty() && twice.node_share(1, String::new()).is_none());
        part.reset();
        assert!(part.slots().all(|slot| slot == SlotSum::default()));
    }
}
