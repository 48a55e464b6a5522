//! What a client of a cluster says beside: by node, by slot, and how long slots failed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Answers of a cluster that sent a request elsewhere, or asked it to come again. All zero on a
/// single server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Redirects {
    /// `-MOVED`
    pub moved: u64,
    /// `-ASK`
    pub ask: u64,
    /// `-TRYAGAIN`
    pub tryagain: u64,
}

/// What was counted by node and by slot in one interval.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClusterInterval {
    /// Redirects that were followed, or answered a request that failed by them.
    pub redirects: Redirects,
    /// Requests sent again by what they were answered (`disconnect`: lost with a connection).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub again: BTreeMap<String, u64>,
    /// Requests that were due and never sent because too many already waited for their node.
    #[serde(default)]
    pub overflowed: u64,
    /// Requests that failed after they had been sent again as often as is allowed.
    #[serde(default)]
    pub gave_up: u64,
    /// Requests that were lost with their connection and not sent again, because that might have done
    /// them twice.
    #[serde(default)]
    pub not_repeated: u64,
    /// Requests of several keys that were sent key by key; none when there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub divided: Option<Box<DividedRequests>>,
    /// By node, those to which anything was sent.
    pub nodes: Vec<NodeShare>,
    /// The slots with the most requests.
    pub hot_slots: Vec<SlotShare>,
}

/// Requests of several keys that lay in several slots: each was sent as one request for each key, and
/// counted as one, from its intended time to the answer of the last of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DividedRequests {
    /// How many ended.
    pub requests: u64,
    /// Their parts.
    pub parts: u64,
    /// Of the requests, those of which some parts were answered, and others failed: they count as
    /// failed.
    pub partly_failed: u64,
}

/// What went to one node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeShare {
    /// Address and port.
    pub node: String,
    /// Requests that it answered, redirects not counted.
    pub ops: u64,
    /// Bytes sent and received.
    pub bytes: u64,
    /// Its errors and redirects by kind, whether or not the request was sent again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<String, u64>,
}

/// What went to one slot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SlotShare {
    /// The slot.
    pub slot: u16,
    /// Requests answered, redirects not counted.
    pub ops: u64,
    /// Bytes of the requests and of their answers.
    pub bytes: u64,
    /// Redirects.
    #[serde(default)]
    pub redirects: u64,
    /// Other errors, and requests lost with a connection.
    #[serde(default)]
    pub errors: u64,
}

/// Outages of one node that are less apart than this are one: its connections do not notice in the
/// same microsecond.
const SAME_OUTAGE_NS: u64 = 100_000_000;

/// Time in which requests to slots of one node failed, as one thread of the client saw it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outage {
    /// Who served the slots when it began, as address and port.
    pub node: String,
    /// The first error, or lost request.
    pub start_ns: u64,
    /// The first answer without an error from one of these slots; the start when there was none.
    pub first_answer_ns: u64,
    /// When the last of the slots had its first answer: the outage is over.
    pub end_ns: u64,
    /// The lowest slot with an error.
    pub first_slot: u16,
    /// The highest slot with an error.
    pub last_slot: u16,
    /// How many slots had one.
    pub slots: u32,
    /// Of them, those that were answered again; fewer than `slots` when the run ended before, or
    /// asked some of them no more.
    pub slots_back: u32,
    /// Which of the client's rings saw it, counted from 0.
    pub ring: u32,
}

impl Outage {
    /// Outages of one node that several rings saw, or that follow each other at once, as one; in the
    /// order of their start. `ring` is that of the first.
    #[must_use]
    pub fn joined(mut seen: Vec<Self>) -> Vec<Self> {
        seen.sort_by(|one, other| (one.start_ns, &one.node).cmp(&(other.start_ns, &other.node)));
        let mut joined: Vec<Self> = Vec::new();
        for outage in seen {
            let same = |known: &&mut Self| {
                let close = outage.start_ns.saturating_sub(known.end_ns) < SAME_OUTAGE_NS;
                known.node == outage.node && (close || known.slots_back < known.slots)
            };
            match joined.iter_mut().rev().find(same) {
                None => joined.push(outage),
                Some(known) => known.join(&outage),
            }
        }
        joined
    }

    fn join(&mut self, other: &Self) {
        let answers = [&*self, other].map(Self::answered_ns);
        self.first_answer_ns = answers.into_iter().flatten().min().unwrap_or(self.start_ns);
        self.end_ns = self.end_ns.max(other.end_ns);
        self.first_slot = self.first_slot.min(other.first_slot);
        self.last_slot = self.last_slot.max(other.last_slot);
        self.slots += other.slots;
        self.slots_back += other.slots_back;
    }

    /// The first answer without an error; none without one.
    #[must_use]
    pub fn answered_ns(&self) -> Option<u64> {
        (self.slots_back > 0).then_some(self.first_answer_ns)
    }

    /// When each of its slots had been answered again; none when the run ended before, or asked
    /// some of them no more.
    #[must_use]
    pub fn recovered_ns(&self) -> Option<u64> {
        (self.slots_back >= self.slots).then_some(self.end_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outage(ring: u32, node: &str, span_ns: (u64, u64), slots: (u32, u32)) -> Outage {
        Outage {
            node: node.to_owned(),
            start_ns: span_ns.0,
            first_answer_ns: span_ns.1,
            end_ns: span_ns.1,
            slots: slots.0,
            slots_back: slots.1,
            ring,
            ..Outage::default()
        }
    }

    #[test]
    fn what_several_rings_saw_of_one_outage_is_one() {
        let later = 9_000 + 2 * SAME_OUTAGE_NS;
        let found = Outage::joined(vec![
            outage(0, "a", (1_000, 5_000), (3, 3)),
            outage(1, "a", (1_200, 9_000), (4, 4)),
            outage(0, "b", (1_100, 1_300), (1, 0)),
            outage(0, "a", (later, later + 1_000), (1, 1)),
        ]);
        assert_eq!(found.len(), 3);
        let first = &found[0];
        assert_eq!((first.start_ns, first.first_answer_ns, first.end_ns), (1_000, 5_000, 9_000));
        assert_eq!((first.slots, first.slots_back), (7, 7));
        assert_eq!((first.recovered_ns(), found[1].recovered_ns()), (Some(9_000), None));
    }
}
