//! A cluster by node and by slot: who answered how much, what was redirected, which slots failed.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use stallion_timeline::{ClusterInterval, Outage, Redirects, SlotShare};

use crate::evidence;
use crate::run::Run;
use crate::words;

/// What the measured phases saw of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Cluster {
    /// Every node that was sent anything, those with the most requests first.
    pub nodes: Vec<Node>,
    /// Redirects that nodes answered.
    pub redirects: Redirects,
    /// Requests sent again by what they were answered.
    pub again: BTreeMap<String, u64>,
    /// Requests that were due and never sent, because too many waited for their node.
    pub overflowed: u64,
    /// Requests that failed after they had been sent again as often as is allowed.
    pub gave_up: u64,
    /// The slots with the most requests.
    pub hot_slots: Vec<HotSlot>,
    /// Those are the client's own sums over all slots. Else (the file was cut off) they are the
    /// sums of what each interval named as its hottest, and so lower bounds.
    pub hot_slots_exact: bool,
    /// When slots failed, warm-up included.
    pub outages: Vec<Failure>,
}

/// What one node answered.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Node {
    /// Address and port.
    pub node: String,
    /// Requests answered, redirects not counted.
    pub ops: u64,
    /// Its part of all of them, in hundredths of a per cent.
    pub share_basis_points: u32,
    /// Bytes sent and received.
    pub bytes: u64,
    /// Redirects that it answered.
    pub redirects: Redirects,
    /// Its other errors by kind; `disconnect`: requests lost with a connection to it.
    pub errors: BTreeMap<String, u64>,
    /// Slots that it served at the end; none when the file was cut off.
    pub slots: Option<u64>,
    /// Busy share of its main thread, 0 to 1; none when it has not said so.
    pub server_busy: Option<f64>,
}

/// What one slot was asked.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct HotSlot {
    /// The figures.
    #[serde(flatten)]
    pub share: SlotShare,
    /// Its part of all requests, in hundredths of a per cent.
    pub share_basis_points: u32,
    /// Who served it at the end; empty when that is unknown.
    pub node: String,
}

/// Time in which slots of one node failed.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Failure {
    /// When it began, from the start of the measured phase.
    pub at_axis_ns: i64,
    /// From the first error to the first answer from one of its slots; none without one.
    pub first_answer_after_ns: Option<u64>,
    /// From the first error until each of the slots had been answered; none when the run ended
    /// before, or asked some of them no more.
    pub recovered_after_ns: Option<u64>,
    /// Disturbances at the same time.
    pub chaos: Vec<String>,
    /// As it was seen.
    pub outage: Outage,
}

/// Sums it up; none with a single server.
#[must_use]
pub fn cluster(run: &Run) -> Option<Cluster> {
    let parts = || run.measured_slices().filter_map(|slice| slice.interval.cluster.as_ref());
    parts().next()?;
    let mut sum = Cluster::default();
    let mut nodes: BTreeMap<&str, Node> = BTreeMap::new();
    for part in parts() {
        add(&mut sum, part);
        for share in &part.nodes {
            let node = nodes.entry(&share.node).or_default();
            node.ops += share.ops;
            node.bytes += share.bytes;
            for (kind, count) in &share.errors {
                count_error(node, kind, *count);
            }
        }
    }
    let all: u64 = nodes.values().map(|node| node.ops).sum();
    let tail = &run.summary.cluster;
    sum.nodes = nodes.into_iter().map(|(name, node)| told(node, name, all, tail)).collect();
    sum.nodes.sort_by_key(|node| std::cmp::Reverse(node.ops));
    (sum.hot_slots, sum.hot_slots_exact) = hot_slots(tail, parts(), all);
    sum.outages = Outage::joined(run.outages.clone())
        .into_iter()
        .map(|outage| failure(run, outage))
        .collect();
    Some(sum)
}

fn add(sum: &mut Cluster, part: &ClusterInterval) {
    sum.redirects.moved += part.redirects.moved;
    sum.redirects.ask += part.redirects.ask;
    sum.redirects.tryagain += part.redirects.tryagain;
    sum.overflowed += part.overflowed;
    sum.gave_up += part.gave_up;
    for (kind, count) in &part.again {
        *sum.again.entry(kind.clone()).or_default() += count;
    }
}

