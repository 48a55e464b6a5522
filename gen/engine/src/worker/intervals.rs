//! Which interval a worker is in, its totals, and the hand-over of finished intervals to the
//! recorder: two lock-free queues, one with full intervals and one with empty ones back.

use rtrb::{Consumer, Producer, RingBuffer};

use crate::limits::INTERVAL_QUEUE;
use crate::measure::interval::{Counted, Counts, Interval};
use crate::ring::Usage;
use crate::units::Nanos;

/// The recorder's ends of a worker's queues.
#[derive(Debug)]
pub struct IntervalOutlet {
    /// Finished intervals.
    pub full: Consumer<Box<Interval>>,
    /// Intervals to be used again.
    pub spare: Producer<Box<Interval>>,
}

/// A worker's own end.
#[derive(Debug)]
pub struct Intervals {
    /// The interval that is being filled.
    pub current: Box<Interval>,
    full: Producer<Box<Interval>>,
    spare: Consumer<Box<Interval>>,
    length_ns: u64,
    origin: Nanos,
    begun: Nanos,
    boundary: Nanos,
    totals: Counts,
    usage: Usage,
}

impl Intervals {
    /// Intervals of `length_ns`, and the recorder's ends of its queues.
    #[must_use]
    pub fn new(length_ns: u64, seed: u64, counted: Counted) -> (Self, IntervalOutlet) {
        let make = |seed| Interval::counting(seed, counted);
        let (full, full_out) = RingBuffer::new(INTERVAL_QUEUE);
        let (mut spare_in, spare) = RingBuffer::new(INTERVAL_QUEUE);
        for index in 1..INTERVAL_QUEUE as u64 {
            // The queue has room for all of them.
            let _ = spare_in.push(Box::new(make(seed ^ index)));
        }
        let intervals = Self {
            current: Box::new(make(seed)),
            full,
            spare,
            length_ns,
            origin: Nanos(0),
            begun: Nanos(0),
            boundary: Nanos::NEVER,
            totals: Counts::default(),
            usage: Usage::default(),
        };
        (intervals, IntervalOutlet { full: full_out, spare: spare_in })
    }

    /// Begins at `start`; intervals are aligned to `origin`, where what counts begins.
    pub fn begin(&mut self, start: Nanos, origin: Nanos, usage: Usage) {
        (self.origin, self.begun, self.usage) = (origin, start, usage);
        self.current.start = start;
        self.current.number = self.number_at(start);
        self.boundary = self.boundary_after(start);
    }

    /// Where what counts begins: the warm-up is before it.
    #[must_use]
    pub const fn origin(&self) -> Nanos {
        self.origin
    }

    /// When the run began to count.
    #[must_use]
    pub const fn begun(&self) -> Nanos {
        self.begun
    }

    /// When the current interval ends.
    #[inline]
    #[must_use]
    pub const fn boundary(&self) -> Nanos {
        self.boundary
    }

    /// The counts of the whole run up to the last hand-over.
    #[must_use]
    pub const fn totals(&self) -> Counts {
        self.totals
    }

    /// The last boundary that is not after `now`.
    #[must_use]
    pub fn boundary_before(&self, now: Nanos) -> Nanos {
        Nanos(self.boundary_after(now).0 - self.length_ns)
    }

    /// Ends the current interval at `end` and begins the next. When the recorder is behind and
    /// has no empty interval to give, the current one simply goes on.
    pub fn hand_over(&mut self, end: Nanos, usage: Usage) -> bool {
        self.boundary = self.boundary_after(end);
        let Ok(mut next) = self.spare.pop() else {
            return false;
        };
        (next.start, next.number) = (end, self.number_at(end));
        let mut done = std::mem::replace(&mut self.current, next);
        done.end = end;
        done.cpu_ns = usage.cpu_ns - self.usage.cpu_ns;
        done.idle_ns = usage.idle_ns - self.usage.idle_ns;
        done.syscalls = usage.syscalls - self.usage.syscalls;
        done.rearms = usage.rearms - self.usage.rearms;
        self.usage = usage;
        self.totals = add(self.totals, done.counts);
        // There are never more intervals than the queue has places.
        let _ = self.full.push(done);
        true
    }

    fn boundary_after(&self, time: Nanos) -> Nanos {
        let past_ns =
            (i128::from(time.0) - i128::from(self.origin.0)).rem_euclid(i128::from(self.length_ns));
        time + (self.length_ns - past_ns as u64)
    }

    fn number_at(&self, start: Nanos) -> i64 {
        let past_ns = i128::from(start.0) - i128::from(self.origin.0);
        past_ns.div_euclid(i128::from(self.length_ns)) as i64
    }
}

const fn add(left: Counts, right: Counts) -> Counts {
    Counts {
        due: left.due + right.due,
        sent: left.sent + right.sent,
        answered: left.answered + right.answered,
        failed: left.failed + right.failed,
        timeouts: left.timeouts + right.timeouts,
        lost: left.lost + right.lost,
    }
}
