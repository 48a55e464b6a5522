//! The dispatcher's rarer steps: connections that open, greet, break and time out; intervals that end.

use super::Dispatcher;
use crate::limits::MAX_CONNECTING;
use crate::measure::outcome::{ErrorKind, Outcome};
use crate::ring::{ETIMEDOUT, Ring, Usage};
use crate::units::{ConnId, Nanos};
use crate::worker::connection::{Pending, State};
use crate::worker::router::Router;
use stallion_resp::reply::Reply;

/// How soon connections that are down are looked at again.
const RETRY_SCAN_NS: u64 = 1_000_000;

impl Dispatcher {
    pub(in crate::worker) const fn open_connections(&self) -> usize {
        self.open_connections
    }

    pub(in crate::worker) fn connections(&self) -> usize {
        self.connections.len()
    }

    pub(in crate::worker) const fn refused(&self) -> (u64, i32) {
        (self.refused, self.last_errno)
    }

    pub(in crate::worker) fn greeting_error(&self) -> &str {
        &self.greeting_error
    }

    pub(in crate::worker) const fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(in crate::worker) const fn drain_ns(&self) -> u64 {
        self.settings.timeout_ns
    }

    /// Often enough to end a request within 1/16 of its time-out, and each millisecond while
    /// connections are down.
    pub(in crate::worker) fn scan_every_ns(&self) -> u64 {
        let missing = self
            .router
            .as_ref()
            .map_or(self.connections.len() - self.open_connections, |router| router.missing());
        if missing > self.opening {
            return RETRY_SCAN_NS;
        }
        (self.settings.timeout_ns / 16).clamp(RETRY_SCAN_NS, 50_000_000)
    }

    pub(in crate::worker) fn is_done(&self) -> bool {
        let waiting = self.router.as_ref().map_or(0, |router| router.fresh());
        self.in_flight + waiting == 0 && self.settings.workload.is_exhausted()
    }

    /// Work that has no end of its own in time has had nobody to do it for for a whole time-out.
    /// Traffic goes on to its end instead: an outage is a measurement.
    pub(in crate::worker) fn is_deserted(&self, now: Nanos) -> bool {
        let patience_ns = self.settings.timeout_ns;
        let alone = self.open_connections == 0 && now.since(self.alone_since) >= patience_ns;
        let waits = |router: &Router| router.is_deserted(now, patience_ns);
        let deserted = alone || self.router.as_deref().is_some_and(waits);
        self.settings.workload.is_finite() && deserted
    }

    pub(in crate::worker) fn begin(
        &mut self,
        start: Nanos,
        origin: Nanos,
        end: Nanos,
        usage: Usage,
    ) {
        self.settings.arrivals.begin(start, end);
        self.counter = self.settings.arrivals.clone();
        self.intervals.begin(start, origin, usage);
        for connection in &mut self.connections {
            connection.free_since = connection.free_since.max(start);
        }
    }

    pub(in crate::worker) fn stop_schedule(&mut self, now: Nanos) {
        self.settings.arrivals.stop(now);
        self.counter.stop(now);
    }

