//! One connection's states. No system calls here: the worker acts on what this says.

use super::flight::Flights;
use crate::limits::{CONNECT_TIMEOUT_NS, MAX_RECONNECT_PAUSE_NS, MIN_RECONNECT_PAUSE_NS};
use crate::measure::outcome::ErrorKind;
use crate::ring::HALVES;
use crate::units::Nanos;
use stallion_resp::pushed::Pushed;
use stallion_resp::reply::{Parser, Reply};
use stallion_resp::values::VersionReader;

/// Where a connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not open; to be opened at this time.
    Down {
        /// When to try.
        retry_at: Nanos,
    },
    /// The kernel is opening it, or its hand-shake is not answered yet.
    Opening {
        /// Answers of the hand-shake still to come (all of them before it is sent).
        greetings_left: usize,
        /// When to give up.
        deadline: Nanos,
    },
    /// It carries requests.
    Open,
}

/// What is encoded and not yet handed to the kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pending {
    /// In which half of the outgoing buffer.
    pub half: usize,
    /// How many bytes.
    pub bytes: usize,
    /// How many requests.
    pub requests: usize,
    /// Of them, those that were sent before and are counted.
    pub resent: usize,
}

/// Words of an error that are longer than this are not kept: a redirect is shorter.
const KEPT_BYTES: usize = 96;

/// The words of an error, if it was short.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    bytes: [u8; KEPT_BYTES],
    length: usize,
}

impl Default for Words {
    fn default() -> Self {
        Self { bytes: [0; KEPT_BYTES], length: 0 }
    }
}

impl Words {
    fn keep(&mut self, words: &[u8]) {
        self.length = 0;
        if let Some(place) = self.bytes.get_mut(..words.len()) {
            place.copy_from_slice(words);
            self.length = words.len();
        }
    }

    /// The words; none when none were kept.
    #[must_use]
    pub fn text(&self) -> Option<&[u8]> {
        self.bytes.get(..self.length).filter(|text| !text.is_empty())
    }
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    /// Where it is in its life.
    pub state: State,
    /// Reads its replies.
    pub parser: Parser,
    /// Its requests in flight, those pending included.
    pub flights: Flights,
    /// What is to be sent next.
    pub pending: Pending,
    /// A send that will be notified has not been so yet.
    pub sending: bool,
    /// Since when there is room for a request.
    pub free_since: Nanos,
    /// It stands in the queue of connections with room.
    pub queued: bool,
    /// It stands in the list of connections with something to send.
    pub listed: bool,
    /// The value that is coming in is, so far, the one that was written.
    pub value_matches: bool,
    /// Bytes of it so far.
    pub value_bytes: u64,
    /// Bytes of the reply that is coming in, so far.
    pub reply_bytes: u64,
    /// Its place among the nodes of a cluster; 0 with a single server.
    pub pool: usize,
    /// Replies to the oldest request so far; only a transaction gets more than one.
    pub parts: u16,
    /// The first error among them.
    pub part_error: Option<ErrorKind>,
    /// Its words.
    pub first_error: Words,
    /// Requests that it may still carry.
    pub requests_left: u64,
    /// It stands in the list of those to be opened again.
    pub renewing: bool,
    /// When it began to be opened.
    opening_since: Nanos,
    /// Of the value that is coming in, its version.
    pub version: VersionReader,
    /// The message of the server's own that is coming in.
    pub pushed: Pushed,
    was_open: bool,
    pause_ns: u64,
}

impl Connection {
    /// A connection that is to be opened at once, for `pipeline` requests in flight.
    #[must_use]
    pub fn new(pipeline: usize) -> Self {
        Self {
            state: State::Down { retry_at: Nanos(0) },
            parser: Parser::new(),
            flights: Flights::new(pipeline),
            pending: Pending::default(),
            sending: false,
            free_since: Nanos(0),
            queued: false,
            listed: false,
            value_matches: true,
            value_bytes: 0,
            reply_bytes: 0,
            pool: 0,
            parts: 0,
            part_error: None,
            first_error: Words::default(),
            requests_left: u64::MAX,
            renewing: false,
            opening_since: Nanos(0),
            version: VersionReader::default(),
            pushed: Pushed::default(),
            was_open: false,
            pause_ns: MIN_RECONNECT_PAUSE_NS,
        }
    }

