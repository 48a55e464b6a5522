//! What one worker saw of a cluster in one stretch: by slot, by node and by kind, in arrays of fixed
//! size.

use super::outcome::ErrorKind;
use crate::limits::{MAX_NODES, MAX_OUTAGES};
use crate::units::{Nanos, NodeId};
use stallion_resp::units::SLOTS;
use stallion_resp::units::SlotId;

/// Counts of one slot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SlotSum {
    /// Requests answered, with an error that counts or without.
    pub ops: u64,
    /// Bytes of requests and of their answers.
    pub bytes: u64,
    /// Answers MOVED, ASK and TRYAGAIN.
    pub redirects: u64,
    /// Other errors, and requests lost with a connection; sent again or not.
    pub errors: u64,
}

/// The lower bits of a slot's word count its requests, those above their bytes: one word for each
/// slot is half of the cache that the sums themselves would need, and counted for every request.
const OPS_BITS: u32 = 28;

/// When one of these bits is set a word is emptied into the sums, long before it overflows.
const NEARLY_FULL: u64 = 1 << (OPS_BITS - 1) | 1 << (u64::BITS - 1);

/// More bytes than that of one request and answer are counted at once.
const MANY_BYTES: u64 = 1 << u32::BITS;

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

/// Requests of several keys that were sent key by key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Divided {
    /// Requests that ended.
    pub requests: u64,
    /// Their parts.
    pub parts: u64,
    /// Requests of which some parts were answered, and others failed.
    pub partly: u64,
}

impl Divided {
    /// Adds what another one counted.
    pub const fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.parts += other.parts;
        self.partly += other.partly;
    }
}

/// Time in which requests to one node failed, or found none of its connections open: from the
/// first of them until each slot that had one was answered again.
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
    /// By slot, what was counted last.
    words: Box<[u64; SLOTS as usize]>,
    /// By slot, what was counted before, and what is seldom.
    slots: Box<[SlotSum; SLOTS as usize]>,
    /// By node.
    pub nodes: Box<[NodeCounts]>,
    /// By kind: what was answered so (or lost), and sent again.
    pub again: [u64; ErrorKind::COUNT],
    /// Due, and never sent because too many already waited.
    pub overflowed: u64,
    /// Sent again as often as the bound allows, and failed.
    pub gave_up: u64,
    /// Lost with a connection and not sent again, because that might have done it twice.
    pub not_repeated: u64,
    /// Requests that were divided among slots.
    pub divided: Divided,
    /// Outages that ended in it.
    pub outages: Vec<Outage>,
    /// Of those, how many there was no room for.
    pub outages_dropped: u64,
}

impl Default for ClusterCounts {
    fn default() -> Self {
        Self {
            words: Box::new([0; SLOTS as usize]),
            slots: Box::new([SlotSum::default(); SLOTS as usize]),
            nodes: vec![NodeCounts::NONE; MAX_NODES].into(),
            again: [0; ErrorKind::COUNT],
            overflowed: 0,
            gave_up: 0,
            not_repeated: 0,
            divided: Divided::default(),
            outages: Vec::with_capacity(MAX_OUTAGES),
            outages_dropped: 0,
        }
    }
}

impl ClusterCounts {
    /// Counts a request of one node and slot that was answered, and bytes.
    #[inline]
    pub fn answered(&mut self, node: Option<NodeId>, slot: SlotId, bytes: u64) {
        self.count_slot(slot, bytes);
        self.count_node(node, 1);
    }

    /// Counts a request of one slot that was answered, its bytes and those of its answer.
    #[inline]
    pub fn count_slot(&mut self, slot: SlotId, bytes: u64) {
        let word = &mut self.words[slot.index() % usize::from(SLOTS)];
        if bytes >= MANY_BYTES || *word & NEARLY_FULL != 0 {
            let sum = &mut self.slots[slot.index() % usize::from(SLOTS)];
            add_word(sum, std::mem::take(word));
            (sum.ops, sum.bytes) = (sum.ops + 1, sum.bytes + bytes);
        } else {
            *word += bytes << OPS_BITS | 1;
        }
    }

    /// A request of a slot will be counted soon. Between two requests of one slot the kernel's traffic
    /// has taken its word out of the cache: waiting for it was half of what counting by slot cost.
    #[inline]
    pub fn expect_slot(&self, slot: SlotId) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            let word: *const u64 = &raw const self.words[slot.index() % usize::from(SLOTS)];
            // SAFETY: a prefetch reads nothing into the program, and the address is a word's own.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(word.cast()) };
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = slot;
    }

    /// The counts of all slots.
    pub fn slots(&self) -> impl Iterator<Item = SlotSum> {
        self.slots.iter().zip(self.words.iter()).map(|(sum, word)| {
            let mut sum = *sum;
            add_word(&mut sum, *word);
            sum
        })
    }

    /// Counts requests of one node that were answered.
    #[inline]
    pub fn count_node(&mut self, node: Option<NodeId>, count: u64) {
        if let Some(counts) = node.and_then(|node| self.nodes.get_mut(node.index())) {
            counts.ops += count;
        }
    }

    /// Counts an error of one node and slot, and the bytes of the request.
    pub fn failed(&mut self, node: Option<NodeId>, slot: SlotId, kind: ErrorKind, bytes: u32) {
        let sum = &mut self.slots[slot.index() % usize::from(SLOTS)];
        *(if kind.is_redirect() { &mut sum.redirects } else { &mut sum.errors }) += 1;
        sum.bytes += u64::from(bytes);
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
        self.words.fill(0);
        self.slots.fill(SlotSum::default());
        self.nodes.fill(NodeCounts::NONE);
        self.again = [0; ErrorKind::COUNT];
        (self.overflowed, self.gave_up, self.outages_dropped) = (0, 0, 0);
        (self.not_repeated, self.divided) = (0, Divided::default());
        self.outages.clear();
    }
}

fn add_word(sum: &mut SlotSum, word: u64) {
    sum.ops += word & ((1 << OPS_BITS) - 1);
    sum.bytes += word >> OPS_BITS;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_counted_overflows() {
        let mut counts = ClusterCounts::default();
        let slot = SlotId(5);
        counts.words[slot.index()] = ((1_u64 << 35) - 1) << OPS_BITS | ((1 << 27) - 1);
        let steps = [100, u64::from(u32::MAX), 1 << 40, 7];
        for bytes in steps {
            counts.count_slot(slot, bytes);
        }
        let sum = counts.slots().nth(5).unwrap();
        assert_eq!(sum.ops, (1 << 27) - 1 + steps.len() as u64);
        assert_eq!(sum.bytes, (1 << 35) - 1 + steps.iter().sum::<u64>());
    }
}
