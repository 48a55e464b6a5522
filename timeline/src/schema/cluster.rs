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
    /// By node, those to which anything was sent.
    pub nodes: Vec<NodeShare>,
    /// The slots with the most requests.
    pub hot_slots: Vec<SlotShare>,
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