    /// The same for a node of a cluster.
    #[must_use]
    pub fn routed(pipeline: usize, pool: usize) -> Self {
        Self { flights: Flights::routed(pipeline), pool, ..Self::new(0) }
    }

    /// It serves another node from now on: opened at once, and new to it.
    pub fn reassign(&mut self) {
        (self.was_open, self.pause_ns) = (false, MIN_RECONNECT_PAUSE_NS);
        self.state = State::Down { retry_at: Nanos(0) };
    }

    /// How many requests it can take.
    #[inline]
    #[must_use]
    pub fn room(&self) -> usize {
        if self.state != State::Open {
            return 0;
        }
        let room = self.flights.room();
        if self.requests_left < room as u64 { self.requests_left as usize } else { room }
    }

    /// Whether it has carried as many requests as it may, and all are answered.
    #[inline]
    #[must_use]
    pub fn is_used_up(&self) -> bool {
        self.requests_left == 0 && self.flights.is_empty() && self.state == State::Open
    }

    /// It has carried as many requests as it may: it is to be opened again at once.
    pub fn used_up(&mut self, now: Nanos) {
        self.state = State::Down { retry_at: now };
        self.pending = Pending::default();
        self.sending = false;
    }

    /// It is being opened.
    pub fn opening(&mut self, now: Nanos, greetings: usize) {
        self.opening_since = now;
        self.parser.reset();
        self.pending = Pending::default();
        self.sending = false;
        self.state =
            State::Opening { greetings_left: greetings, deadline: now + CONNECT_TIMEOUT_NS };
    }

    /// It is open and greeted, and may carry so many requests. True when it had been open before,
    /// and how long it took.
    pub fn opened(&mut self, now: Nanos, requests: u64) -> (bool, u64) {
        self.state = State::Open;
        self.requests_left = requests;
        self.free_since = now;
        self.pause_ns = MIN_RECONNECT_PAUSE_NS;
        (std::mem::replace(&mut self.was_open, true), now.since(self.opening_since))
    }

    /// It was lost: it will be opened again after a pause that doubles each time.
    pub fn lost(&mut self, now: Nanos) {
        self.state = State::Down { retry_at: now + self.pause_ns };
        self.pause_ns = (self.pause_ns * 2).min(MAX_RECONNECT_PAUSE_NS);
        self.pending = Pending::default();
        self.sending = false;
        (self.value_matches, self.value_bytes, self.reply_bytes) = (true, 0, 0);
        (self.parts, self.part_error) = (0, None);
    }

    /// Counts one reply to the oldest request, and keeps the first error among its replies and
    /// inside of them; returns how many there were. A request that gets one reply is always whole.
    #[inline]
    pub fn part(&mut self, reply: Reply) -> u16 {
        if self.parts == 0 {
            self.first_error.length = 0;
        }
        self.parts += 1;
        let word = match reply {
            Reply::Error => self.parser.text(),
            Reply::Aggregate(_) if self.parts > 1 => self.parser.error_inside(),
            _ => return self.parts,
        };
        if !word.is_empty() && self.part_error.is_none() {
            self.part_error = Some(ErrorKind::of_reply(word));
            self.first_error.keep(word);
        }
        self.parts
    }

    /// The oldest request has all its replies: the first error among them, if there was one. Of a
    /// transaction, the error that made it fail is worth more than EXEC's own word.
    #[inline]
    pub fn end_of_parts(&mut self) -> Option<ErrorKind> {
        self.parts = 0;
        self.part_error.take()
    }

    /// Whether the value that came in is the one that was written, of so many bytes.
    #[inline]
    #[must_use]
    pub const fn value_is(&self, bytes: u64) -> bool {
        self.value_matches && self.value_bytes == bytes
    }

    /// Makes ready for the next value.
    #[inline]
    pub const fn forget_value(&mut self) {
        (self.value_matches, self.value_bytes) = (true, 0);
    }

    /// Begins again with the first half when neither is in use, so that less memory is touched.
    #[inline]
    pub fn reuse_half(&mut self) {
        if self.flights.is_empty() && !self.sending && self.pending.requests == 0 {
            self.pending.half = 0;
        }
    }

    /// What is pending goes out now; the other half is written next.
    pub fn take_pending(&mut self) -> Pending {
        let next = Pending { half: (self.pending.half + 1) % HALVES, ..Pending::default() };
        std::mem::replace(&mut self.pending, next)
    }
}
