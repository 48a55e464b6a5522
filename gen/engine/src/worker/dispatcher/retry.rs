//! Requests of a cluster that come back: redirects and passing errors return to routing with their
//! intended time unchanged and a bounded count of hops, and what came back for good is counted by
//! slot, node and kind.

use std::net::{IpAddr, SocketAddr};

use super::dispatch::Taken;
use super::{Dispatch as _, Dispatcher, Replied, Routed};
use crate::limits::{MAX_HOPS, MAX_NODES, QUICK_HOPS};
use crate::measure::cluster::ClusterCounts;
use crate::measure::interval::Interval;
use crate::measure::mitigation::Tally;
use crate::measure::outcome::{ErrorKind, Outcome};
use crate::units::{ConnId, Nanos, NodeId};
use crate::worker::flight::{Flight, Route};
use crate::worker::router::Router;
use crate::worker::routing::retry_pause_ns;
use crate::worker::waiting::Waiting;
use stallion_resp::op::Op;
use stallion_resp::redirect::{Elsewhere, Redirect, read};
use stallion_resp::units::SlotId;

/// Where a redirected request goes.
#[derive(Debug, Clone, Copy)]
struct Redirected {
    node: NodeId,
    /// ASKING goes before it.
    asks: bool,
}

/// Why a request is sent again, and where.
#[derive(Debug, Clone, Copy)]
struct Again {
    kind: ErrorKind,
    /// A redirect is followed whatever the policy.
    follows: bool,
    to: Option<Redirected>,
}

impl Dispatcher<Routed> {
    /// An answer that the fast path did not take. True when the request goes on.
    pub(super) fn reply_routed(
        &mut self,
        id: ConnId,
        flight: &mut Flight,
        Replied { outcome, bytes }: Replied,
        now: Nanos,
    ) -> bool {
        let pool = self.base.connections[id].pool;
        let router = &mut self.dispatch.router;
        flight.node = router.node(pool);
        let Outcome::Error(kind) = outcome else {
            router.note_latency(pool, now.since(flight.sent));
            count_one(
                router,
                &mut self.base.accounting.intervals.current,
                flight,
                (bytes, pool),
                now,
            );
            return false;
        };
        let from = router.node(pool);
        let connection = &self.base.connections[id];
        // Of a transaction the first error says where it belongs, and EXEC's own only that it failed.
        let text = connection.first_error.text().unwrap_or_else(|| connection.parser.text());
        let to = match read(text).filter(|_| router.follows()) {
            Some(Redirect::Moved(place)) => {
                let node = number(router, from, place);
                if let Some(node) = node {
                    router.patch(place.slot, node);
                }
                router.want_refresh();
                node.map(|node| Redirected { node, asks: false })
            }
            Some(Redirect::Ask(place)) => {
                number(router, from, place).map(|node| Redirected { node, asks: true })
            }
            // The node gets the script with the request; a transaction was done but for that.
            _ if kind == ErrorKind::NoScript => from.map(|node| Redirected { node, asks: false }),
            _ => None,
        };
        let lacks_script =
            kind == ErrorKind::NoScript && self.base.expected.replies(flight.command) == 1;
        let follows =
            (lacks_script || matches!(kind, ErrorKind::Moved | ErrorKind::Ask)) && router.follows();
        let known = follows || kind.is_passing() && router.follows();
        if known && self.send_again(flight, from, Again { kind, follows, to }, now) {
            return true;
        }
        let slot = flight.route.slot;
        if let Some(cluster) = &mut self.base.accounting.intervals.current.cluster {
            if !known {
                cluster.failed(from, slot, kind, flight.route.bytes);
            }
            cluster.answered(from, slot, bytes);
        }
        false
    }

    /// Counts a passing error of a request, and returns the request to routing if the policy and
    /// the bounds allow it.
    fn send_again(
        &mut self,
        flight: &Flight,
        from: Option<NodeId>,
        again: Again,
        now: Nanos,
    ) -> bool {
        let Again { kind, follows, to } = again;
        let router = &mut self.dispatch.router;
        let Some(cluster) = &mut self.base.accounting.intervals.current.cluster else {
            return false;
        };
        let slot = flight.route.slot;
        cluster.failed(from, slot, kind, flight.route.bytes);
        if !kind.is_redirect() && kind != ErrorKind::NoScript {
            let node = from.unwrap_or_else(|| router.owner(slot));
            router.outages.failed(node, slot, now);
            router.want_refresh();
        }
        if !follows && !router.retries() {
            return false;
        }
        let hops = flight.route.hops + 1;
        if hops > MAX_HOPS {
            cluster.gave_up += 1;
            return false;
        }
        let Flight { command, nonce, key, .. } = *flight;
        let op = Op { command, nonce, key, ttl_s: flight.route.ttl_s };
        let asks = to.is_some_and(|to| to.asks);
        let Flight { due, sent, route, .. } = *flight;
        let waiting = Waiting {
            sent,
            hops,
            counted: true,
            part: route.part,
            version: route.version,
            asks,
            in_full: route.in_full || kind == ErrorKind::NoScript,
            last: kind,
            ..Waiting::fresh(op, slot, due)
        };
        let kept = match to {
            Some(Redirected { node, .. }) if hops <= QUICK_HOPS => {
                router.keep_again(node, waiting, now)
            }
            // By then the slot may be elsewhere: its owner is asked.
            _ => {
                let until = now + retry_pause_ns(hops);
                router.delay(Waiting { asks: false, ..waiting }, until)
            }
        };
        cluster.again[kind as usize] += u64::from(kept);
        let was_read = from.is_some_and(|from| router.is_replica(from));
        if let Some(counts) =
            self.base.accounting.intervals.current.mitigation.as_mut().filter(|_| was_read && kept)
        {
            counts.count(Tally::FellBack);
        }
        cluster.gave_up += u64::from(!kept);
        kept
    }

