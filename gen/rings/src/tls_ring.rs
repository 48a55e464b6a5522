//! TLS over another ring, in user space: requests are sealed when they are sent, answers opened as they
//! come, and the other ring sees records only. Runs without TLS have nothing of this.
//!
//! Both take time on the worker's own core, the hand-shake most of all (0.1 to 1 ms), as with every
//! client that has one thread for its connections. rustls allocates two buffers for each record and
//! frees them again (`gen/rings/tests/allocations/` counts them); apart from hand-shakes that is all.

mod session;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;

use rustls::Error;

use super::outgoing::Outgoing;
use super::raw_completion::RawCompletion;
use super::socket::Address;
use crate::tls::TlsClient;
use stallion_engine::limits::RECEIVE_BUFFER_BYTES;
use stallion_engine::measure::histogram::Recording;
use stallion_engine::ring::{Completion, HALVES, Reason, Ring, Usage};
use stallion_engine::units::{ConnId, Nanos};

use session::{Session, Standing, sealed_bytes};

/// A half of the inner ring's outgoing buffer has at least so many bytes: a hand-shake goes out in
/// parts of a half, one after the other.
const MIN_HALF_BYTES: usize = 4 << 10;

/// What one receive may bring: a buffer of the inner ring, and a record that was begun before.
const RECEIVED_BYTES: usize = RECEIVE_BUFFER_BYTES + sealed_bytes(MIN_HALF_BYTES * 4);

/// A ring that speaks TLS.
pub struct Tls {
    inner: Box<dyn Ring>,
    client: TlsClient,
    lines: Vec<Line>,
    /// Requests in the clear.
    outgoing: Outgoing,
    /// Answers in the clear, of the last receive.
    clear: Vec<u8>,
    work: Vec<u8>,
    completions: VecDeque<RawCompletion>,
    /// What the last connection failed of.
    trouble: String,
}

/// One connection.
#[derive(Default)]
struct Line {
    address: Option<SocketAddr>,
    session: Option<Box<Session>>,
    /// The hand-shake is over but for what has still to go out.
    is_ready: bool,
    /// All of it has gone out: requests may be sent.
    is_open: bool,
    /// A part of it is going out.
    sending: bool,
}

/// What the inner ring said, with what was received taken in.
enum InnerCompletion {
    Opened(ConnId),
    Received(ConnId, Result<Standing, Error>),
    Sent(ConnId),
    Closed(ConnId, Reason),
}

impl Tls {
    /// A ring for `connections` connections to `address` with `half_bytes` of requests in each half,
    /// over the ring that `make` makes for so many connections and bytes of a half.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn over(
        client: TlsClient,
        address: Address,
        (connections, half_bytes): (usize, usize),
        make: impl FnOnce(Address, usize, usize) -> std::io::Result<Box<dyn Ring>>,
    ) -> std::io::Result<Self> {
        let line = |_| Line { address: address.tcp(), ..Line::default() };
        Ok(Self {
            client,
            lines: (0..connections).map(line).collect(),
            inner: make(address, connections, sealed_half(half_bytes))?,
            outgoing: Outgoing::new(connections, half_bytes),
            clear: Vec::with_capacity(RECEIVED_BYTES),
            work: Vec::with_capacity(RECEIVED_BYTES),
            completions: VecDeque::with_capacity(connections * 2),
            trouble: String::new(),
        })
    }

    /// Bytes of memory that each connection needs for requests of `half_bytes`, beside what it needs
    /// without TLS.
    #[must_use]
    pub const fn more_bytes(half_bytes: usize) -> usize {
        HALVES * sealed_half(half_bytes)
    }

    /// What the inner ring has to say next; what it has received is opened.
    fn next_inner(&mut self) -> Option<InnerCompletion> {
        Some(match self.inner.next()? {
            Completion::Opened(connection) => InnerCompletion::Opened(connection),
            Completion::Sent(connection) => InnerCompletion::Sent(connection),
            Completion::Closed(connection, reason) => InnerCompletion::Closed(connection, reason),
            Completion::Received(connection, bytes) => {
                let session = self.lines[connection.index()].session.as_mut();
                let standing = session.map_or(Err(Error::HandshakeNotComplete), |session| {
                    session.open(bytes, &mut self.work, &mut self.clear)
                });
                InnerCompletion::Received(connection, standing)
            }
        })
    }

    /// Puts into `completions` what that means to the engine.
    fn understand(&mut self, inner: InnerCompletion) {
        match inner {
            InnerCompletion::Opened(connection) => self.greet(connection),
            InnerCompletion::Received(connection, standing) => self.received(connection, standing),
            InnerCompletion::Sent(connection) if self.lines[connection.index()].is_open => {
                self.completions.push_back(RawCompletion::Sent(connection));
            }
            InnerCompletion::Sent(connection) => {
                self.lines[connection.index()].sending = false;
                self.go_on(connection);
            }
            InnerCompletion::Closed(connection, reason) => {
                if !self.lines[connection.index()].is_open && reason == Reason::EndOfStream {
                    "the server closed it during the hand-shake".clone_into(&mut self.trouble);
                }
                self.lines[connection.index()].reset();
                self.completions.push_back(RawCompletion::Closed(connection, reason));
            }
        }
    }

    /// A connection is open: the hand-shake begins.
    fn greet(&mut self, connection: ConnId) {
        let Some(address) = self.lines[connection.index()].address else {
            let error = Error::General("a unix socket has no name for TLS".to_owned());
            return self.fail(connection, &error);
        };
        match Session::new(&self.client, self.client.name_of(address)) {
            Ok(mut session) => {
                let standing = session.open(&[], &mut self.work, &mut self.clear);
                self.lines[connection.index()].session = Some(Box::new(session));
                self.received(connection, standing);
            }
            Err(error) => self.fail(connection, &error),
        }
    }

    fn received(&mut self, connection: ConnId, standing: Result<Standing, Error>) {
        if !self.clear.is_empty() {
            self.completions.push_back(RawCompletion::Received(connection, 0..self.clear.len()));
        }
        let line = &mut self.lines[connection.index()];
        match standing {
            Ok(Standing::Ended) => self.end(connection, Reason::EndOfStream),
            Ok(_) if line.is_open => {
                if line.session.as_ref().is_some_and(|session| session.is_flooded()) {
                    let error = Error::General("the server only changes keys".to_owned());
                    self.fail(connection, &error);
                }
            }
            Ok(standing) => {
                line.is_ready = standing == Standing::Ready;
                self.go_on(connection);
            }
            Err(error) => self.fail(connection, &error),
        }
    }

    /// Sends the next part of the hand-shake, or tells that it is over.
    fn go_on(&mut self, connection: ConnId) {
        let line = &mut self.lines[connection.index()];
        let Some(session) = &mut line.session else { return };
        if line.sending {
            return;
        }
        let own = session.own();
        if own.is_empty() {
            if line.is_ready {
                line.is_open = true;
                self.completions.push_back(RawCompletion::Opened(connection));
            }
            return;
        }
        let half = self.inner.outgoing(connection, 0);
        let length = own.len().min(half.len());
        half[..length].copy_from_slice(&own[..length]);
        own.drain(..length);
        line.sending = true;
        self.inner.send(connection, 0, length, true);
    }

    fn fail(&mut self, connection: ConnId, error: &Error) {
        self.trouble = error.to_string();
        let is_open = self.lines[connection.index()].is_open;
        let reason = if is_open { Reason::Broken } else { Reason::Refused };
        self.end(connection, reason(libc::EPROTO));
    }

    fn end(&mut self, connection: ConnId, reason: Reason) {
        self.inner.close(connection);
        self.lines[connection.index()].reset();
        self.completions.push_back(RawCompletion::Closed(connection, reason));
    }
}

