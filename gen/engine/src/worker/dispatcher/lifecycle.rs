//! The dispatcher's rarer steps: connections that open, greet, break and time out; intervals that end.

use super::{Dispatch, Dispatcher};
use crate::limits::MAX_CONNECTING;
use crate::measure::interval::Interval;
use crate::measure::outcome::{ErrorKind, Outcome};
use crate::ring::{ETIMEDOUT, Ring, Usage};
use crate::units::{ConnId, Nanos};
use crate::worker::connection::{Pending, State};
use crate::worker::intervals::Intervals;
use stallion_resp::reply::Reply;

/// How soon connections that are down are looked at again.
const RETRY_SCAN_NS: u64 = 1_000_000;

impl<D: Dispatch> Dispatcher<D> {
    /// The sums of intervals.
    pub(in crate::worker) const fn intervals(&self) -> &Intervals {
        &self.base.accounting.intervals
    }

    /// The interval that is being filled.
    pub(in crate::worker) const fn interval(&mut self) -> &mut Interval {
        &mut self.base.accounting.intervals.current
    }

    pub(in crate::worker) const fn open_connections(&self) -> usize {
        self.base.connections.open
    }

    pub(in crate::worker) fn connections(&self) -> usize {
        self.base.connections.len()
    }

    pub(in crate::worker) const fn refused(&self) -> (u64, i32) {
        (self.base.connections.refused, self.base.connections.last_errno)
    }

    pub(in crate::worker) fn greeting_error(&self) -> &str {
        &self.base.connections.greeting_error
    }

    pub(in crate::worker) const fn in_flight(&self) -> usize {
        self.base.accounting.in_flight
    }

    pub(in crate::worker) const fn drain_ns(&self) -> u64 {
        self.base.settings.timeout_ns
    }

    /// Often enough to end a request within 1/16 of its time-out, and each millisecond while
    /// connections are down.
    pub(in crate::worker) fn scan_every_ns(&self) -> u64 {
        let connections = &self.base.connections;
        let missing = self.dispatch.missing(connections.len() - connections.open);
        if missing > self.base.connections.opening {
            return RETRY_SCAN_NS;
        }
        (self.base.settings.timeout_ns / 16).clamp(RETRY_SCAN_NS, 50_000_000)
    }

    pub(in crate::worker) fn is_done(&self) -> bool {
        self.base.accounting.in_flight + self.dispatch.fresh() == 0
            && self.base.requests.workload.is_exhausted()
    }

    /// Work that has no end of its own in time has had nobody to do it for for a whole time-out.
    /// Traffic goes on to its end instead: an outage is a measurement.
    pub(in crate::worker) fn is_deserted(&self, now: Nanos) -> bool {
        let patience_ns = self.base.settings.timeout_ns;
        let alone = self.base.connections.open == 0
            && now.since(self.base.connections.alone_since) >= patience_ns;
        let deserted = alone || self.dispatch.is_deserted(now, patience_ns);
        self.base.requests.workload.is_finite() && deserted
    }

    pub(in crate::worker) fn begin(
        &mut self,
        start: Nanos,
        origin: Nanos,
        end: Nanos,
        usage: Usage,
    ) {
        self.base.requests.arrivals.begin(start, end);
        self.base.accounting.counter = self.base.requests.arrivals.clone();
        self.base.accounting.intervals.begin(start, origin, usage);
        for connection in self.base.connections.iter_mut() {
            connection.free_since = connection.free_since.max(start);
        }
    }

    pub(in crate::worker) fn stop_schedule(&mut self, now: Nanos) {
        self.base.requests.arrivals.stop(now);
        self.base.accounting.counter.stop(now);
    }

    /// The kernel opened a connection: greet, or begin at once.
    pub(in crate::worker) fn opened(&mut self, ring: &mut impl Ring, id: ConnId, now: Nanos) {
        let greeting = &self.base.settings.greeting;
        if greeting.replies == 0 {
            return self.enter_service(id, now);
        }
        ring.outgoing(id, 0)[..greeting.bytes.len()].copy_from_slice(&greeting.bytes);
        ring.send(id, 0, greeting.bytes.len(), false);
    }

