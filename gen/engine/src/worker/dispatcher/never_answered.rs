//! Requests that have no answer: how long they have waited, while the run lasts and when it ends. Without
//! them a server that is gone would look fast: only the survivors would be measured.

use super::{Dispatch, Dispatcher};
use crate::units::Nanos;

impl<D: Dispatch> Dispatcher<D> {
    /// The run is over: what was due and never sent counts with what it has waited until now.
    pub(super) fn end_never_sent(&mut self, now: Nanos) {
        if !self.base.settings.open || self.base.requests.workload.is_exhausted() {
            return;
        }
        while let Some(due) = self.base.requests.arrivals.due_by(now) {
            self.base.requests.arrivals.advance();
            self.never_sent(due, now);
        }
        while let Some(due) = self.dispatch.take_never_sent() {
            self.never_sent(due, now);
        }
    }

    /// One request is given up before it was sent. Those of the warm-up do not count.
    pub(super) fn never_sent(&mut self, due: Nanos, now: Nanos) {
        let intervals = &mut self.base.accounting.intervals;
        if due >= intervals.origin() {
            intervals.current.never_sent(now.since(due));
        }
    }

    /// How long the oldest request without an answer has waited at `end`.
    pub(super) fn oldest_wait_ns(&self, end: Nanos) -> u64 {
        let connections = self.base.connections.iter();
        let flights = connections.filter_map(|connection| connection.flights.head_span());
        let flights = flights.map(|(span, _)| span.due);
        let next = self.base.requests.arrivals.next_due();
        end.since(flights.chain(self.dispatch.oldest_due()).fold(next, Nanos::min))
    }
}
