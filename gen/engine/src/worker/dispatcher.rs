//! A worker's work: taking requests off the schedule, sending them, taking in answers, and what
//! happens to connections on the way. Every method is one step of [`super::Worker::tick`].

mod lifecycle;

mod routed;

mod retry;

mod mitigated;

mod cache_aside;

mod fanned_out;

mod fast_path;

mod batch;

pub use routed::ASKING;

use std::collections::VecDeque;

use batch::encode;

use super::connection::{Connection, Pending, State};
use super::fan_out::FanOut;
use super::flight::{Flight, Route};
use super::intervals::Intervals;
use super::router::Router;
use super::routing::Routing;
use super::settings::Settings;
use crate::measure::outcome::{ErrorKind, Outcome};
use crate::measure::slow::Sample;
use crate::mitigation::Mitigation;
use crate::ring::Ring;
use crate::store::cache_aside::CacheAside;
use crate::units::{ConnId, Nanos};
use crate::workload::arrivals::Arrivals;
use stallion_resp::expect::{Expected, Fit};
use stallion_resp::limits::MAX_LINE_BYTES;
use stallion_resp::op::Op;
use stallion_resp::reply::Reply;

/// The dispatcher at which a worker works.
#[derive(Debug)]
pub(super) struct Dispatcher {
    settings: Settings,
    /// The replies that commands may get.
    expected: Expected,
    pub(super) intervals: Intervals,
    connections: Vec<Connection>,
    /// Connections with room for a request, in turn; of a cluster they stand with their node.
    ready: VecDeque<ConnId>,
    /// The way to the nodes of a cluster.
    router: Option<Box<Router>>,
    /// What is done for hot keys; only together with a router.
    mitigation: Option<Box<Mitigation>>,
    /// What follows a read that finds nothing; only together with a router.
    aside: Option<Box<CacheAside>>,
    /// Requests of several keys that are sent key by key; only together with a router.
    fan_out: Option<Box<FanOut>>,
    /// When the store's answers were looked for last.
    looked: Nanos,
    /// The schedule has more for this moment, and nothing else wakes the worker.
    hungry: bool,
    /// Connections that carry requests in the closed model.
    places: usize,
    /// Connections with something to send.
    to_send: Vec<ConnId>,
    /// Connections that broke the protocol and must be closed.
    to_close: Vec<ConnId>,
    /// Connections that have carried as many requests as they may.
    to_renew: Vec<ConnId>,
    /// Runs ahead of `arrivals` by whole intervals, to count what is due.
    counter: Arrivals,
    due: u64,
    sent: u64,
    in_flight: usize,
    open_connections: usize,
    /// When the last connection was lost that was open.
    alone_since: Nanos,
    opening: usize,
    refused: u64,
    last_errno: i32,
    greeting_error: String,
}

impl Dispatcher {
    pub(super) fn new(mut settings: Settings, intervals: Intervals) -> Self {
        let count = settings.connections;
        let routing = settings.routing.take();
        let size = routing.as_ref().map(Routing::pool_size);
        let commands = settings.encoder.commands();
        let fan_out = routing.as_ref().and_then(|_| FanOut::of(commands)).map(Box::new);
        let connection = |index: usize| match size {
            None => Connection::new(settings.pipeline),
            Some(size) => Connection::routed(settings.pipeline, index / size),
        };
        Self {
            intervals,
            connections: (0..count).map(connection).collect(),
            places: routing.as_ref().map_or(count, |routing| routing.connections),
            router: routing.map(|routing| {
                let mut router = Box::new(Router::new(routing));
                router.reserve(fan_out.as_ref().map_or(0, |fan_out| fan_out.most()));
                router
            }),
            mitigation: settings.mitigation.take().map(Box::new),
            aside: settings.aside.take().map(Box::new),
            fan_out,
            looked: Nanos(0),
            hungry: false,
            ready: VecDeque::with_capacity(count),
            to_send: Vec::with_capacity(count),
            to_close: Vec::with_capacity(count),
            to_renew: Vec::with_capacity(count),
            expected: Expected::of(settings.encoder.commands(), settings.encoder.values()),
            counter: settings.arrivals.clone(),
            settings,
            due: 0,
            sent: 0,
            in_flight: 0,
            open_connections: 0,
            alone_since: Nanos(0),
            opening: 0,
            refused: 0,
            last_errno: 0,
            greeting_error: String::with_capacity(MAX_LINE_BYTES * 3),
        }
    }

    /// When the next request can be issued; never when all connections are full.
    pub(super) fn next_issue(&self) -> Nanos {
        if self.hungry {
            return Nanos(0);
        }
        if self.router.is_some() {
            return self.settings.arrivals.next_due().min(self.next_again());
        }
        if self.ready.is_empty() { Nanos::NEVER } else { self.settings.arrivals.next_due() }
    }

