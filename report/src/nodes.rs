//! Which server delayed a request: in a cluster its own node's stalls do, and the other nodes' do not;
//! and when nobody served its slot.

use std::collections::BTreeMap;

use stallion_timeline::{Outage, SlowOp, Stall};

use crate::ledger::{Ledger, union};
use crate::run::{Run, port_of};

/// The stalls of all main threads together, and of each node of a cluster by itself.
#[derive(Debug, Clone)]
pub struct Ledgers {
    /// Of all servers that the client drove.
    pub all: Ledger,
    /// By port; empty unless requests say which node answered them.
    of_port: BTreeMap<u16, Ledger>,
}

impl Ledgers {
    /// Lays out the stalls of a run; `late` are the spans in which its client was late.
    #[must_use]
    pub fn of(run: &Run, late: &[(u64, u64)]) -> Self {
        let all = Ledger::of(&run.stalls, late.iter().copied());
        let mut ports: Vec<u16> = run.slow_ops.iter().filter_map(|(_, op)| port(op)).collect();
        ports.sort_unstable();
        ports.dedup();
        let of_port = ports.into_iter().map(|port| {
            let own = |stall: &&Stall| stall.port == port || stall.port == 0;
            let stalls: Vec<Stall> = run.stalls.iter().filter(own).cloned().collect();
            (port, Ledger::of(&stalls, late.iter().copied()))
        });
        Self { all, of_port: of_port.collect() }
    }

    /// The places of requests by the ledger of the node that answered them, in their order.
    #[must_use]
    pub fn by_node(&self, ops: &[(usize, SlowOp)]) -> Vec<(&Ledger, Vec<usize>)> {
        let mut places: BTreeMap<Option<u16>, Vec<usize>> = BTreeMap::new();
        for (place, (_, op)) in ops.iter().enumerate() {
            places.entry(port(op)).or_default().push(place);
        }
        let ledger = |port: Option<u16>| port.and_then(|port| self.of_port.get(&port));
        places
            .into_iter()
            .map(|(port, places)| (ledger(port).unwrap_or(&self.all), places))
            .collect()
    }
}

/// The port of the node that answered a request.
fn port(op: &SlowOp) -> Option<u16> {
    port_of(op.node.as_ref()?)
}

/// When nobody served a request's slot, as far as it waited for that: from the first error, or from
/// when it was due, to its end. One that came due after the slots were answered again did not wait.
#[must_use]
pub fn failing(outages: &[Outage], op: &SlowOp) -> Vec<(u64, u64)> {
    let waited = |outage: &&Outage| {
        let back_ns = if outage.slots_back > 0 { outage.first_answer_ns } else { outage.end_ns };
        let is_in = (outage.first_slot..=outage.last_slot).contains(&op.slot);
        is_in && op.due_ns < back_ns && op.done_ns > outage.start_ns
    };
    let span = |outage: &Outage| {
        let end_ns = outage.end_ns.max(outage.first_answer_ns);
        (outage.start_ns.max(op.due_ns), end_ns.min(op.done_ns))
    };
    union(outages.iter().filter(waited).map(span).collect())
}

#[cfg(test)]
mod tests {
    use stallion_timeline::Outcome;

    use super::*;

    fn op(due_ns: u64, done_ns: u64, slot: u16) -> SlowOp {
        SlowOp {
            due_ns,
            sent_ns: due_ns,
            done_ns,
            command: "get".to_owned(),
            key: 1,
            slot,
            connection: 0,
            outcome: Outcome::Ok,
            ahead: 0,
            own_lag_ns: 0,
            node: None,
        }
    }

    #[test]
    fn requests_of_one_node_share_its_ledger() {
        let at = |port: u16| SlowOp { node: Some(format!("10.0.0.1:{port}")), ..op(1, 2, 3) };
        let ops = [at(7_001), at(7_000), op(1, 2, 3), at(7_001)].map(|op| (0, op));
        let of_port = [7_000, 7_001].map(|port| (port, Ledger::default()));
        let ledgers = Ledgers { all: Ledger::default(), of_port: of_port.into() };
        let places: Vec<Vec<usize>> =
            ledgers.by_node(&ops).into_iter().map(|(_, places)| places).collect();
        assert_eq!(places, [vec![2], vec![1], vec![0, 3]]);
    }

    #[test]
    fn a_request_waits_for_an_outage_of_its_slot_only() {
        let outage = Outage {
            first_slot: 10,
            last_slot: 20,
            slots: 11,
            slots_back: 11,
            start_ns: 100,
            first_answer_ns: 500,
            end_ns: 900,
            ..Outage::default()
        };
        let outages = [outage.clone(), Outage { start_ns: 150, ring: 1, ..outage }];
        for (op, spans) in [
            (op(50, 600, 15), &[(100, 600)][..]),
            (op(200, 600, 20), &[(200, 600)]),
            (op(200, 2_000, 10), &[(200, 900)]),
            (op(200, 600, 21), &[]),
            (op(550, 800, 15), &[]),
            (op(10, 90, 15), &[]),
        ] {
            assert_eq!(failing(&outages, &op), spans, "{op:?}");
        }
    }
}
