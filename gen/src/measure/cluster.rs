//! What one shard saw of a cluster in one stretch: by slot, by node and by kind, in arrays of fixed
//! size.

use super::outcome::ErrorKind;
use crate::cluster::slots::SLOTS;
use crate::limits::{MAX_NODES, MAX_OUTAGES};
use crate::units::{Nanos, NodeId, SlotId};

/// Counts of one slot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SlotCounts {
    /// Bytes of requests and of their answers.
    pub bytes: u64,
    /// Requests answered, with an error that counts or without.
    pub ops: u32,
    /// Answers MOVED, ASK and TRYAGAIN.
    pub redirects: u16,
    /// Other errors, and requests lost with a connection; sent again or not.
    pub errors: u16,
}

/// Counts of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeCounts {
    /// Requests answered, with an error that counts or without.
    pub ops: u64,
    /// Bytes sent to it and received from it.
    pub bytes: u64,
    /// Errors by kind, redirects among them; sent again or not.
    pub errors: [u32; ErrorKind::COUNT],
}

impl NodeCounts {
    const NONE: Self = Self { ops: 0, bytes: 0, errors: [0; ErrorKind::COUNT] };
}

/// Time in which requests to one node failed: from the first error until each slot that had one
/// was answered again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// Who served the slots when it began.
    pub node: NodeId,
    /// The lowest slot with an error.
    pub first_slot: SlotId,
    /// The highest slot with an error.
    pub last_slot: SlotId,
    /// How many slots had one.
    pub slots: u32,
    /// Of them, those that were answered again.
    pub slots_back: u32,
    /// The first error.
    pub start: Nanos,
    /// The first answer without an error from one of the slots; the start when there was none.
    pub first_back: Nanos,
    /// The last of the slots' first answers.
    pub last_back: Nanos,
}

/// All of it.
#[derive(Debug)]
pub struct ClusterCounts {
    /// By slot.
    pub slots: Box<[SlotCounts]>,
    /// By node.
    pub nodes: Box<[NodeCounts]>,
    /// By kind: what was answered so (or lost), and sent again.
    pub again: [u64; ErrorKind::COUNT],
    /// Due, and never sent because too many already waited.
    pub overflowed: u64,
    /// Sent again as often as the bound allows, and failed.
    pub gave_up: u64,
    /// Outages that ended in it.
    pub outages: Vec<Outage>,
    /// Of those, how many there was no room for.
    pub outages_dropped: u64,
}

impl Default for ClusterCounts {
    fn default() -> Self {
        Self {
            slots: vec![SlotCounts::default(); usize::from(SLOTS)].into(),
            nodes: vec![NodeCounts::NONE; MAX_NODES].into(),
            again: [0; ErrorKind::COUNT],
            overflowed: 0,
            gave_up: 0,
            outages: Vec::with_capacity(MAX_OUTAGES),
            outages_dropped: 0,
        }
    }
}

impl ClusterCounts {
    /// Counts a request of one node and slot that was answered, and the bytes of the answer.
    #[inline]
    pub fn answered(&mut self, node: Option<NodeId>, slot: SlotId, bytes: u64) {
        if let Some(counts) = self.slots.get_mut(slot.index()) {
            counts.ops += 1;
            counts.bytes += bytes;
        }
        if let Some(counts) = node.and_then(|node| self.nodes.get_mut(node.index())) {
            counts.ops += 1;
        }
    }

    /// Counts an error of one node and slot.
    pub fn failed(&mut self, node: Option<NodeId>, slot: SlotId, kind: ErrorKind) {
        if let Some(counts) = self.slots.get_mut(slot.index()) {
            let count = if kind.is_redirect() { &mut counts.redirects } else { &mut counts.errors };
            *count = count.saturating_add(1);
        }
        self.failed_at(node, kind);
    }

    /// Counts an error of one node.
    pub fn failed_at(&mut self, node: Option<NodeId>, kind: ErrorKind) {
        if let Some(counts) = node.and_then(|node| self.nodes.get_mut(node.index())) {
            counts.errors[kind as usize] += 1;
        }
    }

    /// Notes an outage that is over, or was when the run ended.
    pub fn note(&mut self, outage: Outage) {
        if self.outages.len() < MAX_OUTAGES {
            self.outages.push(outage);
        } else {
            self.outages_dropped += 1;
        }
    }

    /// Makes it ready to be used again.
    pub fn reset(&mut self) {
        self.slots.fill(SlotCounts::default());
        self.nodes.fill(NodeCounts::NONE);
        self.again = [0; ErrorKind::COUNT];
        (self.overflowed, self.gave_up, self.outages_dropped) = (0, 0, 0);
        self.outages.clear();
    }
}
