//! The dispatcher's steps in a cluster: each request to the node of its slot, redirects and passing errors
//! back to routing with their intended time unchanged, and connections to nodes that come and go.

use super::Dispatcher;
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

impl Dispatcher {
    /// When the next request is to be sent again; never without a cluster.
    pub(in crate::worker) fn next_again(&self) -> Nanos {
        let again = self.router.as_ref().map_or(Nanos::NEVER, |router| router.next_delayed());
        again.min(self.next_fetched())
    }

    /// Requests that have been drawn and are not over.
    fn outstanding(&self) -> usize {
        self.in_flight + self.router.as_ref().map_or(0, |router| router.fresh())
    }

    /// Encodes what waits for connections that have room, and what is due, for the nodes that serve
    /// it. In the open model all that is due is drawn, so that a node without room delays only its
    /// own; in the closed model as many requests are kept open as all connections together take.
    pub(super) fn issue_routed(&mut self, ring: &mut impl Ring, now: Nanos) {
        self.hungry = false;
        let open = self.settings.open;
        if self.issue_sole(ring, now) && (!open || self.settings.arrivals.due_by(now).is_none()) {
            return;
        }
        self.serve_pools(ring, now, true);
        let mut credits = if open { usize::MAX } else { self.credits() };
        while credits > 0
            && let Some(due) = self.settings.arrivals.due_by(now)
        {
            let Some(op) = self.settings.workload.draw() else { break };
            self.settings.arrivals.advance();
            self.issue_mitigated(ring, op, due, now);
            credits -= 1;
        }
        self.end_turn();
    }

    /// Encodes what is due in whole batches where all goes to one node, as with a single server. In
    /// the open model what its connections have no room for is left. False when it does not apply.
    fn issue_sole(&mut self, ring: &mut impl Ring, now: Nanos) -> bool {
        if self.mitigation.is_some() || self.aside.is_some() || self.fan_out.is_some() {
            return false;
        }
        let Some(mut router) = self.router.take() else { return false };
        let pool = router.sole_pool();
        if let Some(pool) = pool {
            let (ready, slots) = router.lane(pool);
            self.issue_on(ring, ready, now, |op, length| {
                let (slot, bytes) = (slots.of(op.command, op.key), length as u32);
                Some(Route { ttl_s: op.ttl_s, slot, bytes, ..Route::default() })
            });
        }
        self.router = Some(router);
        pool.is_some()
    }

    /// While draining: only what was sent before goes out again.
    pub(in crate::worker) fn issue_again(&mut self, ring: &mut impl Ring, now: Nanos) {
        if self.router.is_some() {
            self.serve_pools(ring, now, false);
            self.end_turn();
        }
    }

    fn credits(&self) -> usize {
        let most = (self.places * self.settings.pipeline).min(MAX_WAITING);
        let credits = most.saturating_sub(self.outstanding());
        // What waits must leave room for the parts of what is begun.
        self.router.as_ref().map_or(credits, |router| credits.min(router.spare()))
    }

    fn serve_pools(&mut self, ring: &mut impl Ring, now: Nanos, fresh: bool) {
        self.take_fetched(now);
        let Some(router) = &mut self.router else { return };
        router.wake(now);
        for pool in 0..router.pools() {
            while let Some(id) = self.front(pool) {
                let fresh = fresh && self.may_fan_out();
                let next = self.router.as_mut().and_then(|router| router.take(pool, fresh));
                let Some(waiting) = next else { break };
                self.put(ring, id, waiting, now);
            }
        }
    }

