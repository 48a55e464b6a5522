//! Requests of a cluster in flight: each with its [`Route`], so that it can be sent once more and be
//! counted by its slot.

use super::{Flights, Span};
use crate::units::Nanos;
use stallion_resp::op::Op;
use stallion_resp::units::{CommandId, SlotId};

/// What it takes to send a request once more, and to count it by its slot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Route {
    /// Time to live of a write in seconds.
    pub ttl_s: u32,
    /// The key's slot.
    pub slot: SlotId,
    /// How often it was sent before.
    pub hops: u8,
    /// Its script went with it in full.
    pub in_full: bool,
    /// Bytes of the request as it was sent.
    pub bytes: u32,
    /// The request of several keys that it is a part of; 0 for none.
    pub part: u32,
    /// The version that a write carries, in a run that measures how old answers are; of a read
    /// that was answered, the one that came.
    pub version: u64,
}

/// The part of a [`Route`] that each request of a cluster has, in one word: what is written and read
/// for every request must be small. The rest stands beside it, if there is any.
#[derive(Debug, Clone, Copy, Default)]
struct Way(u64);

const SLOT_SHIFT: u32 = u32::BITS;
const HOPS_SHIFT: u32 = SLOT_SHIFT + u16::BITS;
/// It has a time to live or a version, or is a part of another request.
const HAS_MORE: u64 = 1 << (HOPS_SHIFT + u8::BITS);
const IN_FULL: u64 = HAS_MORE << 1;

impl Way {
    #[inline]
    const fn new(route: Route) -> Self {
        let has_more = route.ttl_s > 0 || route.version > 0 || route.part > 0;
        let more = if has_more { HAS_MORE } else { 0 } | if route.in_full { IN_FULL } else { 0 };
        let (slot, hops) = (route.slot.0 as u64, route.hops as u64);
        Self(more | hops << HOPS_SHIFT | slot << SLOT_SHIFT | route.bytes as u64)
    }

    #[inline]
    const fn has_more(self) -> bool {
        self.0 & HAS_MORE != 0
    }

    #[inline]
    const fn in_full(self) -> bool {
        self.0 & IN_FULL != 0
    }

    #[inline]
    const fn slot(self) -> SlotId {
        SlotId((self.0 >> SLOT_SHIFT) as u16)
    }

    #[inline]
    const fn hops(self) -> u8 {
        (self.0 >> HOPS_SHIFT) as u8
    }

    #[inline]
    const fn bytes(self) -> u32 {
        self.0 as u32
    }
}

/// The routes of a ring of requests; empty with a single server.
#[derive(Debug, Default)]
pub(super) struct Ways {
    ways: Box<[Way]>,
    /// Of those that have any: time to live, part and version.
    rests: Box<[(u32, u32, u64)]>,
}

impl Ways {
    fn new(places: usize) -> Self {
        Self { ways: vec![Way::default(); places].into(), rests: vec![(0, 0, 0); places].into() }
    }

    #[inline]
    fn set(&mut self, place: usize, route: Route) {
        let way = Way::new(route);
        self.ways[place] = way;
        if way.has_more() {
            self.rests[place] = (route.ttl_s, route.part, route.version);
        }
    }

    /// What the request at a place has.
    #[inline]
    pub(super) fn route(&self, place: usize) -> Route {
        let Some(way) = self.ways.get(place) else { return Route::default() };
        let (ttl_s, part, version) = if way.has_more() { self.rests[place] } else { (0, 0, 0) };
        let (slot, hops, bytes) = (way.slot(), way.hops(), way.bytes());
        Route { ttl_s, slot, hops, in_full: way.in_full(), bytes, part, version }
    }
}

impl Flights {
    /// As [`Flights::new`], and keeps the [`Route`] of each.
    #[must_use]
    pub fn routed(capacity: usize) -> Self {
        let plain = Self::new(capacity);
        Self { ways: Ways::new(plain.ops.len()), ..plain }
    }

    /// Adds one request of a cluster, encoded at `now`: to the youngest span if it shares its times
    /// and neither counts as sent before. The caller has seen that there is room.
    #[inline]
    pub fn put(
        &mut self,
        (due, ready, now): (Nanos, Nanos, Nanos),
        op: &Op,
        route: Route,
        (is_resent, is_asked): (bool, bool),
    ) {
        let ahead = self.len as u32;
        let joins = |span: &Span| {
            !span.is_sent && !span.is_resent && span.due == due && span.ready == ready
        };
        match self.spans.back_mut() {
            Some(span) if !is_resent && joins(span) => span.left += 1,
            _ => {
                let span = Span::new(due, ready, now, ahead);
                self.spans.push_back(Span { left: 1, is_resent, is_asked, ..span });
            }
        }
        self.add_routed(*op, route);
    }

    /// As [`Flights::add`], of a cluster.
    #[inline]
    pub fn add_routed(&mut self, op: Op, route: Route) {
        let place = self.place(self.len);
        self.ways.set(place, route);
        self.add(op);
    }

    /// Whether the next answer is that to an ASKING, which is thereby taken.
    #[inline]
    pub fn take_asked(&mut self) -> bool {
        self.spans.front_mut().is_some_and(|span| std::mem::take(&mut span.is_asked))
    }

    /// Shows the command, the slot and the request's bytes of the oldest `count`; of a cluster's.
    #[inline]
    pub fn show(&self, count: usize, mut each: impl FnMut(CommandId, SlotId, u32)) {
        let before_wrap = count.min(self.ops.len() - self.head);
        let runs = [self.head..self.head + before_wrap, 0..count - before_wrap];
        for run in runs {
            for (op, way) in self.ops[run.clone()].iter().zip(&self.ways.ways[run]) {
                each(op.command(), way.slot(), way.bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stallion_resp::units::KeyId;

    #[test]
    fn requests_of_a_cluster_share_spans_until_one_was_sent_before() {
        let mut flights = Flights::routed(4);
        let op = |key| Op { key: KeyId(key), ttl_s: 9, ..Op::default() };
        let (due, slot) = (Nanos(1), SlotId(7));
        let (in_full, part, times) = (true, 4, (due, due, due));
        let route = |hops| Route { ttl_s: 9, slot, hops, in_full, bytes: 40, part, version: 5 };
        flights.put(times, &op(0), route(0), (false, false));
        flights.put(times, &op(1), route(0), (false, false));
        flights.put(times, &op(2), route(3), (true, true));
        flights.put(times, &op(3), route(0), (false, false));
        assert_eq!(flights.head_span().unwrap().1, 2, "the first two share a span");
        assert!(!flights.take_asked());
        flights.pop_many(2);
        assert!(flights.take_asked() && !flights.take_asked(), "one answer, once");
        let (span, left) = flights.head_span().unwrap();
        assert!(span.is_resent && left == 1);
        let flight = flights.pop().unwrap();
        assert_eq!(flight.route, route(3));
        let mut shown = Vec::new();
        flights.show(1, |_, slot, bytes| shown.push((slot, bytes)));
        assert_eq!((shown, flights.len()), (vec![(slot, 40)], 1));
    }
}
