//! A kernel, a network and a server that are one seeded random process: the same seed plays the
//! same run, with partial sends, split replies, delays, resets, refusals, silence and garbage.
//!
//! It also watches its user: bytes are read from the outgoing buffer when they are "sent", late
//! and in parts, so that a half that is written too early corrupts a request, and a second send
//! before the first is through is an assertion.

#![expect(
    clippy::expect_used,
    reason = "its user's mistakes are what it is there to find"
)]

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{Completion, HALVES, Reason, Ring, Usage};
use crate::resp::tree::Tree;
use crate::units::{ConnId, KeyId, Nanos};
use crate::workload::values::Values;

/// How likely each fault is, from 0 to 1, each time it could happen.
#[derive(Debug, Clone, Copy)]
pub struct Faults {
    /// A connection is refused.
    pub refuse: f64,
    /// A connection is reset when something is sent.
    pub reset: f64,
    /// The peer ends the connection in the middle of a reply.
    pub cut: f64,
    /// A send takes only a part at a time.
    pub partial: f64,
    /// A reply arrives in parts.
    pub split: f64,
    /// The server never answers on a connection again (half open).
    pub silence: f64,
    /// The server answers with bytes that are no RESP.
    pub garbage: f64,
    /// The server answers with an error.
    pub error: f64,
    /// The server answers a read with nothing.
    pub miss: f64,
    /// A push message stands before a reply.
    pub push: f64,
    /// Longest delay of anything in nanoseconds.
    pub delay_ns: u64,
}

impl Faults {
    /// A perfect world with a little delay.
    pub const NONE: Self = Self {
        refuse: 0.0,
        reset: 0.0,
        cut: 0.0,
        partial: 0.0,
        split: 0.0,
        silence: 0.0,
        garbage: 0.0,
        error: 0.0,
        miss: 0.0,
        push: 0.0,
        delay_ns: 20_000,
    };
}

/// The simulated ring.
#[derive(Debug)]
pub struct Simulated {
    now: Nanos,
    faults: Faults,
    random: Xoshiro256PlusPlus,
    values: Values,
    peers: Vec<Peer>,
    outgoing: Vec<u8>,
    half_bytes: usize,
    events: BinaryHeap<Reverse<(Nanos, u64, Event)>>,
    numbered: u64,
    done: VecDeque<Done>,
    shown: Vec<u8>,
    answered: u64,
}

/// The server's side of one connection.
#[derive(Debug, Default)]
struct Peer {
    generation: u32,
    open: bool,
    sending: bool,
    silent: bool,
    input: Vec<u8>,
    output: Vec<u8>,
    delivering: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    connection: ConnId,
    generation: u32,
    action: Action,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    Open,
    Refuse,
    Transfer {
        half: usize,
        at: usize,
        end: usize,
        notify: bool,
    },
    Deliver,
    Reset,
}

#[derive(Debug)]
enum Done {
    Opened(ConnId),
    Received(ConnId, Vec<u8>),
    Sent(ConnId),
    Closed(ConnId, Reason),
}

impl Simulated {
    /// A world by `seed`, in which the server knows the values of `values`.
    #[must_use]
    pub fn new(
        seed: u64,
        connections: usize,
        half_bytes: usize,
        faults: Faults,
        values: Values,
    ) -> Self {
        Self {
            now: Nanos(1_000_000),
            faults,
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            values,
            peers: (0..connections).map(|_| Peer::default()).collect(),
            outgoing: vec![0; connections * HALVES * half_bytes],
            half_bytes,
            events: BinaryHeap::new(),
            numbered: 0,
            done: VecDeque::new(),
            shown: Vec::new(),
            answered: 0,
        }
    }

    /// Requests that the server has answered, whether or not the answer arrived.
    #[must_use]
    pub const fn answered(&self) -> u64 {
        self.answered
    }

    fn chance(&mut self, likely: f64) -> bool {
        likely > 0.0 && self.random.random::<f64>() < likely
    }

