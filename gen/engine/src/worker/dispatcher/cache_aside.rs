//! The dispatcher's steps of cache-aside: a read that finds nothing asks the store and writes what it says
//! into the cache, and is over when that is acknowledged. It stays one request, with one intended
//! time, however many steps it takes.

use super::base::Ended;
use super::{Dispatch as _, Dispatcher, Routed};
use crate::measure::outcome::{ErrorKind, Outcome};
use crate::measure::store::StoreTally;
use crate::mitigation::joined::Waiter;
use crate::store::cache_aside::{Age, Begun, Reader, StoreAnswer};
use crate::units::{ConnId, Nanos};
use crate::worker::flight::{Flight, Route};
use crate::worker::waiting::Waiting;
use stallion_resp::op::Op;
use stallion_resp::units::KeyId;

impl Dispatcher<Routed> {
    /// When to look for the store's answers; never without one.
    pub(super) fn next_fetched(&self) -> Nanos {
        let now = self.dispatch.looked;
        self.dispatch.cache_aside.as_ref().map_or(Nanos::NEVER, |aside| aside.next(now))
    }

    /// A request has been answered or is lost. None when it goes on, or nobody waits for it; else
    /// what is over, and how.
    pub(super) fn end_before_store(
        &mut self,
        flight: Flight,
        outcome: Outcome,
        now: Nanos,
    ) -> Option<(Flight, Outcome)> {
        let Some(aside) = &mut self.dispatch.cache_aside else { return Some((flight, outcome)) };
        let is_refill = flight.command == aside.set && flight.route.version > 0;
        if is_refill {
            return self.end_of_refill(flight, outcome, now);
        }
        let age = match outcome {
            _ if flight.command != aside.get => return Some((flight, outcome)),
            Outcome::Miss => None,
            Outcome::Hit if aside.follows() => match aside.age(flight.route.version, now) {
                Age::Fresh => return Some((flight, outcome)),
                age => Some(age),
            },
            _ => return Some((flight, outcome)),
        };
        let stale = age == Some(Age::Stale);
        let Flight { key, due, sent, route, .. } = flight;
        let reader = Reader { key, slot: route.slot, due, sent, hit: age.is_some(), quiet: stale };
        let begun = aside.begin(reader, self.base.settings.timeout_ns, now);
        let queued = aside.queued() as u64;
        self.count_begun(begun, age, queued);
        match begun {
            _ if stale => Some((flight, outcome)),
            Begun::Asked { .. } | Begun::Waits => None,
            Begun::Needless => Some((flight, outcome)),
            Begun::Refused if age.is_some() => Some((flight, outcome)),
            Begun::Refused => Some((flight, Outcome::Error(ErrorKind::Store))),
        }
    }

    fn count_begun(&mut self, begun: Begun, age: Option<Age>, queued: u64) {
        let Some(counts) = &mut self.base.accounting.intervals.current.store else { return };
        if age == Some(Age::Stale) {
            counts.count(StoreTally::Stale);
        }
        match begun {
            Begun::Asked { in_flight_misses } => {
                counts.asked(queued, in_flight_misses);
                if age == Some(Age::Early) {
                    counts.count(StoreTally::Early);
                }
            }
            Begun::Waits => counts.count(StoreTally::Joined),
            Begun::Refused => counts.count(StoreTally::Refused),
            Begun::Needless => {}
        }
    }

    /// A write into the cache is over, and with it what it was for.
    fn end_of_refill(
        &mut self,
        flight: Flight,
        outcome: Outcome,
        now: Nanos,
    ) -> Option<(Flight, Outcome)> {
        if outcome == Outcome::Ok {
            self.count_store(StoreTally::Refills);
        }
        let Self { base, dispatch } = self;
        let Routed { router, cache_aside, .. } = dispatch;
        let aside = cache_aside.as_mut()?;
        let get = aside.get;
        let found = |hit| match outcome {
            // What it had found it still has.
            Outcome::Ok | Outcome::Error(ErrorKind::Store) if hit => Outcome::Hit,
            Outcome::Ok => Outcome::Miss,
            other => other,
        };
        let reader = aside.end(flight.route.version, |Waiter { due, joined }| {
            let route = Route { version: 0, ..flight.route };
            let waited = Flight { due, sent: joined, command: get, route, ..flight };
            let outcome = found(false);
            let owner = Some(router.owner(route.slot));
            base.leave_flight(&waited, outcome);
            base.end_request(ConnId(0), Ended { flight: waited, outcome, owner }, now);
        });
        let Reader { due, sent, hit, quiet, .. } = reader?;
        let route = Route { version: 0, ..flight.route };
        let flight = Flight { due, sent, command: get, route, ..flight };
        (!quiet).then(|| (flight, found(hit)))
    }

    fn count_store(&mut self, tally: StoreTally) {
        if let Some(counts) = &mut self.base.accounting.intervals.current.store {
            counts.count(tally);
        }
    }

    /// What the store has answered is written into the cache.
    pub(super) fn take_fetched(&mut self, now: Nanos) {
        self.dispatch.looked = now;
        while let Some(answer) =
            self.dispatch.cache_aside.as_mut().and_then(|aside| aside.take(now))
        {
            let StoreAnswer { reader, ticket, ttl_s, ok, .. } = answer;
            if let Some(counts) = &mut self.base.accounting.intervals.current.store {
                counts.load.busy_ns += answer.busy_ns;
                if !answer.late {
                    counts.latency.record(answer.latency_ns);
                }
            }
            if !ok {
                self.count_store(StoreTally::Failed);
            }
            if answer.late {
                continue;
            }
            let Routed { router, cache_aside: Some(aside), .. } = &mut self.dispatch else {
                return;
            };
            let op = Op { command: aside.set, nonce: 0, key: reader.key, ttl_s };
            let Reader { slot, due, sent, .. } = reader;
            let (hops, counted, version) = (1, true, ticket);
            let fresh = Waiting::fresh(op, slot, due);
            let waiting = Waiting { sent, hops, counted, version, ..fresh };
            let node = router.owner(slot);
            if !ok || !router.keep_again(node, waiting, now) {
                self.end_waiting(waiting, Outcome::Error(ErrorKind::Store), now);
            }
        }
    }

    /// Requests that have waited too long for the store are given up.
    pub(super) fn end_overdue_refills(&mut self, now: Nanos) {
        while let Some(overdue) =
            self.dispatch.cache_aside.as_mut().and_then(|aside| aside.take_overdue(now))
        {
            self.give_up(overdue, now);
        }
    }

    /// The run is over: those that wait for the store are given up.
    pub(super) fn finish_refills(&mut self, now: Nanos) {
        while let Some(left) = self.dispatch.cache_aside.as_mut().and_then(|aside| aside.take_any())
        {
            self.give_up(left, now);
        }
    }

    fn give_up(&mut self, (ticket, key): (u64, KeyId), now: Nanos) {
        let Some(aside) = &self.dispatch.cache_aside else { return };
        let route = Route { version: ticket, ..Route::default() };
        let flight = Flight { command: aside.set, route, key, ..Flight::default() };
        Routed::end_flight(self, ConnId(0), flight, Outcome::Timeout, now);
    }
}