    /// One answer to the hand-shake. A refused one is kept in words and closes the connection.
    pub(super) fn greeted(
        &mut self,
        id: ConnId,
        reply: Reply,
        now: Nanos,
    ) -> Result<(), ErrorKind> {
        let connection = &mut self.base.connections[id];
        let State::Opening { greetings_left, deadline } = connection.state else {
            return Err(ErrorKind::Protocol);
        };
        if reply == Reply::Error {
            return Err(self.base.connections.keep_greeting_error(id));
        }
        if greetings_left > 1 {
            let greetings_left = greetings_left - 1;
            connection.state = State::Opening { greetings_left, deadline };
        } else {
            self.enter_service(id, now);
        }
        Ok(())
    }

    fn enter_service(&mut self, id: ConnId, now: Nanos) {
        let connection = &mut self.base.connections[id];
        let requests = self.base.settings.requests_per_connection;
        let (again, took_ns) = connection.opened(now, requests);
        self.base.accounting.intervals.current.reconnects += u64::from(again);
        self.base.accounting.intervals.current.connect.record(took_ns);
        self.base.connections.opening -= 1;
        self.base.connections.open += 1;
        let pool = self.base.connections[id].pool;
        self.dispatch.opened(pool);
        self.offer(id, now);
    }

    /// Puts a connection into the queue of those with room: in the open model as soon as there
    /// is any, in the closed model when its whole pipeline has been answered.
    pub(super) fn offer(&mut self, id: ConnId, now: Nanos) {
        let connection = &mut self.base.connections[id];
        if connection.is_used_up() {
            if !std::mem::replace(&mut connection.renewing, true) {
                self.base.connections.to_renew.push(id);
            }
            return;
        }
        let room =
            connection.room() > 0 && (self.base.settings.open || connection.flights.is_empty());
        if room && !connection.queued {
            connection.queued = true;
            connection.free_since = now;
            self.dispatch.ready(connection.pool).push_back(id);
        }
    }

    /// A connection could not be opened, or was lost.
    pub(in crate::worker) fn closed(&mut self, id: ConnId, why: (ErrorKind, i32), now: Nanos) {
        let (kind, errno) = why;
        self.base.connections.last_errno = errno;
        self.base.accounting.intervals.current.errors[kind as usize] += 1;
        D::count_at_node(self, id, kind);
        self.lose(id, now);
    }

    /// Takes a connection out of service; its requests in flight are lost.
    pub(super) fn lose(&mut self, id: ConnId, now: Nanos) {
        self.leave_service(id);
        self.end_all(id, Outcome::Lost, now);
        if self.base.connections[id].state == State::Open {
            D::forget_kept(self);
        }
        self.base.connections.lose(id, now);
        self.dispatch.lost(self.base.connections[id].pool, now);
    }

    /// The router knows which nodes have connections.
    fn leave_service(&mut self, id: ConnId) {
        let connection = &self.base.connections[id];
        if connection.state == State::Open {
            self.dispatch.closed(connection.pool);
        }
    }

    /// Ends every request of a connection in the same way. Those that were given to it and still
    /// waited for the send before them go down with it: they count as sent.
    fn end_all(&mut self, id: ConnId, outcome: Outcome, now: Nanos) {
        let Pending { requests, resent, .. } =
            std::mem::take(&mut self.base.connections[id].pending);
        self.base.accounting.count_sent((requests - resent) as u64);
        while let Some(flight) = self.base.connections[id].flights.pop() {
            if outcome == Outcome::Lost && D::request_lost(self, id, &flight, now) {
                continue;
            }
            D::end_flight(self, id, flight, outcome, now);
        }
    }