    /// A request was lost with its connection. True when it goes on.
    pub(super) fn lost_routed(&mut self, id: ConnId, flight: &Flight, now: Nanos) -> bool {
        let pool = self.base.connections[id].pool;
        let from = self.dispatch.router.node(pool);
        self.doubt(flight);
        if !self.base.expected.repeats(flight.command) {
            self.count_not_repeated(from, flight, now);
            return false;
        }
        let again = Again { kind: ErrorKind::Disconnect, follows: false, to: None };
        self.send_again(flight, from, again, now)
    }

    /// A request was lost that may have been done: done once more it would leave something else.
    fn count_not_repeated(&mut self, from: Option<NodeId>, flight: &Flight, now: Nanos) {
        let router = &mut self.dispatch.router;
        let Some(cluster) = &mut self.base.accounting.intervals.current.cluster else { return };
        let Route { slot, bytes, .. } = flight.route;
        cluster.failed(from, slot, ErrorKind::Disconnect, bytes);
        cluster.not_repeated += u64::from(router.retries());
        let node = from.unwrap_or_else(|| router.owner(slot));
        router.outages.failed(node, slot, now);
        router.want_refresh();
    }

    /// Counts what happened to a connection for its node.
    pub(super) fn count_loss_at_node(&mut self, id: ConnId, kind: ErrorKind) {
        let pool = self.base.connections[id].pool;
        let router = &self.dispatch.router;
        router.want_refresh();
        if let Some(cluster) = &mut self.base.accounting.intervals.current.cluster {
            cluster.failed_at(router.node(pool), kind);
        }
    }

    /// Requests that wait to be sent again and were sent a whole time-out ago are given up.
    pub(super) fn end_overdue_waiting(&mut self, now: Nanos) {
        let deadline = Nanos(now.0.saturating_sub(self.base.settings.timeout_ns));
        for node in 0..MAX_NODES {
            let node = NodeId(node as u16);
            while let Some(waiting) = self.dispatch.router.take_overdue(node, deadline) {
                self.end_waiting(waiting, Outcome::Timeout, now);
            }
        }
    }

    /// The run is over: what waits to be sent again ends as it ended last, and outages that are
    /// not over are told.
    pub(super) fn finish_routed(&mut self, now: Nanos) {
        while let Some(waiting) = self.dispatch.router.take_any() {
            let outcome = match waiting.last {
                ErrorKind::Disconnect => Outcome::Lost,
                kind => Outcome::Error(kind),
            };
            self.end_waiting(waiting, outcome, now);
        }
        self.finish_refills(now);
        let router = &mut self.dispatch.router;
        while let Some(outage) = router.outages.take_open() {
            if let Some(cluster) = &mut self.base.accounting.intervals.current.cluster {
                cluster.note(outage);
            }
        }
    }

    pub(super) fn end_waiting(&mut self, waiting: Waiting, outcome: Outcome, now: Nanos) {
        let Waiting { op, due, sent, version, part, slot, .. } = waiting;
        let Op { command, nonce, key, .. } = op;
        let route = Route { version, part, slot, ..Route::default() };
        let (ready, ahead, node) = (due, 0, None);
        let flight = Flight { due, ready, sent, command, nonce, key, ahead, route, node };
        Routed::end_flight(self, ConnId(0), flight, outcome, now);
    }
}

/// The node that a redirect names. One without a host is on that of the node that said so; one
/// with a name that is no address must be looked up, which is not a worker's business.
fn number(router: &mut Router, from: Option<NodeId>, place: Elsewhere<'_>) -> Option<NodeId> {
    let ip: IpAddr = if place.host.is_empty() || place.host == "?" {
        router.address(router.pool(from?)?)?.ip()
    } else {
        place.host.parse().ok()?
    };
    router.number(SocketAddr::new(ip, place.port))
}

/// Counts bytes that went to or came from the node of a node pool.
#[inline]
pub(super) fn count_bytes(router: &Router, interval: &mut Interval, pool: usize, bytes: usize) {
    if let (Some(cluster), Some(node)) = (&mut interval.cluster, router.node(pool)) {
        cluster.nodes[node.index()].bytes += bytes as u64;
    }
}

/// Counts the answers that the fast path took, by slot and node.
#[inline]
pub(super) fn count_fast_path(
    router: &mut Router,
    interval: &mut Interval,
    taken: Taken<'_>,
    now: Nanos,
) {
    let Taken { flights, expected, count, pool } = taken;
    let Some(cluster) = &mut interval.cluster else { return };
    let node = router.node(pool);
    flights.show(count, |command, slot, bytes| {
        cluster.count_slot(slot, u64::from(bytes) + expected.fast_reply(command).bytes() as u64);
    });
    cluster.count_node(node, count as u64);
    if !router.outages.is_empty() {
        flights.show(count, |_, slot, _| end_outage(router, cluster, slot, now));
    }
}

fn count_one(
    router: &mut Router,
    interval: &mut Interval,
    flight: &Flight,
    (bytes, pool): (u64, usize),
    now: Nanos,
) {
    let Some(cluster) = &mut interval.cluster else { return };
    let bytes = bytes + u64::from(flight.route.bytes);
    cluster.answered(router.node(pool), flight.route.slot, bytes);
    end_outage(router, cluster, flight.route.slot, now);
}

fn end_outage(router: &mut Router, cluster: &mut ClusterCounts, slot: SlotId, now: Nanos) {
    if let Some(outage) = router.outages.answered(slot, now) {
        cluster.note(outage);
    }
}
