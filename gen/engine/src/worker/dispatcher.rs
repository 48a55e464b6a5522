//! A worker's work: taking requests off the schedule, sending them, taking in answers, and what
//! happens to connections on the way. Every method is one step of [`super::Worker::tick`].
//!
//! What differs between a single server and several is [`Dispatch`], by type: a single server pays for
//! nothing of the rest.

mod batch;

mod base;

mod dispatch;

mod fast_path;

mod never_answered;

mod lifecycle;

mod direct;

mod routed;

mod send;

mod retry;

mod mitigated;

mod cache_aside;

mod fanned_out;

mod steps;

use base::Base;
pub use direct::Direct;
pub use dispatch::Dispatch;
pub use routed::Routed;
pub use send::ASKING;

use super::connection::State;
use crate::measure::outcome::{ErrorKind, Outcome};
use crate::ring::Ring;
use crate::units::{ConnId, Nanos};
use stallion_resp::expect::Fit;
use stallion_resp::reply::Reply;

/// What a worker works with, and how its requests find their connections.
#[derive(Debug)]
pub struct Dispatcher<D> {
    base: Base,
    dispatch: D,
}

/// A reply to a whole request.
#[derive(Debug, Clone, Copy)]
pub struct Replied {
    outcome: Outcome,
    bytes: u64,
}

impl<D: Dispatch> Dispatcher<D> {
    /// Hands what was encoded to the ring. The time of sending is taken here, once for all, right
    /// before the kernel is entered: the encoding before it is counted as the client's lag, and
    /// the kernel's work for the other connections of the same turn (3 to 4 us each on loopback)
    /// as service time, as it is with every client that serves connections one after the other.
    pub(super) fn flush(&mut self, ring: &mut impl Ring) {
        if self.base.connections.to_send.is_empty() {
            return;
        }
        let now = ring.now();
        // A send that could be followed by another before its answers are complete is notified.
        let open = self.base.settings.open;
        let notify = open && self.base.settings.pipeline > 1;
        let Base { accounting, connections, .. } = &mut self.base;
        let (dispatch, interval) = (&self.dispatch, &mut accounting.intervals.current);
        let total = &mut accounting.sent;
        connections.flush(|id, connection| {
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
            *total += sent;
            ring.send(id, pending.half, pending.bytes, notify);
            connection.sending = notify;
            dispatch.count_bytes(interval, connection.pool, pending.bytes);
            false
        });
    }

    /// A notified send is complete.
    pub(super) fn sent(&mut self, id: ConnId) {
        self.base.connections[id].sending = false;
    }

    /// Takes in what a connection received.
    pub(super) fn receive(&mut self, id: ConnId, bytes: &[u8], now: Nanos) {
        self.base.accounting.intervals.current.bytes_received += bytes.len() as u64;
        let pool = self.base.connections[id].pool;
        let interval = &mut self.base.accounting.intervals.current;
        self.dispatch.count_bytes(interval, pool, bytes.len());
        let (mut input, follows) = (bytes, self.dispatch.follows());
        loop {
            if !self.base.settings.verify && !follows {
                self.receive_fast_path(id, &mut input, now);
            }
            let connection = &mut self.base.connections[id];
            let (values, verify) = (self.base.requests.encoder.values(), self.base.settings.verify);
            let value_of = |command| verify && self.base.expected.is_value_of_key(command);
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
                    D::take_push(self, id, now);
                    Ok(())
                }
                Ok(Some(reply)) => self.reply(id, reply, now),
                Ok(None) => break,
                Err(_) => Err(ErrorKind::Protocol),
            };
            if let Err(kind) = taken {
                self.base.accounting.intervals.current.errors[kind as usize] += 1;
                self.base.connections.to_close.push(id);
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
        let connection = &mut self.base.connections[id];
        if matches!(connection.state, State::Opening { .. }) {
            return self.greeted(id, reply, now);
        }
        let bytes = std::mem::take(&mut connection.reply_bytes);
        if D::IS_ROUTED && connection.flights.take_asked() {
            return Ok(());
        }
        let Some(mut flight) = connection.flights.head() else {
            return Err(ErrorKind::Protocol);
        };
        if connection.part(reply) < self.base.expected.replies(flight.command) {
            connection.reply_bytes = bytes;
            return Ok(());
        }
        connection.flights.pop_many(1);
        let size = self.base.requests.encoder.values().size_of(flight.key) as u64;
        let fit = self.base.expected.judge(flight.command, reply, connection.parser.nulls_inside());
        let checked =
            self.base.settings.verify && self.base.expected.is_value_of_key(flight.command);
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
        if D::reply(self, id, &mut flight, Replied { outcome, bytes }, now) {
            return Ok(());
        }
        if outcome == Outcome::Error(ErrorKind::NoScript) {
            self.base.requests.encoder.forget_script(flight.command);
        }
        D::end_flight(self, id, flight, outcome, now);
        Ok(())
    }
}