    fn later(&mut self, connection: ConnId, action: Action) {
        let delay_ns = self.random.random_range(1..=self.faults.delay_ns.max(1));
        let generation = self.peers[connection.index()].generation;
        let event = Event {
            connection,
            generation,
            action,
        };
        self.numbered += 1;
        self.events
            .push(Reverse((self.now + delay_ns, self.numbered, event)));
    }

    fn happen(&mut self, event: Event) {
        let connection = event.connection;
        if self.peers[connection.index()].generation != event.generation {
            return;
        }
        match event.action {
            Action::Open => {
                self.peers[connection.index()].open = true;
                self.done.push_back(Done::Opened(connection));
            }
            Action::Refuse => {
                let reason = Reason::Refused(libc::ECONNREFUSED);
                self.done.push_back(Done::Closed(connection, reason));
            }
            Action::Transfer {
                half,
                at,
                end,
                notify,
            } => {
                self.transfer(connection, half, at, end, notify);
            }
            Action::Deliver => self.deliver(connection),
            Action::Reset => self.end(connection, Reason::Broken(libc::ECONNRESET)),
        }
    }

    fn end(&mut self, connection: ConnId, reason: Reason) {
        let peer = &mut self.peers[connection.index()];
        if peer.open {
            peer.open = false;
            self.done.push_back(Done::Closed(connection, reason));
        }
    }

    fn transfer(&mut self, connection: ConnId, half: usize, at: usize, end: usize, notify: bool) {
        let upto = if self.chance(self.faults.partial) {
            self.random.random_range(at + 1..=end)
        } else {
            end
        };
        let base = (connection.index() * HALVES + half) * self.half_bytes;
        let part = self.outgoing[base + at..base + upto].to_vec();
        self.peers[connection.index()].input.extend(part);
        if upto < end {
            self.later(
                connection,
                Action::Transfer {
                    half,
                    at: upto,
                    end,
                    notify,
                },
            );
        } else {
            self.peers[connection.index()].sending = false;
            if notify {
                self.done.push_back(Done::Sent(connection));
            }
        }
        self.serve(connection);
    }

    /// The server answers every request that is whole.
    fn serve(&mut self, connection: ConnId) {
        if self.chance(self.faults.silence) {
            self.peers[connection.index()].silent = true;
        }
        let input = std::mem::take(&mut self.peers[connection.index()].input);
        let mut rest = input.as_slice();
        let mut output = Vec::new();
        while let Some(request) = Tree::read(&mut rest).expect("requests are well-formed RESP") {
            self.answer(&request, &mut output);
        }
        let cut = !output.is_empty() && self.chance(self.faults.cut);
        let rest = rest.to_vec();
        let peer = &mut self.peers[connection.index()];
        peer.input = rest;
        if peer.silent {
            return;
        }
        peer.output.extend(output);
        if cut {
            let half = peer.output.len() / 2;
            peer.output.truncate(half);
            peer.silent = true;
            self.later(connection, Action::Reset);
        }
        let peer = &mut self.peers[connection.index()];
        if !peer.output.is_empty() && !peer.delivering {
            peer.delivering = true;
            self.later(connection, Action::Deliver);
        }
    }