    /// Encodes what is due on connections that have room. In the open model what is due at one
    /// moment goes out on one connection, as far as it has room, and connections take turns from
    /// moment to moment: a client that is a little late sends batches, which cost less, and is on
    /// time again. (With one request each, 92 000 a second took a whole core; the closed model at
    /// the same pipeline of 16 had 900 000.) In the closed model each gets a whole pipeline.
    pub(super) fn issue(&mut self, ring: &mut impl Ring, now: Nanos) {
        if self.router.is_some() {
            return self.issue_routed(ring, now);
        }
        let mut ready = std::mem::take(&mut self.ready);
        self.issue_on(ring, &mut ready, now, |_, _| None);
        self.ready = ready;
    }

    /// The same on the connections of one server. `route` says of a request and its bytes what a
    /// cluster must know.
    #[inline]
    fn issue_on(
        &mut self,
        ring: &mut impl Ring,
        ready: &mut VecDeque<ConnId>,
        now: Nanos,
        route: impl Fn(&Op, usize) -> Option<Route>,
    ) {
        let open = self.settings.open;
        let mut turn_is_over = false;
        while let Some(&id) = ready.front() {
            let Some(due) = self.settings.arrivals.due_by(now) else {
                break;
            };
            let connection = &mut self.connections[id.index()];
            let room = connection.room();
            if room == 0 {
                connection.queued = false;
                ready.pop_front();
                continue;
            }
            let wanted = if open { 1 } else { room };
            connection.reuse_half();
            let Pending { half, bytes, .. } = connection.pending;
            let out = &mut ring.outgoing(id, half)[bytes..];
            let added = encode(connection, &mut self.settings, (due, now), wanted, out, &route);
            if added > 0 {
                self.settings.arrivals.advance();
                self.in_flight += added;
                if !connection.listed {
                    connection.listed = true;
                    self.to_send.push(id);
                }
            }
            // In the closed model a pipeline that was begun must be answered before more is sent
            // on it, full or not: its send is not notified.
            if connection.room() == 0 || !open && !connection.flights.is_empty() {
                connection.queued = false;
                ready.pop_front();
                turn_is_over = false;
            } else {
                turn_is_over = open;
            }
            if added < wanted {
                break;
            }
        }
        if turn_is_over {
            ready.rotate_left(1);
        }
    }

    /// Hands what was encoded to the ring. The time of sending is taken here, once for all, right
    /// before the kernel is entered: the encoding before it is counted as the client's lag, and
    /// the kernel's work for the other connections of the same turn (3 to 4 us each on loopback)
    /// as service time, as it is with every client that serves connections one after the other.
    pub(super) fn flush(&mut self, ring: &mut impl Ring) {
        if self.to_send.is_empty() {
            return;
        }
        let now = ring.now();
        // A send that could be followed by another before its answers are complete is notified.
        let open = self.settings.open;
        let notify = open && self.settings.pipeline > 1;
        let interval = &mut self.intervals.current;
        self.to_send.retain(|&id| {
            let connection = &mut self.connections[id.index()];
            if connection.sending {
                return true;
            }
            connection.listed = false;
            if connection.pending.requests == 0 {
                return false;
            }
            let pending = connection.take_pending();
            connection.flights.stamp(now, |span, count| {
                if span.is_resent {
                    // Its lag was counted when it was sent first.
                } else if open {
                    interval.lag.record_many(now.since(span.due), count);
                    interval.own_lag.record_many(now.since(span.ready), count);
                } else {
                    span.due = now;
                }
            });
            let sent = (pending.requests - pending.resent) as u64;
            interval.counts.sent += sent;
            interval.bytes_sent += pending.bytes as u64;
            self.sent += sent;
            ring.send(id, pending.half, pending.bytes, notify);
            connection.sending = notify;
            if let Some(router) = &self.router {
                retry::count_bytes(router, interval, connection.pool, pending.bytes);
            }
            false
        });
    }

    /// A notified send is complete.
    pub(super) fn sent(&mut self, id: ConnId) {
        self.connections[id.index()].sending = false;
    }

