//! What a worker works with, however its requests find their connections.

use std::collections::VecDeque;

use super::batch::{Batch, encode};
use crate::measure::outcome::Outcome;
use crate::measure::slow::Sample;
use crate::ring::Ring;
use crate::units::{ConnId, Nanos, NodeId};
use crate::worker::accounting::Accounting;
use crate::worker::connection::{Connection, Pending};
use crate::worker::connections::Connections;
use crate::worker::flight::{Flight, Route};
use crate::worker::intervals::Intervals;
use crate::worker::settings::{Requests, Settings};
use stallion_resp::expect::Expected;
use stallion_resp::op::Op;

/// Settings, requests, connections and sums of one worker.
#[derive(Debug)]
pub(crate) struct Base {
    pub(super) settings: Settings,
    pub(super) requests: Requests,
    /// The replies that commands may get.
    pub(super) expected: Expected,
    pub(super) accounting: Accounting,
    pub(super) connections: Connections,
}

impl Base {
    pub(super) fn new(
        settings: Settings,
        requests: Requests,
        intervals: Intervals,
        connection: impl Fn(usize) -> Connection,
    ) -> Self {
        let encoder = &requests.encoder;
        Self {
            expected: Expected::of(encoder.commands(), encoder.values()),
            accounting: Accounting::new(intervals, requests.arrivals.clone()),
            connections: Connections::new(settings.connections, connection),
            settings,
            requests,
        }
    }

    /// Encodes what is due on the connections of one server that have room. In the open model what is
    /// due at one moment goes out on one connection, as far as it has room, and connections take turns
    /// from moment to moment: a client that is a little late sends batches, which cost less, and is on
    /// time again. (With one request each, 92 000 a second took a whole core; the closed model at
    /// the same pipeline of 16 had 900 000.) In the closed model each gets a whole pipeline. `route` says of a request and its bytes what a
    /// cluster must know.
    #[inline]
    pub(super) fn issue_on(
        &mut self,
        ring: &mut impl Ring,
        ready: &mut VecDeque<ConnId>,
        now: Nanos,
        route: impl Fn(&Op, usize) -> Option<Route>,
    ) {
        let open = self.settings.open;
        let mut turn_is_over = false;
        while let Some(&id) = ready.front() {
            let Some(due) = self.requests.arrivals.due_by(now) else {
                break;
            };
            let connection = &mut self.connections[id];
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
            let added =
                encode(connection, &mut self.requests, due, Batch { now, wanted, out }, &route);
            if added > 0 {
                self.requests.arrivals.advance();
                self.accounting.in_flight += added;
                self.connections.list_to_send(id);
            }
            // In the closed model a pipeline that was begun must be answered before more is sent
            // on it, full or not: its send is not notified.
            let connection = &mut self.connections[id];
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

    /// A request ended without having been sent by itself: it is counted as if it had been.
    pub(super) fn count_unsent_end(&mut self, flight: &Flight, outcome: Outcome, now: Nanos) {
        self.accounting.count_sent(1);
        let interval = &mut self.accounting.intervals.current;
        if self.settings.open {
            interval.lag.record(flight.sent.since(flight.due));
            interval.own_lag.record(flight.sent.since(flight.due));
        }
        let ended = sample(ConnId(0), *flight, outcome, now);
        interval.end_request(ended, self.settings.open, self.settings.slow_ns);
    }

    /// A request is over: what is not done is given back, and its end is counted; `owner` is the node that
    /// serves its slot.
    #[inline]
    pub(super) fn end_request(&mut self, id: ConnId, ended: Ended, now: Nanos) {
        let Ended { flight, outcome, owner } = ended;
        let Settings { open, slow_ns, .. } = self.settings;
        // In the closed model the time of sending is the intended time: that of the first sending.
        let sent = if open { flight.sent } else { flight.due.min(flight.sent) };
        // One that was not answered waited for the node that serves its slot.
        let node = flight.node.or(owner);
        let flight = Flight { sent, node, ..flight };
        let ended = sample(id, flight, outcome, now);
        self.accounting.intervals.current.end_request(ended, open, slow_ns);
    }

    /// A request is not in flight any more; what was not done is given back to the workload.
    #[inline]
    pub(super) fn leave_flight(&mut self, flight: &Flight, outcome: Outcome) {
        self.accounting.in_flight -= 1;
        if matches!(outcome, Outcome::Error(_) | Outcome::Timeout | Outcome::Lost) {
            self.requests.workload.give_back(flight.key);
        }
    }
}

/// A request that is over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ended {
    pub(super) flight: Flight,
    pub(super) outcome: Outcome,
    /// The node that serves its slot.
    pub(super) owner: Option<NodeId>,
}

pub(super) fn sample(connection: ConnId, flight: Flight, outcome: Outcome, now: Nanos) -> Sample {
    let Flight { due, ready, sent, command, key, ahead, node, .. } = flight;
    Sample { due, ready, sent, done: now, command, key, connection, outcome, ahead, node }
}
