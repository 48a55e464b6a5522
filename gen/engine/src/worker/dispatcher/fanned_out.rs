//! The dispatcher's steps of requests of several keys in a cluster: each key is asked for by itself, at the
//! node of its slot, and the request is over with the last of its parts.

use super::{Dispatcher, Routed};
use crate::measure::cluster::Divided;
use crate::measure::outcome::Outcome;
use crate::ring::Ring;
use crate::units::{ConnId, Nanos};
use crate::worker::flight::{Flight, Route};
use crate::worker::waiting::Waiting;
use stallion_resp::op::Op;
use stallion_resp::units::CommandId;

impl Dispatcher<Routed> {
    /// Whether the parts of one more request would find their places.
    #[inline]
    pub(super) fn may_fan_out(&self) -> bool {
        let Routed { fan_out, router, .. } = &self.dispatch;
        fan_out
            .as_ref()
            .is_none_or(|fan_out| fan_out.has_room() && router.has_room_for(fan_out.most()))
    }

    /// What asks for one key of a command, when it is divided.
    #[inline]
    pub(super) fn part_of(&self, command: CommandId) -> Option<CommandId> {
        self.dispatch.fan_out.as_ref().and_then(|parts| parts.part(command))
    }

    /// Begins a request of several keys on a connection of the node of its first key. The others go
    /// to their nodes, where they wait before all that has not been sent yet.
    pub(super) fn put_fanned_out(
        &mut self,
        ring: &mut impl Ring,
        id: ConnId,
        (waiting, part): (Waiting, CommandId),
        now: Nanos,
    ) {
        let Some(fan_out) = &mut self.dispatch.fan_out else { return };
        let distributions = self.base.requests.workload.distributions();
        let number = fan_out.begin(waiting.op, waiting.due, distributions);
        let of_key = |key| Op { command: part, nonce: 0, key, ttl_s: 0 };
        let first = Waiting { op: of_key(waiting.op.key), part: number, ..waiting };
        self.put(ring, id, first, now);
        let mut index = 1;
        while let Some(key) = self.dispatch.fan_out.as_ref().and_then(|parts| parts.key(index)) {
            index += 1;
            let op = of_key(key);
            let slot = self.dispatch.router.slot(op);
            self.put_or_keep(ring, Waiting { op, slot, sent: now, counted: true, ..first }, now);
        }
    }

    /// Sends a part to its node, or keeps it there.
    fn put_or_keep(&mut self, ring: &mut impl Ring, waiting: Waiting, now: Nanos) {
        let router = &mut self.dispatch.router;
        let node = router.owner(waiting.slot);
        let pool = router.pool(node).filter(|_| !router.has_resent(node));
        if let Some(id) = pool.and_then(|pool| self.front(pool)) {
            return self.put(ring, id, waiting, now);
        }
        // The first part was sent only because there is room for all.
        let kept = self.dispatch.router.keep_again(node, waiting, now);
        debug_assert!(kept, "a request is begun when there is room for its parts");
    }

    /// A part of a request ended: gives the request when it was the last of them.
    pub(super) fn end_of_part(
        &mut self,
        flight: Flight,
        outcome: Outcome,
    ) -> Option<(Flight, Outcome)> {
        let number = flight.route.part;
        if number == 0 {
            return Some((flight, outcome));
        }
        let whole = self.dispatch.fan_out.as_mut()?.end(number, flight.sent, outcome)?;
        if let Some(cluster) = &mut self.base.accounting.intervals.current.cluster {
            let (parts, partly) = (u64::from(whole.parts), u64::from(whole.is_partly()));
            cluster.divided.add(Divided { requests: 1, parts, partly });
        }
        let Op { command, nonce, key, ttl_s } = whole.op;
        let (due, sent) = (whole.due, whole.sent);
        // In the closed model it was due when it was sent.
        let due = if self.base.settings.open { due } else { sent };
        let route = Route { ttl_s, slot: flight.route.slot, ..Route::default() };
        Some((
            Flight { due, ready: due, sent, command, nonce, key, route, ..flight },
            whole.outcome,
        ))
    }
}