fn count_error(node: &mut Node, kind: &str, count: u64) {
    match kind {
        "MOVED" => node.redirects.moved += count,
        "ASK" => node.redirects.ask += count,
        "TRYAGAIN" => node.redirects.tryagain += count,
        _ => *node.errors.entry(kind.to_owned()).or_default() += count,
    }
}

/// With what the client's summary alone knows of it.
fn told(node: Node, name: &str, all: u64, tail: &Value) -> Node {
    let named = |entry: &&Value| entry["node"].as_str() == Some(name);
    let entry = entries(tail, "nodes").iter().find(named);
    Node {
        node: name.to_owned(),
        share_basis_points: basis_points(node.ops, all),
        slots: entry.and_then(|entry| entry["slots"].as_u64()),
        server_busy: entry.and_then(|entry| entry["server_busy"].as_f64()),
        ..node
    }
}

fn entries<'a>(tail: &'a Value, list: &str) -> &'a [Value] {
    tail[list].as_array().map_or(&[], Vec::as_slice)
}

fn basis_points(part: u64, all: u64) -> u32 {
    (part as f64 / all.max(1) as f64 * 10_000.0).round() as u32
}

/// From the summary, or else from the intervals; and whether they are exact.
fn hot_slots<'a>(
    tail: &Value,
    parts: impl Iterator<Item = &'a ClusterInterval>,
    all: u64,
) -> (Vec<HotSlot>, bool) {
    let slot = |share: SlotShare, node: &str| HotSlot {
        share_basis_points: basis_points(share.ops, all),
        node: node.to_owned(),
        share,
    };
    let of_entry = |entry: &Value| {
        let share = serde_json::from_value(entry.clone()).ok()?;
        Some(slot(share, entry["node"].as_str().unwrap_or_default()))
    };
    let told: Vec<HotSlot> = entries(tail, "hot_slots").iter().filter_map(of_entry).collect();
    if !told.is_empty() {
        return (told, true);
    }
    let mut sums: BTreeMap<u16, SlotShare> = BTreeMap::new();
    for share in parts.flat_map(|part| &part.hot_slots) {
        let sum = sums
            .entry(share.slot)
            .or_insert(SlotShare { slot: share.slot, ..SlotShare::default() });
        sum.ops += share.ops;
        sum.bytes += share.bytes;
        sum.redirects += share.redirects;
        sum.errors += share.errors;
    }
    let mut slots: Vec<HotSlot> = sums.into_values().map(|share| slot(share, "")).collect();
    slots.sort_by_key(|slot| std::cmp::Reverse(slot.share.ops));
    slots.truncate(HOT_SLOTS);
    (slots, false)
}

/// Slots that are named when the client has not named them.
const HOT_SLOTS: usize = 10;

fn failure(run: &Run, outage: Outage) -> Failure {
    let after = |time_ns: u64| time_ns.saturating_sub(outage.start_ns);
    let chaos = evidence::chaos_in(run, outage.start_ns, outage.end_ns);
    Failure {
        at_axis_ns: run.axis_ns(outage.start_ns),
        first_answer_after_ns: outage.answered_ns().map(after),
        recovered_after_ns: outage.recovered_ns().map(after),
        chaos: chaos.map(|chaos| chaos.action.clone()).collect(),
        outage,
    }
}

impl Failure {
    /// `127.0.0.1:7000 left 5 461 slots unanswered for 5.61 s from 2.000 s on (kill-master)`.
    #[must_use]
    pub fn sentence(&self) -> String {
        let slots = words::plural(u64::from(self.outage.slots), "slot");
        let lasted = self.recovered_after_ns.map_or_else(
            || "to the end of the run".to_owned(),
            |ns| format!("for {}", words::duration(ns)),
        );
        let why = if self.chaos.is_empty() {
            String::new()
        } else {
            format!(" ({})", words::list(&self.chaos))
        };
        let at = words::at(self.at_axis_ns);
        format!("{} left {slots} unanswered {lasted} from {at} on{why}", self.outage.node)
    }
}
