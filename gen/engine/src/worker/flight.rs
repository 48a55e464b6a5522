//! Requests in flight on one connection, in the order in which their answers will come.
//!
//! Requests that were encoded together share their times, so a pipeline of 64 is one [`Span`] and
//! 64 words, not 64 records of 48 bytes: writing and reading those was 10 ns of an operation.

mod routed;

use std::collections::VecDeque;

pub use routed::Route;

use crate::units::{Nanos, NodeId};
use routed::Ways;
use stallion_resp::op::Op;
use stallion_resp::units::{CommandId, KeyId};

/// One request that has been encoded and not been answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flight {
    /// Intended time.
    pub due: Nanos,
    /// From when on the client could have sent it: due, and its connection free.
    pub ready: Nanos,
    /// When it was handed to the kernel.
    pub sent: Nanos,
    /// The command.
    pub command: CommandId,
    /// What decides the rest of the request.
    pub nonce: u16,
    /// The key.
    pub key: KeyId,
    /// Requests before it on the connection.
    pub ahead: u32,
    /// What a cluster needs to know of it; nothing with a single server.
    pub route: Route,
    /// The node of a cluster that has answered it; none before one has.
    pub node: Option<NodeId>,
}

/// Requests that follow each other and share their times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Intended time.
    pub due: Nanos,
    /// From when on the client could have sent them: due, and their connection free.
    pub ready: Nanos,
    /// When they were handed to the kernel, or were encoded if they have not been yet.
    pub sent: Nanos,
    is_sent: bool,
    /// Requests before the first of them on the connection when it was encoded.
    ahead: u32,
    /// Of them, those still in flight.
    left: u32,
    /// It counts as sent already: it was, to another node or on a connection that is lost, or
    /// another part of its request was.
    pub is_resent: bool,
    /// The answer to an ASKING comes before its own.
    is_asked: bool,
}

impl Span {
    #[inline]
    const fn new(due: Nanos, ready: Nanos, now: Nanos, ahead: u32) -> Self {
        let (is_sent, is_resent, is_asked) = (false, false, false);
        Self { due, ready, sent: now, is_sent, ahead, left: 0, is_resent, is_asked }
    }
}

/// A command, a nonce and a key in one word, with the key in its upper 40 bits.
#[derive(Debug, Clone, Copy, Default)]
struct Packed(u64);

const COMMAND_BITS: u32 = u8::BITS;

const KEY_SHIFT: u32 = COMMAND_BITS + u16::BITS;

const _: () = assert!(stallion_resp::limits::MAX_KEYS < 1 << (u64::BITS - KEY_SHIFT));

impl Packed {
    #[inline]
    const fn new(op: Op) -> Self {
        let rest = (op.nonce as u64) << COMMAND_BITS | op.command.0 as u64;
        Self(op.key.0 << KEY_SHIFT | rest)
    }

    #[inline]
    const fn command(self) -> CommandId {
        CommandId(self.0 as u8)
    }

    #[inline]
    const fn nonce(self) -> u16 {
        (self.0 >> COMMAND_BITS) as u16
    }

    #[inline]
    const fn key(self) -> KeyId {
        KeyId(self.0 >> KEY_SHIFT)
    }
}

/// A bounded queue of them. It never grows beyond the capacity that it was made with.
#[derive(Debug)]
pub struct Flights {
    spans: VecDeque<Span>,
    /// A ring of a power of two places.
    ops: Box<[Packed]>,
    /// Of a cluster's, what their [`Route`]s are.
    ways: Ways,
    head: usize,
    len: usize,
    capacity: usize,
}