    /// The connection of a node pool whose turn it is and that has room for a request.
    #[inline]
    pub(super) fn front(&mut self, pool: usize) -> Option<ConnId> {
        let ready = self.router.as_mut()?.ready(pool);
        while let Some(&id) = ready.front() {
            let connection = &mut self.connections[id.index()];
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
        let Some(router) = &mut self.router else { return false };
        let slot = router.slot(op);
        let is_read = router.reads_replicas() && self.expected.is_value_of_key(op.command);
        let replica = if is_read { router.replica(slot) } else { None };
        let node = replica.unwrap_or_else(|| router.owner(slot));
        let by_replica = replica.is_some();
        let waiting = Waiting { version, by_replica, ..Waiting::fresh(op, slot, due) };
        if is_read && let Some(counts) = &mut self.intervals.current.mitigation {
            counts.count(if by_replica { Tally::AtReplica } else { Tally::NoReplica });
        }
        let pool = router.pool(node).filter(|_| router.is_idle(node));
        let pool = pool.filter(|_| self.may_fan_out());
        if let Some(id) = pool.and_then(|pool| self.front(pool)) {
            self.put(ring, id, waiting, now);
            return true;
        }
        let open = self.settings.open;
        let kept = self.router.as_mut().is_some_and(|r| r.keep_fresh(node, waiting, open, now));
        if !kept && let Some(cluster) = &mut self.intervals.current.cluster {
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
        let connection = &mut self.connections[id.index()];
        connection.reuse_half();
        let Pending { half, bytes, .. } = connection.pending;
        let out = &mut ring.outgoing(id, half)[bytes..];
        let mut length = 0;
        if asks {
            out[..ASKING.len()].copy_from_slice(ASKING);
            length = ASKING.len();
        }
        let (encoder, distributions) =
            (&mut self.settings.encoder, self.settings.workload.distributions());
        length += match in_full {
            false => encoder.encode(op, distributions, &mut out[length..]),
            true => encoder.encode_in_full(op, distributions, &mut out[length..]),
        };
        let version = self.aside.as_ref().map_or(carried, |aside| aside.stamp(carried));
        if version > 0 {
            self.settings.encoder.put_version(op, version, &mut out[..length]);
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
            self.in_flight += 1;
        }
        if !connection.listed {
            connection.listed = true;
            self.to_send.push(id);
        }
    }

    /// In the open model the next connection of each node has its turn; in the closed model one
    /// that was begun must be answered before more is sent on it.
    fn end_turn(&mut self) {
        let Some(router) = &mut self.router else { return };
        for pool in 0..router.pools() {
            let ready = router.ready(pool);
            let Some(&id) = ready.front() else { continue };
            let connection = &mut self.connections[id.index()];
            if connection.pending.requests == 0 {
                continue;
            }
            if self.settings.open {
                ready.rotate_left(1);
            } else {
                connection.queued = false;
                ready.pop_front();
            }
        }
    }

    /// Tells the ring where the connections go.
    pub(in crate::worker) fn aim(&mut self, ring: &mut impl Ring) {
        let Some(router) = &self.router else { return };
        for pool in 0..router.pools() {
            if let Some(address) = router.address(pool) {
                ring.aim(router.places(pool), address);
            }
        }
    }

    /// Looks at what others have found out, and gives nodes that have none their connections. True
    /// when there are connections to be opened.
    #[inline]
    pub(in crate::worker) fn settle(&mut self, ring: &mut impl Ring, now: Nanos) -> bool {
        let Some(router) = &mut self.router else { return false };
        router.look();
        if !router.take_unsettled() {
            return false;
        }
        while let Some((node, pool)) =
            self.router.as_ref().and_then(|router| router.without_pool().zip(router.spare_pool()))
        {
            self.move_in(ring, pool, node, now);
        }
        true
    }

    /// Gives the connections of a node pool to another node.
    fn move_in(&mut self, ring: &mut impl Ring, pool: usize, node: NodeId, now: Nanos) {
        let Some(places) = self.router.as_ref().map(|router| router.places(pool)) else { return };
        for id in places.clone().map(ConnId) {
            if !matches!(self.connections[id.index()].state, State::Down { .. }) {
                ring.close(id);
                self.lose(id, now);
            }
            let connection = &mut self.connections[id.index()];
            connection.queued = false;
            connection.reassign();
        }
        let Some(router) = &mut self.router else { return };
        router.move_in(pool, node);
        if let Some(address) = router.address(pool) {
            ring.aim(places, address);
        }
    }
}