    /// Takes in what a connection received.
    pub(super) fn receive(&mut self, id: ConnId, bytes: &[u8], now: Nanos) {
        self.intervals.current.bytes_received += bytes.len() as u64;
        if let Some(router) = &self.router {
            let pool = self.connections[id.index()].pool;
            retry::count_bytes(router, &mut self.intervals.current, pool, bytes.len());
        }
        let (mut input, follows) = (bytes, self.follows());
        loop {
            if !self.settings.verify && !follows {
                self.receive_fast_path(id, &mut input, now);
            }
            let connection = &mut self.connections[id.index()];
            let (values, verify) = (self.settings.encoder.values(), self.settings.verify);
            let value_of = |command| verify && self.expected.is_value_of_key(command);
            let head = connection.flights.head().filter(|flight| value_of(flight.command));
            let (matches, length) = (&mut connection.value_matches, &mut connection.value_bytes);
            let (version, pushed) = (&mut connection.version, &mut connection.pushed);
            let left = input.len();
            let next = connection.parser.next(&mut input, |at, body| match head {
                _ if at.pushed => pushed.take(at.offset, body),
                Some(flight) => {
                    *matches &= values.matches(flight.key, at.offset as usize, body);
                    *length += body.len() as u64;
                }
                None if follows => version.take(at.offset, body),
                None => {}
            });
            connection.reply_bytes += (left - input.len()) as u64;
            let taken = match next {
                Ok(Some(Reply::Push(_))) => {
                    self.take_push(id, now);
                    Ok(())
                }
                Ok(Some(reply)) => self.reply(id, reply, now),
                Ok(None) => break,
                Err(_) => Err(ErrorKind::Protocol),
            };
            if let Err(kind) = taken {
                self.intervals.current.errors[kind as usize] += 1;
                self.to_close.push(id);
                break;
            }
        }
        self.offer(id, now);
    }

    /// One answer.
    ///
    /// # Errors
    /// Why the connection is of no use: nobody asked, or the hand-shake was refused.
    fn reply(&mut self, id: ConnId, reply: Reply, now: Nanos) -> Result<(), ErrorKind> {
        let connection = &mut self.connections[id.index()];
        if matches!(connection.state, State::Opening { .. }) {
            return self.greeted(id, reply, now);
        }
        let bytes = std::mem::take(&mut connection.reply_bytes);
        if self.router.is_some() && connection.flights.take_asked() {
            return Ok(());
        }
        let Some(mut flight) = connection.flights.head() else {
            return Err(ErrorKind::Protocol);
        };
        if connection.part(reply) < self.expected.replies(flight.command) {
            connection.reply_bytes = bytes;
            return Ok(());
        }
        connection.flights.pop_many(1);
        let size = self.settings.encoder.values().size_of(flight.key) as u64;
        let fit = self.expected.judge(flight.command, reply, connection.parser.nulls_inside());
        let checked = self.settings.verify && self.expected.is_value_of_key(flight.command);
        let outcome = match connection.end_of_parts() {
            Some(error) => Outcome::Error(error),
            None if fit == Fit::Wrong => Outcome::Error(ErrorKind::Unexpected),
            None if fit == Fit::Nothing => Outcome::Miss,
            None if checked && !connection.value_is(size) => Outcome::Error(ErrorKind::Verify),
            None if fit == Fit::Found => Outcome::Hit,
            None => Outcome::Ok,
        };
        connection.forget_value();
        let version = std::mem::take(&mut connection.version).version();
        if outcome == Outcome::Hit {
            flight.route.version = version;
        }
        if self.router.is_some() && self.reply_routed(id, &mut flight, outcome, bytes, now) {
            return Ok(());
        }
        if outcome == Outcome::Error(ErrorKind::NoScript) {
            self.settings.encoder.forget_script(flight.command);
        }
        self.end_flight(id, flight, outcome, now);
        Ok(())
    }

    /// Whether what stands beside values is to be read.
    #[inline]
    fn follows(&self) -> bool {
        self.mitigation.is_some() || self.aside.as_ref().is_some_and(|aside| aside.follows())
    }

    /// A request is over, unless it is a part of one that is not, or the store behind the cache is to
    /// be asked for it.
    fn end_flight(&mut self, id: ConnId, flight: Flight, outcome: Outcome, now: Nanos) {
        let Some((flight, outcome)) = self.end_of_part(flight, outcome) else { return };
        let Some((flight, outcome)) = self.end_before_store(flight, outcome, now) else { return };
        self.in_flight -= 1;
        if matches!(outcome, Outcome::Error(_) | Outcome::Timeout | Outcome::Lost) {
            self.settings.workload.give_back(flight.key);
        }
        self.end_request(id, flight, outcome, now);
    }

    #[inline]
    fn end_request(&mut self, connection: ConnId, flight: Flight, outcome: Outcome, now: Nanos) {
        if self.mitigation.is_some() {
            self.end_mitigated(&flight, outcome, now);
        }
        let Settings { open, slow_ns, .. } = self.settings;
        // In the closed model the time of sending is the intended time: that of the first sending.
        let sent = if open { flight.sent } else { flight.due.min(flight.sent) };
        // One that nobody answered waited for whoever serves its slot.
        let owner = || self.router.as_deref().map(|router| router.owner(flight.route.slot));
        let node = flight.node.or_else(owner);
        let flight = Flight { sent, node, ..flight };
        let ended = sample(connection, flight, outcome, now);
        self.intervals.current.end_request(ended, open, slow_ns);
    }
}

fn sample(connection: ConnId, flight: Flight, outcome: Outcome, now: Nanos) -> Sample {
    let Flight { due, ready, sent, command, key, ahead, node, .. } = flight;
    Sample { due, ready, sent, done: now, command, key, connection, outcome, ahead, node }
}