    /// Closes the connections that broke the protocol.
    pub(in crate::worker) fn close_offenders(&mut self, ring: &mut impl Ring, now: Nanos) {
        while let Some(id) = self.base.connections.to_close.pop() {
            ring.close(id);
            self.lose(id, now);
        }
    }

    /// Opens the connections again that have carried as many requests as they may: at once, as far
    /// as the bound on those being opened allows, and the others with the next looks.
    pub(in crate::worker) fn renew(&mut self, ring: &mut impl Ring, now: Nanos) {
        while let Some(id) = self.base.connections.to_renew.pop() {
            let connection = &mut self.base.connections[id];
            connection.renewing = false;
            if !connection.is_used_up() {
                continue;
            }
            ring.close(id);
            self.leave_service(id);
            // The server forgets what it was to tell this connection about.
            D::forget_kept(self);
            self.base.connections[id].used_up(now);
            self.base.connections.open -= 1;
            self.base.connections.alone_since = now;
            self.open(ring, id, now);
        }
    }

    /// Begins to open a connection, unless too many are being opened.
    fn open(&mut self, ring: &mut impl Ring, id: ConnId, now: Nanos) {
        if self.base.connections.opening < MAX_CONNECTING {
            self.base.connections.opening += 1;
            self.base.connections[id].opening(now, self.base.settings.greeting.replies);
            ring.open(id);
        }
    }

    /// Looks at every connection: those to be opened, and those that take too long.
    pub(in crate::worker) fn scan(&mut self, ring: &mut impl Ring, now: Nanos) {
        for index in 0..self.base.connections.len() {
            let id = ConnId(index as u32);
            match self.base.connections[id].state {
                State::Down { retry_at } if retry_at <= now && self.dispatch.is_wanted(id) => {
                    self.open(ring, id, now);
                }
                State::Opening { deadline, .. } if deadline <= now => {
                    ring.close(id);
                    self.closed(id, (ErrorKind::Connect, ETIMEDOUT), now);
                }
                State::Open => self.end_overdue(ring, id, now),
                State::Down { .. } | State::Opening { .. } => {}
            }
        }
        D::end_overdue(self, now);
    }

    /// The oldest request of a connection has waited too long: it is given up. Answers come in
    /// order, so the connection is closed, and the requests behind it are lost with it.
    fn end_overdue(&mut self, ring: &mut impl Ring, id: ConnId, now: Nanos) {
        let connection = &mut self.base.connections[id];
        let overdue = |sent: Nanos| now.since(sent) >= self.base.settings.timeout_ns;
        if !connection.flights.head().is_some_and(|flight| overdue(flight.sent)) {
            return;
        }
        let Some(flight) = connection.flights.pop() else {
            return;
        };
        D::end_flight(self, id, flight, Outcome::Timeout, now);
        ring.close(id);
        self.lose(id, now);
    }

    /// An interval is over.
    pub(in crate::worker) fn hand_over(&mut self, now: Nanos, usage: Usage) {
        let end = self.base.accounting.intervals.boundary_before(now);
        self.close_interval(end, usage);
    }

    /// The run is over: what is still in flight is given up, and the last interval ends. False
    /// while the recorder has no room for it.
    pub(in crate::worker) fn finish(&mut self, now: Nanos, usage: Usage) -> bool {
        for index in 0..self.base.connections.len() {
            self.end_all(ConnId(index as u32), Outcome::Timeout, now);
        }
        D::finish(self, now);
        self.end_never_sent(now);
        // A run may be ended before it has begun.
        self.close_interval(now.max(self.base.accounting.intervals.current.start), usage)
    }

    fn close_interval(&mut self, end: Nanos, usage: Usage) -> bool {
        let oldest_wait_ns = self.oldest_wait_ns(end);
        self.base.accounting.intervals.current.oldest_wait_ns = oldest_wait_ns;
        self.base.accounting.close_interval(self.base.settings.open, end, usage)
    }
}