impl Line {
    fn reset(&mut self) {
        *self = Self { address: self.address, ..Self::default() };
    }
}

/// Bytes of a half of the inner ring.
const fn sealed_half(half_bytes: usize) -> usize {
    let sealed = sealed_bytes(half_bytes);
    if sealed < MIN_HALF_BYTES { MIN_HALF_BYTES } else { sealed }
}

impl Ring for Tls {
    #[inline]
    fn now(&self) -> Nanos {
        self.inner.now()
    }

    fn aim(&mut self, connections: Range<u32>, address: SocketAddr) {
        for line in &mut self.lines[connections.start as usize..connections.end as usize] {
            line.address = Some(address);
        }
        self.inner.aim(connections, address);
    }

    fn open(&mut self, connection: ConnId) {
        self.close(connection);
        self.inner.open(connection);
    }

    #[inline]
    fn outgoing(&mut self, connection: ConnId, half: usize) -> &mut [u8] {
        self.outgoing.half(connection, half)
    }

    fn send(&mut self, connection: ConnId, half: usize, length: usize, notify: bool) {
        let start = self.outgoing.start(connection, half);
        let clear = &self.outgoing.memory()[start..start + length];
        let Some(session) = &mut self.lines[connection.index()].session else { return };
        match session.seal(clear, self.inner.outgoing(connection, half)) {
            Ok(sealed) => self.inner.send(connection, half, sealed, notify),
            Err(error) => self.fail(connection, &error),
        }
    }

    fn close(&mut self, connection: ConnId) {
        self.lines[connection.index()].reset();
        self.inner.close(connection);
        self.completions.retain(|completion| completion.connection() != connection);
    }

    fn wait(&mut self, until: Nanos) -> Nanos {
        self.inner.wait(if self.completions.is_empty() { until } else { Nanos(0) })
    }

    fn stamp_receives(&mut self) {
        self.inner.stamp_receives();
    }

    fn move_receive_delays(&mut self, found: &mut Recording) {
        self.inner.move_receive_delays(found);
    }

    fn next(&mut self) -> Option<Completion<'_>> {
        let completion = loop {
            if let Some(completion) = self.completions.pop_front() {
                break completion;
            }
            self.clear.clear();
            let inner = self.next_inner()?;
            self.understand(inner);
        };
        Some(completion.with(&self.clear, &[]))
    }

    fn trouble(&self) -> &str {
        &self.trouble
    }

    fn usage(&mut self) -> Usage {
        self.inner.usage()
    }
}