    fn answer(&mut self, request: &Tree, output: &mut Vec<u8>) {
        self.answered += 1;
        let words = request.list();
        let text = |index: usize| words.get(index).and_then(Tree::text).unwrap_or_default();
        if self.chance(self.faults.push) {
            output.extend(b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n");
        }
        if self.chance(self.faults.garbage) {
            output.extend(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            return;
        }
        if self.chance(self.faults.error) {
            output.extend(b"-OOM command not allowed when used memory > 'maxmemory'.\r\n");
            return;
        }
        let name = text(0);
        let digits: String = text(1).chars().filter(char::is_ascii_digit).collect();
        let mut value = vec![0; self.values.size()];
        self.values
            .write(KeyId(digits.parse().unwrap_or(0)), &mut value);
        match name.as_str() {
            "SET" => {
                assert_eq!(
                    words[2],
                    Tree::Text(value),
                    "a write arrives as it was made"
                );
                output.extend(b"+OK\r\n");
            }
            "GET" if self.chance(self.faults.miss) => output.extend(b"$-1\r\n"),
            "GET" => {
                output.extend(format!("${}\r\n", value.len()).into_bytes());
                output.extend(value);
                output.extend(b"\r\n");
            }
            _ => output.extend(b"+OK\r\n"),
        }
    }

    fn deliver(&mut self, connection: ConnId) {
        let split = self.chance(self.faults.split);
        let length = self.peers[connection.index()].output.len();
        if length == 0 {
            return;
        }
        let part = if split {
            self.random.random_range(1..=length)
        } else {
            length
        };
        let peer = &mut self.peers[connection.index()];
        let bytes: Vec<u8> = peer.output.drain(..part).collect();
        let more = !peer.output.is_empty();
        peer.delivering = more;
        if peer.open {
            self.done.push_back(Done::Received(connection, bytes));
        }
        if more {
            self.later(connection, Action::Deliver);
        }
    }
}

impl Ring for Simulated {
    fn now(&self) -> Nanos {
        self.now
    }

    fn open(&mut self, connection: ConnId) {
        self.close(connection);
        let refused = self.chance(self.faults.refuse);
        self.later(
            connection,
            if refused {
                Action::Refuse
            } else {
                Action::Open
            },
        );
    }

    fn outgoing(&mut self, connection: ConnId, half: usize) -> &mut [u8] {
        let start = (connection.index() * HALVES + half) * self.half_bytes;
        &mut self.outgoing[start..start + self.half_bytes]
    }

    fn send(&mut self, connection: ConnId, half: usize, length: usize, notify: bool) {
        let peer = &mut self.peers[connection.index()];
        assert!(!peer.sending, "one send at a time on each connection");
        peer.sending = true;
        self.later(
            connection,
            Action::Transfer {
                half,
                at: 0,
                end: length,
                notify,
            },
        );
        if self.chance(self.faults.reset) {
            self.later(connection, Action::Reset);
        }
    }

    fn close(&mut self, connection: ConnId) {
        let peer = &mut self.peers[connection.index()];
        let generation = peer.generation + 1;
        *peer = Peer {
            generation,
            ..Peer::default()
        };
        let stale = |done: &Done| match done {
            Done::Opened(id) | Done::Received(id, _) | Done::Sent(id) | Done::Closed(id, _) => {
                *id == connection
            }
        };
        self.done.retain(|done| !stale(done));
    }

    fn wait(&mut self, until: Nanos) {
        self.now = self.now + 1_000;
        while self.done.is_empty() {
            match self.events.peek() {
                Some(Reverse((time, ..))) if *time <= until.max(self.now) => {
                    self.now = self.now.max(*time);
                }
                _ => {
                    assert_ne!(until, Nanos::NEVER, "waits for ever");
                    self.now = self.now.max(until);
                    return;
                }
            }
            while let Some(Reverse((time, _, event))) = self.events.peek().copied() {
                if time > self.now {
                    break;
                }
                self.events.pop();
                self.happen(event);
            }
        }
    }

    fn next(&mut self) -> Option<Completion<'_>> {
        Some(match self.done.pop_front()? {
            Done::Opened(connection) => Completion::Opened(connection),
            Done::Sent(connection) => Completion::Sent(connection),
            Done::Closed(connection, reason) => Completion::Closed(connection, reason),
            Done::Received(connection, bytes) => {
                self.shown = bytes;
                Completion::Received(connection, &self.shown)
            }
        })
    }

    fn usage(&mut self) -> Usage {
        Usage {
            cpu_ns: self.now.0,
            ..Usage::default()
        }
    }
}
