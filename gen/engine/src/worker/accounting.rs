//! What becomes of the requests of a worker, as sums: due, sent, in flight, and over by interval.

use super::intervals::Intervals;
use crate::ring::Usage;
use crate::units::Nanos;
use crate::workload::arrivals::Arrivals;

/// The sums of one worker.
#[derive(Debug)]
pub(crate) struct Accounting {
    pub(crate) intervals: Intervals,
    /// Runs ahead of the schedule by whole intervals, to count what is due.
    pub(crate) counter: Arrivals,
    pub(crate) due: u64,
    pub(crate) sent: u64,
    pub(crate) in_flight: usize,
}

impl Accounting {
    pub(crate) const fn new(intervals: Intervals, counter: Arrivals) -> Self {
        Self { intervals, counter, due: 0, sent: 0, in_flight: 0 }
    }

    /// Counts requests as sent.
    #[inline]
    pub(crate) fn count_sent(&mut self, count: u64) {
        self.intervals.current.counts.sent += count;
        self.sent += count;
    }

    /// Ends the current interval. False while the recorder has no room for it.
    pub(crate) fn close_interval(&mut self, open: bool, end: Nanos, usage: Usage) -> bool {
        let interval = &mut self.intervals.current;
        if open {
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