    /// The kernel opened a connection: greet, or begin at once.
    pub(in crate::worker) fn opened(&mut self, ring: &mut impl Ring, id: ConnId, now: Nanos) {
        let greeting = &self.settings.greeting;
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
        let connection = &mut self.connections[id.index()];
        let State::Opening { greetings_left, deadline } = connection.state else {
            return Err(ErrorKind::Protocol);
        };
        if reply == Reply::Error {
            let text = connection.parser.text();
            self.greeting_error.clear();
            self.greeting_error.push_str(&String::from_utf8_lossy(text));
            return Err(ErrorKind::of_reply(text));
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
        let connection = &mut self.connections[id.index()];
        let requests = self.settings.requests_per_connection;
        let (again, took_ns) = connection.opened(now, requests);
        self.intervals.current.reconnects += u64::from(again);
        self.intervals.current.connect.record(took_ns);
        self.opening -= 1;
        self.open_connections += 1;
        let pool = self.connections[id.index()].pool;
        if let Some(router) = &mut self.router {
            router.opened(pool);
        }
        self.offer(id, now);
    }

    /// Puts a connection into the queue of those with room: in the open model as soon as there
    /// is any, in the closed model when its whole pipeline has been answered.
    pub(super) fn offer(&mut self, id: ConnId, now: Nanos) {
        let connection = &mut self.connections[id.index()];
        if connection.is_used_up() {
            if !std::mem::replace(&mut connection.renewing, true) {
                self.to_renew.push(id);
            }
            return;
        }
        let room = connection.room() > 0 && (self.settings.open || connection.flights.is_empty());
        if room && !connection.queued {
            connection.queued = true;
            connection.free_since = now;
            match &mut self.router {
                None => self.ready.push_back(id),
                Some(router) => router.ready(connection.pool).push_back(id),
            }
        }
    }

    /// A connection could not be opened, or was lost.
    pub(in crate::worker) fn closed(&mut self, id: ConnId, why: (ErrorKind, i32), now: Nanos) {
        let (kind, errno) = why;
        self.last_errno = errno;
        self.intervals.current.errors[kind as usize] += 1;
        self.count_at_node(id, kind);
        self.lose(id, now);
    }

    /// Takes a connection out of service; its requests in flight are lost.
    pub(super) fn lose(&mut self, id: ConnId, now: Nanos) {
        self.leave_service(id);
        self.end_all(id, Outcome::Lost, now);
        if self.connections[id.index()].state == State::Open {
            self.forget_kept();
        }
        let connection = &mut self.connections[id.index()];
        match connection.state {
            State::Open => {
                self.open_connections -= 1;
                self.alone_since = now;
            }
            State::Opening { .. } => {
                self.opening -= 1;
                self.refused += 1;
            }
            State::Down { .. } => {}
        }
        connection.lost(now);
        let pool = connection.pool;
        if let Some(router) = &mut self.router {
            router.look_whether_down(pool, now);
        }
    }

    /// The router knows which nodes have connections.
    fn leave_service(&mut self, id: ConnId) {
        let connection = &self.connections[id.index()];
        if connection.state == State::Open
            && let Some(router) = &mut self.router
        {
            router.closed(connection.pool);
        }
    }

    /// Ends every request of a connection in the same way. Those that were given to it and still
    /// waited for the send before them go down with it: they count as sent.
    fn end_all(&mut self, id: ConnId, outcome: Outcome, now: Nanos) {
        let Pending { requests, resent, .. } =
            std::mem::take(&mut self.connections[id.index()].pending);
        let pending = (requests - resent) as u64;
        self.intervals.current.counts.sent += pending;
        self.sent += pending;
        while let Some(flight) = self.connections[id.index()].flights.pop() {
            if outcome == Outcome::Lost && self.lost_routed(id, &flight, now) {
                continue;
            }
            self.end_flight(id, flight, outcome, now);
        }
    }

    /// Closes the connections that broke the protocol.
    pub(in crate::worker) fn close_offenders(&mut self, ring: &mut impl Ring, now: Nanos) {
        while let Some(id) = self.to_close.pop() {
            ring.close(id);
            self.lose(id, now);
        }
    }

    /// Opens the connections again that have carried as many requests as they may: at once, as far
    /// as the bound on those being opened allows, and the others with the next looks.
    pub(in crate::worker) fn renew(&mut self, ring: &mut impl Ring, now: Nanos) {
        while let Some(id) = self.to_renew.pop() {
            let connection = &mut self.connections[id.index()];
            connection.renewing = false;
            if !connection.is_used_up() {
                continue;
            }
            ring.close(id);
            self.leave_service(id);
            // The server forgets what it was to tell this connection about.
            self.forget_kept();
            self.connections[id.index()].used_up(now);
            self.open_connections -= 1;
            self.alone_since = now;
            self.open(ring, id, now);
        }
    }

    /// Begins to open a connection, unless too many are being opened.
    fn open(&mut self, ring: &mut impl Ring, id: ConnId, now: Nanos) {
        if self.opening < MAX_CONNECTING {
            self.opening += 1;
            self.connections[id.index()].opening(now, self.settings.greeting.replies);
            ring.open(id);
        }
    }

    /// Looks at every connection: those to be opened, and those that take too long.
    pub(in crate::worker) fn scan(&mut self, ring: &mut impl Ring, now: Nanos) {
        for index in 0..self.connections.len() {
            let id = ConnId(index as u32);
            match self.connections[index].state {
                State::Down { retry_at } if retry_at <= now && self.is_wanted(id) => {
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
        self.end_overdue_waiting(now);
        self.end_overdue_refills(now);
    }

    fn is_wanted(&self, id: ConnId) -> bool {
        self.router.as_ref().is_none_or(|router| router.is_wanted(id))
    }

    /// The oldest request of a connection has waited too long: it is given up. Answers come in
    /// order, so the connection is closed, and the requests behind it are lost with it.
    fn end_overdue(&mut self, ring: &mut impl Ring, id: ConnId, now: Nanos) {
        let connection = &mut self.connections[id.index()];
        let overdue = |sent: Nanos| now.since(sent) >= self.settings.timeout_ns;
        if !connection.flights.head().is_some_and(|flight| overdue(flight.sent)) {
            return;
        }
        let Some(flight) = connection.flights.pop() else {
            return;
        };
        self.end_flight(id, flight, Outcome::Timeout, now);
        ring.close(id);
        self.lose(id, now);
    }

    /// An interval is over.
    pub(in crate::worker) fn hand_over(&mut self, now: Nanos, usage: Usage) {
        let end = self.intervals.boundary_before(now);
        self.close_interval(end, usage);
    }

    /// The run is over: what is still in flight is given up, and the last interval ends. False
    /// while the recorder has no room for it.
    pub(in crate::worker) fn finish(&mut self, now: Nanos, usage: Usage) -> bool {
        for index in 0..self.connections.len() {
            self.end_all(ConnId(index as u32), Outcome::Timeout, now);
        }
        self.finish_routed(now);
        // A run may be ended before it has begun.
        self.close_interval(now.max(self.intervals.current.start), usage)
    }

    fn close_interval(&mut self, end: Nanos, usage: Usage) -> bool {
        let interval = &mut self.intervals.current;
        if self.settings.open {
            let due = self.counter.count_before(end);
            interval.counts.due += due;
            self.due += due;
        } else {
            interval.counts.due = interval.counts.sent;
            self.due = self.sent;
        }
        interval.in_flight = self.in_flight as u64;
        interval.backlog = self.due.saturating_sub(self.sent);
        self.intervals.hand_over(end, usage)
    }
}
