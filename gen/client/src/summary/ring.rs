//! How a client-side ring shared out the requests, and how many keys a change of the list would move.

use serde::Serialize;

use crate::plan::RingPlan;
use stallion_engine::cluster::hash_ring::{Spreading, share_moved};
use stallion_engine::measure::cluster_sum::ClusterSum;
use stallion_resp::encoder::key_text;
use stallion_resp::units::KeyId;

/// Keys that are looked at to say how many move.
const SAMPLE: u64 = 100_000;

/// The figures of `--topology ring`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RingSummary {
    /// How keys are shared out.
    pub hash: Spreading,
    /// The servers in the order of the list.
    pub nodes: Vec<RingNode>,
    /// Share of the keys that would be on another server if the last one were gone; none of one.
    pub moved_without_last: Option<f64>,
    /// Share of the keys that would be on another server with the list of --ring-compare.
    pub moved_to_compared: Option<f64>,
}

/// One server of a ring.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RingNode {
    /// As in the list.
    pub node: String,
    /// Requests that it answered.
    pub ops: u64,
    /// Their share of all.
    pub ops_share: f64,
}

impl RingSummary {
    /// From the sums of a run, whose slots are the places of the list; `keys` with this prefix exist.
    #[must_use]
    pub fn of(sum: &ClusterSum, ring: &RingPlan, prefix: &str, keys: u64) -> Self {
        let all: u64 = sum.slots.iter().map(|slot| slot.ops).sum();
        let node = |(name, ops): (&String, u64)| RingNode {
            node: name.clone(),
            ops,
            ops_share: (ops as f64 / all.max(1) as f64 * 10_000.0).round() / 10_000.0,
        };
        let step = (keys / SAMPLE).max(1);
        let moved = |after: &[String]| {
            let names = (0..keys.min(SAMPLE)).map(|index| KeyId(index * step));
            let names = names.map(|key| key_text(prefix, key).into_bytes());
            let before = (&ring.ring(&ring.nodes), ring.nodes.as_slice());
            let share = share_moved(before, (&ring.ring(after), after), names);
            (share * 10_000.0).round() / 10_000.0
        };
        let without = ring.nodes.split_last().map(|(_, rest)| rest);
        Self {
            hash: ring.spreading,
            nodes: ring.nodes.iter().zip(sum.slots.iter().map(|slot| slot.ops)).map(node).collect(),
            moved_without_last: without.filter(|rest| !rest.is_empty()).map(moved),
            moved_to_compared: ring.compare.as_deref().map(moved),
        }
    }
}
