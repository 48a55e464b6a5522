//! What a worker does at each step with several servers.

use std::collections::VecDeque;

use super::base::Ended;
use super::dispatch::Taken;
use super::{Dispatch, Dispatcher, Replied, Routed, retry};
use crate::measure::interval::Interval;
use crate::measure::outcome::{ErrorKind, Outcome};
use crate::ring::Ring;
use crate::store::cache_aside::CacheAside;
use crate::units::{ConnId, Nanos, NodeId};
use crate::worker::flight::Flight;

impl Dispatch for Routed {
    const IS_ROUTED: bool = true;

    #[inline]
    fn ready(&mut self, pool: usize) -> &mut VecDeque<ConnId> {
        self.router.ready(pool)
    }

    #[inline]
    fn next_issue(dispatcher: &Dispatcher<Self>) -> Nanos {
        if dispatcher.dispatch.hungry {
            return Nanos(0);
        }
        dispatcher.base.requests.arrivals.next_due().min(Self::next_again(dispatcher))
    }

    #[inline]
    fn issue(dispatcher: &mut Dispatcher<Self>, ring: &mut impl Ring, now: Nanos) {
        dispatcher.issue_routed(ring, now);
    }

    /// It is over, unless it is a part of one that is not, or the store behind the cache is to be asked
    /// for it.
    fn end_flight(
        dispatcher: &mut Dispatcher<Self>,
        id: ConnId,
        flight: Flight,
        outcome: Outcome,
        now: Nanos,
    ) {
        let Some((flight, outcome)) = dispatcher.end_of_part(flight, outcome) else { return };
        let Some((flight, outcome)) = dispatcher.end_before_store(flight, outcome, now) else {
            return;
        };
        dispatcher.base.leave_flight(&flight, outcome);
        if dispatcher.dispatch.mitigation.is_some() {
            dispatcher.end_mitigated(&flight, outcome, now);
        }
        let owner = Some(dispatcher.dispatch.router.owner(flight.route.slot));
        dispatcher.base.end_request(id, Ended { flight, outcome, owner }, now);
    }

    #[inline]
    fn next_again(dispatcher: &Dispatcher<Self>) -> Nanos {
        dispatcher.dispatch.router.next_delayed().min(dispatcher.next_fetched())
    }

    fn issue_again(dispatcher: &mut Dispatcher<Self>, ring: &mut impl Ring, now: Nanos) {
        dispatcher.serve_pools(ring, now, false);
        dispatcher.end_turn();
    }

    #[inline]
    fn follows(&self) -> bool {
        self.mitigation.is_some() || self.cache_aside.as_ref().is_some_and(CacheAside::follows)
    }

    fn reply(
        dispatcher: &mut Dispatcher<Self>,
        id: ConnId,
        flight: &mut Flight,
        replied: Replied,
        now: Nanos,
    ) -> bool {
        dispatcher.reply_routed(id, flight, replied, now)
    }

    fn take_push(dispatcher: &mut Dispatcher<Self>, id: ConnId, now: Nanos) {
        dispatcher.take_invalidations(id, now);
    }

    #[inline]
    fn count_bytes(&self, interval: &mut Interval, pool: usize, bytes: usize) {
        retry::count_bytes(&self.router, interval, pool, bytes);
    }

    #[inline]
    fn count_fast_path(&mut self, interval: &mut Interval, taken: Taken<'_>, now: Nanos) {
        retry::count_fast_path(&mut self.router, interval, taken, now);
    }

    #[inline]
    fn node(&self, pool: usize) -> Option<NodeId> {
        self.router.node(pool)
    }

    #[inline]
    fn fresh(&self) -> usize {
        self.router.fresh()
    }

    fn oldest_due(&self) -> Option<Nanos> {
        self.router.oldest_due()
    }

    fn take_never_sent(&mut self) -> Option<Nanos> {
        self.router.take_never_sent().map(|waiting| waiting.due)
    }

    fn missing(&self, _: usize) -> usize {
        self.router.missing()
    }

    fn is_wanted(&self, id: ConnId) -> bool {
        self.router.is_wanted(id)
    }

    fn is_deserted(&self, now: Nanos, patience_ns: u64) -> bool {
        self.router.is_deserted(now, patience_ns)
    }

    fn opened(&mut self, pool: usize) {
        self.router.opened(pool);
    }

    fn closed(&mut self, pool: usize) {
        self.router.closed(pool);
    }

    fn lost(&mut self, pool: usize, now: Nanos) {
        self.router.look_whether_down(pool, now);
    }

    fn count_at_node(dispatcher: &mut Dispatcher<Self>, id: ConnId, kind: ErrorKind) {
        dispatcher.count_loss_at_node(id, kind);
    }

    fn request_lost(
        dispatcher: &mut Dispatcher<Self>,
        id: ConnId,
        flight: &Flight,
        now: Nanos,
    ) -> bool {
        dispatcher.lost_routed(id, flight, now)
    }

    fn forget_kept(dispatcher: &mut Dispatcher<Self>) {
        dispatcher.forget_cached();
    }

    fn aim(dispatcher: &mut Dispatcher<Self>, ring: &mut impl Ring) {
        let router = &dispatcher.dispatch.router;
        for pool in 0..router.pools() {
            if let Some(address) = router.address(pool) {
                ring.aim(router.places(pool), address);
            }
        }
    }

    /// Gives nodes that have none their connections.
    #[inline]
    fn settle(dispatcher: &mut Dispatcher<Self>, ring: &mut impl Ring, now: Nanos) -> bool {
        let router = &mut dispatcher.dispatch.router;
        router.look();
        if !router.take_unsettled() {
            return false;
        }
        loop {
            let router = &dispatcher.dispatch.router;
            let Some((node, pool)) = router.without_pool().zip(router.spare_pool()) else {
                return true;
            };
            dispatcher.move_in(ring, pool, node, now);
        }
    }

    fn end_overdue(dispatcher: &mut Dispatcher<Self>, now: Nanos) {
        dispatcher.end_overdue_waiting(now);
        dispatcher.end_overdue_refills(now);
    }

    fn finish(dispatcher: &mut Dispatcher<Self>, now: Nanos) {
        dispatcher.finish_routed(now);
    }
}
