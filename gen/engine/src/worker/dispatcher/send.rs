//! The dispatcher's steps of sending with several servers: each request to the node of its slot, and
//! connections to nodes that come and go.

use super::{Dispatcher, Routed};
use crate::limits::MAX_WAITING;
use crate::measure::mitigation::Tally;
use crate::ring::Ring;
use crate::units::{ConnId, Nanos, NodeId};
use crate::worker::connection::{Pending, State};
use crate::worker::flight::Route;
use crate::worker::waiting::Waiting;
use stallion_resp::op::Op;

/// What goes before a request that a node asked for by ASK.
pub const ASKING: &[u8] = b"*1\r\n$6\r\nASKING\r\n";

impl Dispatcher<Routed> {
    /// Requests that have been drawn and are not over.
    fn outstanding(&self) -> usize {
        self.base.accounting.in_flight + self.dispatch.router.fresh()
    }

    /// Encodes what waits for connections that have room, and what is due, for the nodes that serve
    /// it. In the open model all that is due is drawn, so that a node without room delays only its
    /// own; in the closed model as many requests are kept open as all connections together take.
    pub(super) fn issue_routed(&mut self, ring: &mut impl Ring, now: Nanos) {
        self.dispatch.hungry = false;
        let open = self.base.settings.open;
        if self.issue_sole(ring, now)
            && (!open || self.base.requests.arrivals.due_by(now).is_none())
        {
            return;
        }
        self.serve_pools(ring, now, true);
        let mut credits = if open { usize::MAX } else { self.credits() };
        while credits > 0
            && let Some(due) = self.base.requests.arrivals.due_by(now)
        {
            let Some(op) = self.base.requests.workload.draw() else { break };
            self.base.requests.arrivals.advance();
            self.issue_mitigated(ring, op, due, now);
            credits -= 1;
        }
        self.end_turn();
    }

    /// Encodes what is due in whole batches where all goes to one node, as with a single server. In
    /// the open model what its connections have no room for is left. False when it does not apply.
    fn issue_sole(&mut self, ring: &mut impl Ring, now: Nanos) -> bool {
        if self.dispatch.mitigation.is_some()
            || self.dispatch.cache_aside.is_some()
            || self.dispatch.fan_out.is_some()
        {
            return false;
        }
        let Some(pool) = self.dispatch.router.sole_pool() else { return false };
        let (ready, slots) = self.dispatch.router.lane(pool);
        self.base.issue_on(ring, ready, now, |op, length| {
            let (slot, bytes) = (slots.of(op.command, op.key), length as u32);
            Some(Route { ttl_s: op.ttl_s, slot, bytes, ..Route::default() })
        });
        true
    }

    fn credits(&self) -> usize {
        let most = (self.dispatch.places * self.base.settings.pipeline).min(MAX_WAITING);
        let credits = most.saturating_sub(self.outstanding());
        // What waits must leave room for the parts of what is begun.
        credits.min(self.dispatch.router.spare())
    }

    pub(super) fn serve_pools(&mut self, ring: &mut impl Ring, now: Nanos, fresh: bool) {
        self.take_fetched(now);
        let router = &mut self.dispatch.router;
        router.wake(now);
        for pool in 0..router.pools() {
            while let Some(id) = self.front(pool) {
                let fresh = fresh && self.may_fan_out();
                let next = self.dispatch.router.take(pool, fresh);
                let Some(waiting) = next else { break };
                self.put(ring, id, waiting, now);
            }
        }
    }

    /// The connection of a node pool whose turn it is and that has room for a request.
    #[inline]
    pub(super) fn front(&mut self, pool: usize) -> Option<ConnId> {
        let ready = self.dispatch.router.ready(pool);
        while let Some(&id) = ready.front() {
            let connection = &mut self.base.connections[id];
            if connection.room() > 0 {
                return Some(id);
            }
            connection.queued = false;
            ready.pop_front();
        }
        None
    }