impl Flights {
    /// Room for `capacity` requests.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            spans: VecDeque::with_capacity(capacity),
            ops: vec![Packed::default(); capacity.next_power_of_two()].into(),
            ways: Ways::default(),
            head: 0,
            len: 0,
            capacity,
        }
    }

    /// How many are in flight.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether none is.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many more may be sent.
    #[inline]
    #[must_use]
    pub const fn room(&self) -> usize {
        self.capacity - self.len
    }

    #[inline]
    fn place(&self, index: usize) -> usize {
        (self.head + index) & (self.ops.len() - 1)
    }

    /// Begins a span at `now`: requests added next share these times.
    #[inline]
    pub fn begin(&mut self, due: Nanos, ready: Nanos, now: Nanos) {
        let ahead = self.len as u32;
        self.spans.push_back(Span::new(due, ready, now, ahead));
    }

    /// Adds a request that has just been encoded to the youngest span. The caller has seen that
    /// there is room, and ends with [`Flights::added`].
    #[inline]
    pub fn add(&mut self, op: Op) {
        debug_assert!(self.room() > 0, "the pipeline is bounded");
        let place = self.place(self.len);
        self.ops[place] = Packed::new(op);
        self.len += 1;
    }

    /// The youngest span has `count` requests; one without any is none.
    #[inline]
    pub fn added(&mut self, count: usize) {
        match self.spans.back_mut() {
            Some(span) if count > 0 => span.left = count as u32,
            _ => drop(self.spans.pop_back()),
        }
    }

    /// Stamps what has not been sent yet, oldest last, and shows each span and its length.
    #[inline]
    pub fn stamp(&mut self, now: Nanos, mut on_span: impl FnMut(&mut Span, u64)) {
        for span in self.spans.iter_mut().rev().take_while(|span| !span.is_sent) {
            (span.sent, span.is_sent) = (now, true);
            let count = u64::from(span.left);
            on_span(span, count);
        }
    }

    /// The one that the next answer belongs to.
    #[inline]
    #[must_use]
    pub fn head(&self) -> Option<Flight> {
        (self.len > 0).then(|| self.get(0))
    }

    /// The span of the next answer, and how many of it are in flight.
    #[inline]
    #[must_use]
    pub fn head_span(&self) -> Option<(Span, usize)> {
        self.spans.front().map(|span| (*span, span.left as usize))
    }

    /// The command of one of them, counted from the oldest.
    #[inline]
    #[must_use]
    pub fn command(&self, index: usize) -> CommandId {
        self.ops[self.place(index)].command()
    }

    /// One of the oldest span, counted from the oldest.
    #[must_use]
    pub fn get(&self, index: usize) -> Flight {
        let place = self.place(index);
        let (op, route) = (self.ops[place], self.ways.route(place));
        let span = self.spans.front();
        let (due, ready, sent, ahead) = span.map_or_else(Default::default, |span| {
            (span.due, span.ready, span.sent, span.ahead + index as u32)
        });
        let (command, nonce, key) = (op.command(), op.nonce(), op.key());
        Flight { due, ready, sent, command, nonce, key, ahead, route, node: None }
    }

    /// Takes the one that an answer came for.
    #[inline]
    pub fn pop(&mut self) -> Option<Flight> {
        let flight = self.head()?;
        self.pop_many(1);
        Some(flight)
    }

    /// Takes the oldest `count`, which are of the oldest span.
    #[inline]
    pub fn pop_many(&mut self, count: usize) {
        let Some(span) = self.spans.front_mut() else { return };
        debug_assert!(count <= span.left as usize, "no more than the oldest span has");
        span.left -= count as u32;
        span.ahead += count as u32;
        if span.left == 0 {
            self.spans.pop_front();
        }
        self.head = self.place(count);
        self.len -= count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_back_with_their_own_times_and_places() {
        let mut flights = Flights::new(5);
        for round in 0..7_u64 {
            for (due, count) in [(10, 2), (20, 1), (30, 2)] {
                flights.begin(Nanos(round + due), Nanos(round + due + 1), Nanos(5));
                for key in 0..count {
                    let (command, key) = (CommandId((due == 20).into()), KeyId(due + key));
                    flights.add(Op { command, nonce: due as u16, key, ttl_s: 0 });
                }
                flights.added(count as usize);
            }
            assert_eq!((flights.len(), flights.room()), (5, 0));
            let mut stamped = 0;
            flights.stamp(Nanos(99), |_, count| stamped += count);
            assert_eq!(stamped, 5);
            for (ahead, key) in [10, 11, 20, 30, 31].into_iter().enumerate() {
                let flight = flights.pop().unwrap();
                let due = round + key / 10 * 10;
                let wanted = Flight {
                    due: Nanos(due),
                    ready: Nanos(due + 1),
                    sent: Nanos(99),
                    command: CommandId((key == 20).into()),
                    nonce: (key / 10 * 10) as u16,
                    key: KeyId(key),
                    ahead: ahead as u32,
                    route: Route::default(),
                    node: None,
                };
                assert_eq!(flight, wanted);
            }
            assert!(flights.pop().is_none());
        }
    }

    #[test]
    fn an_empty_span_is_none() {
        let mut flights = Flights::new(1);
        flights.begin(Nanos(1), Nanos(1), Nanos(1));
        flights.added(0);
        assert!(flights.head_span().is_none());
    }
}
