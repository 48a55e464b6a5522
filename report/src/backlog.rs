//! The queue that a stall leaves behind, and how much delay it still owes.
//!
//! When a stall ends, the requests that came due meanwhile are served one after the other; each
//! waits behind the others although nothing is stalled any more. That waiting inherits the cause.
//! Two rules keep the inheritance honest:
//!
//! - It needs an unbroken queue back to the stall: a busy period is a union of the lives of
//!   queued requests, and where none was waiting, the slate is clean.
//! - A stall of S delays no request by more than S beyond what it did while it lasted; and what
//!   it owes wears off by [`DRAIN`] of the time that passes, so that in a run which is always
//!   busy an old stall does not explain everything that comes later.

use crate::cause::NAMED;
use crate::ledger::{ByCause, Ledger, union};

/// A server catches up at least this fast: it is the share of its capacity that the load leaves
/// free. 5 % stands for a server at 95 % of its ceiling, where a queue of 100 ms drains in 2 s.
const DRAIN: f64 = 0.05;

/// Stretches in which at least one request was queued, in the order of time, without overlap.
#[derive(Debug, Clone, Default)]
pub struct BusyPeriods {
    spans: Vec<(u64, u64)>,
}

impl BusyPeriods {
    /// The union of the lives (due to done) of queued requests; each stretch reaches back to the
    /// beginning of a dense stall that it starts in.
    #[must_use]
    pub fn of(ledger: &Ledger, queued: impl Iterator<Item = (u64, u64)>) -> Self {
        let mut spans = union(queued.collect());
        for (start, _) in &mut spans {
            while let Some(earlier) = ledger.dense_start(*start).filter(|at| at < start) {
                *start = earlier;
            }
        }
        Self { spans }
    }

    /// Which stretch an instant lies in.
    #[must_use]
    pub fn at(&self, at_ns: u64) -> Option<usize> {
        // Stretches may overlap by what they reach back; their ends stay in order.
        let index = self.spans.partition_point(|(_, end)| *end < at_ns);
        self.spans.get(index).filter(|(start, _)| *start <= at_ns).map(|_| index)
    }
}

/// What the stalls of the present busy period still owe, read at ever later times.
#[derive(Debug)]
pub struct Debt<'a> {
    ledger: &'a Ledger,
    periods: &'a BusyPeriods,
    period: Option<usize>,
    read_until_ns: u64,
    owed_ns: [f64; NAMED],
}

impl<'a> Debt<'a> {
    /// No debt yet.
    #[must_use]
    pub fn new(ledger: &'a Ledger, periods: &'a BusyPeriods) -> Self {
        Self { ledger, periods, period: None, read_until_ns: 0, owed_ns: Default::default() }
    }

    /// What is owed, by cause, to a request that came due at `due_ns` and was done at `done_ns`.
    /// Calls must come in the order of `done_ns`.
    pub fn owed(&mut self, due_ns: u64, done_ns: u64) -> ByCause {
        let Some(period) = self.periods.at(due_ns) else {
            return ByCause::default();
        };
        if self.period.is_some_and(|current| period < current) {
            return ByCause::default();
        }
        let (start_ns, end_ns) = self.periods.spans[period];
        if self.period != Some(period) {
            self.period = Some(period);
            self.read_until_ns = start_ns;
            self.owed_ns = Default::default();
        }
        self.advance(done_ns.min(end_ns));
        self.owed_ns.map(|owed| owed as u64)
    }

    fn advance(&mut self, to_ns: u64) {
        if to_ns <= self.read_until_ns {
            return;
        }
        let stalled = self.ledger.within(self.read_until_ns, to_ns);
        for (owed, new) in self.owed_ns.iter_mut().zip(stalled) {
            *owed += new as f64;
        }
        let running = (to_ns - self.read_until_ns).saturating_sub(stalled.iter().sum());
        let owed: f64 = self.owed_ns.iter().sum();
        if owed > 0.0 {
            let left = (1.0 - running as f64 * DRAIN / owed).max(0.0);
            self.owed_ns.iter_mut().for_each(|owed| *owed *= left);
        }
        self.read_until_ns = to_ns;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use stallion_timeline::{Stall, StallClass, ThreadRole};

    use super::*;
    use crate::cause::rank;

    const MS: u64 = 1_000_000;

    fn fork(start_ms: u64, length_ms: u64) -> Ledger {
        let stall = Stall {
            class: StallClass::Fork,
            pid: 1,
            port: 0,
            tid: 1,
            thread: ThreadRole::Main,
            start_ns: start_ms * MS,
            end_ns: (start_ms + length_ms) * MS,
            busy_ns: length_ms * MS,
            count: 1,
            what: String::new(),
            detail: BTreeMap::new(),
        };
        Ledger::of(&[stall], std::iter::empty())
    }

    /// What a fork of 40 ms at 100 ms owes to the last of these requests (due, done in ms).
    fn owed_ms(lives: &[(u64, u64)]) -> u64 {
        let ledger = fork(100, 40);
        let periods =
            BusyPeriods::of(&ledger, lives.iter().map(|(due, done)| (due * MS, done * MS)));
        let mut debt = Debt::new(&ledger, &periods);
        let last = lives.iter().map(|(due, done)| debt.owed(due * MS, done * MS)).last();
        last.map_or(0, |owed| owed[rank(StallClass::Fork)] / MS)
    }

    #[test]
    fn a_stall_owes_what_it_lasted() {
        assert_eq!(owed_ms(&[(110, 140)]), 40);
    }

    #[test]
    fn a_queue_carries_the_debt_on_and_it_wears_off() {
        assert_eq!(owed_ms(&[(110, 141), (139, 150), (149, 160)]), 39);
        // 5 % of 760 ms is 38 ms.
        assert_eq!(owed_ms(&[(110, 141), (140, 900)]), 2);
        assert_eq!(owed_ms(&[(110, 141), (140, 2_000)]), 0);
    }

    #[test]
    fn an_empty_queue_forgives() {
        assert_eq!(owed_ms(&[(110, 141), (142, 150)]), 0);
    }

    #[test]
    fn a_busy_period_reaches_back_to_the_stall_that_it_began_in() {
        // Only a request that came due late in the fork was sampled.
        assert_eq!(owed_ms(&[(139, 150)]), 39);
    }
}