    /// Sends one request, or keeps it for its node. False when there is no place for it.
    #[inline]
    pub(super) fn issue_one(
        &mut self,
        ring: &mut impl Ring,
        (op, version): (Op, u64),
        due: Nanos,
        now: Nanos,
    ) -> bool {
        let router = &mut self.dispatch.router;
        let slot = router.slot(op);
        let is_read = router.reads_replicas() && self.base.expected.is_value_of_key(op.command);
        let replica = if is_read { router.replica(slot) } else { None };
        let node = replica.unwrap_or_else(|| router.owner(slot));
        let by_replica = replica.is_some();
        let waiting = Waiting { version, by_replica, ..Waiting::fresh(op, slot, due) };
        if is_read && let Some(counts) = &mut self.base.accounting.intervals.current.mitigation {
            counts.count(if by_replica { Tally::AtReplica } else { Tally::NoReplica });
        }
        let pool = router.pool(node).filter(|_| router.is_idle(node));
        let pool = pool.filter(|_| self.may_fan_out());
        if let Some(id) = pool.and_then(|pool| self.front(pool)) {
            self.put(ring, id, waiting, now);
            return true;
        }
        let open = self.base.settings.open;
        let kept = self.dispatch.router.keep_fresh(node, waiting, open, now);
        if !kept && open {
            self.never_sent(due, now);
        }
        if !kept && let Some(cluster) = &mut self.base.accounting.intervals.current.cluster {
            cluster.overflowed += 1;
        }
        kept
    }

    /// Encodes one request for a connection that has room.
    #[inline]
    pub(super) fn put(&mut self, ring: &mut impl Ring, id: ConnId, waiting: Waiting, now: Nanos) {
        let Waiting { op, slot, due, hops, version: carried, asks, in_full, .. } = waiting;
        if let Some(part) = self.part_of(op.command) {
            return self.put_fanned_out(ring, id, (waiting, part), now);
        }
        let connection = &mut self.base.connections[id];
        connection.reuse_half();
        let Pending { half, bytes, .. } = connection.pending;
        let out = &mut ring.outgoing(id, half)[bytes..];
        let mut length = 0;
        if asks {
            out[..ASKING.len()].copy_from_slice(ASKING);
            length = ASKING.len();
        }
        let (encoder, distributions) =
            (&mut self.base.requests.encoder, self.base.requests.workload.distributions());
        length += match in_full {
            false => encoder.encode(op, distributions, &mut out[length..]),
            true => encoder.encode_in_full(op, distributions, &mut out[length..]),
        };
        let version =
            self.dispatch.cache_aside.as_ref().map_or(carried, |aside| aside.stamp(carried));
        if version > 0 {
            self.base.requests.encoder.put_version(op, version, &mut out[..length]);
        }
        let ready = due.max(connection.free_since);
        let bytes = length as u32;
        let (part, version) = (waiting.part, carried);
        let route = Route { ttl_s: op.ttl_s, slot, hops, in_full, bytes, part, version };
        connection.flights.put((due, ready, now), &op, route, (waiting.counted, asks));
        connection.pending.bytes += length;
        connection.pending.requests += 1;
        connection.requests_left -= 1;
        if waiting.counted {
            connection.pending.resent += 1;
        } else {
            self.base.accounting.in_flight += 1;
        }
        self.base.connections.list_to_send(id);
    }

    /// In the open model the next connection of each node has its turn; in the closed model one
    /// that was begun must be answered before more is sent on it.
    pub(super) fn end_turn(&mut self) {
        let router = &mut self.dispatch.router;
        for pool in 0..router.pools() {
            let ready = router.ready(pool);
            let Some(&id) = ready.front() else { continue };
            let connection = &mut self.base.connections[id];
            if connection.pending.requests == 0 {
                continue;
            }
            if self.base.settings.open {
                ready.rotate_left(1);
            } else {
                connection.queued = false;
                ready.pop_front();
            }
        }
    }

    /// Gives the connections of a node pool to another node.
    pub(super) fn move_in(&mut self, ring: &mut impl Ring, pool: usize, node: NodeId, now: Nanos) {
        let places = self.dispatch.router.places(pool);
        for id in places.clone().map(ConnId) {
            if !matches!(self.base.connections[id].state, State::Down { .. }) {
                ring.close(id);
                self.lose(id, now);
            }
            let connection = &mut self.base.connections[id];
            connection.queued = false;
            connection.reassign();
        }
        let router = &mut self.dispatch.router;
        router.move_in(pool, node);
        if let Some(address) = router.address(pool) {
            ring.aim(places, address);
        }
    }
}
