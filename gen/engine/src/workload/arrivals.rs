//! When: the intended time of each request, exact over any length of run.
//!
//! There is no token bucket to refill and so no burst by refill: request i has its time from the
//! schedule alone. A schedule is lazy, so the backlog after a stall costs no memory: what has not
//! been sent has simply not been taken yet, and keeps its intended time.

mod curve;

use std::sync::Arc;

use rand::SeedableRng;
use rand_distr::{Distribution, Exp1};
use rand_xoshiro::Xoshiro256PlusPlus;

pub use curve::{Curve, CurveError};

use crate::units::Nanos;

/// Nanoseconds of a second.
const SECOND_NS: u64 = 1_000_000_000;

/// The schedule of a whole run, over all workers.
#[derive(Debug, Clone)]
pub enum Schedule {
    /// Closed model: a request is due when its connection is free.
    Closed,
    /// `rate` a second, evenly: request i at i / rate.
    Constant {
        /// Requests a second, over all workers.
        rate: u64,
    },
    /// A Poisson process of `rate` a second.
    Poisson {
        /// Mean requests a second, over all workers.
        rate: u64,
    },
    /// A rate that changes over time, evenly or as a Poisson process.
    Curve {
        /// The rate over time.
        curve: Arc<Curve>,
        /// Draw arrivals at random instead of evenly.
        poisson: bool,
    },
    /// Recorded times in nanoseconds from the start, ascending.
    Recorded {
        /// The times.
        times_ns: Arc<[u64]>,
    },
}

impl Schedule {
    /// Whether requests have times of their own.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        !matches!(self, Self::Closed)
    }
}

/// One worker's part of a schedule.
#[derive(Debug, Clone)]
pub struct Arrivals {
    process: Process,
    start: Nanos,
    end: Nanos,
    next: Nanos,
}

#[derive(Debug, Clone)]
enum Process {
    Closed,
    /// Bresenham's line: whole nanoseconds and a remainder that carries.
    Even {
        step_ns: u64,
        remainder: u64,
        rate: u64,
        carried: u64,
    },
    Poisson {
        mean_ns: f64,
        elapsed_ns: f64,
        random: Xoshiro256PlusPlus,
    },
    Curve {
        curve: Arc<Curve>,
        count: f64,
        step: f64,
        random: Option<Xoshiro256PlusPlus>,
    },
    Recorded {
        times_ns: Arc<[u64]>,
        index: usize,
        step: usize,
    },
}

impl Arrivals {
    /// The part of worker `worker` of `workers`: every `workers`-th request of an even schedule, an
    /// independent process of a random one.
    #[must_use]
    pub fn new(schedule: &Schedule, worker: u64, workers: u64, seed: u64) -> Self {
        let random = || Xoshiro256PlusPlus::seed_from_u64(seed ^ (worker << 32) ^ 0x5ca1_ab1e);
        let process = match schedule {
            Schedule::Closed => Process::Closed,
            Schedule::Constant { rate } => {
                let span = u128::from(SECOND_NS) * u128::from(workers);
                let first = u128::from(SECOND_NS) * u128::from(worker);
                let rate_wide = u128::from(*rate);
                let process = Process::Even {
                    step_ns: (span / rate_wide) as u64,
                    remainder: (span % rate_wide) as u64,
                    rate: *rate,
                    carried: (first % rate_wide) as u64,
                };
                let next = Nanos((first / rate_wide) as u64);
                return Self { process, start: Nanos(0), end: Nanos::NEVER, next };
            }
            Schedule::Poisson { rate } => Process::Poisson {
                mean_ns: SECOND_NS as f64 * workers as f64 / *rate as f64,
                elapsed_ns: 0.0,
                random: random(),
            },
            Schedule::Curve { curve, poisson } => Process::Curve {
                curve: Arc::clone(curve),
                count: if *poisson { 0.0 } else { worker as f64 },
                step: workers as f64,
                random: poisson.then(random),
            },
            Schedule::Recorded { times_ns } => Process::Recorded {
                times_ns: Arc::clone(times_ns),
                index: worker as usize,
                step: workers as usize,
            },
        };
        let mut arrivals = Self { process, start: Nanos(0), end: Nanos::NEVER, next: Nanos(0) };
        arrivals.first();
        arrivals
    }

    /// Puts the schedule in time: it begins at `start`, and nothing is due at `end` or later.
    pub fn begin(&mut self, start: Nanos, end: Nanos) {
        self.next = start + self.next.since(self.start);
        (self.start, self.end) = (start, end);
    }

    /// Ends the schedule early: nothing is due at `end` or later.
    pub fn stop(&mut self, end: Nanos) {
        self.end = self.end.min(end);
    }

    /// The intended time of the next request if it is due at `now`.
    #[inline]
    #[must_use]
    pub fn due_by(&self, now: Nanos) -> Option<Nanos> {
        match self.process {
            Process::Closed => (self.start <= now && now < self.end).then_some(now),
            _ => (self.next <= now && self.next < self.end).then_some(self.next),
        }
    }

    /// When the next request is due; never in the closed model and after the end.
    #[inline]
    #[must_use]
    pub fn next_due(&self) -> Nanos {
        match self.process {
            Process::Closed => Nanos::NEVER,
            _ if self.next < self.end => self.next,
            _ => Nanos::NEVER,
        }
    }

    /// Takes the next request off the schedule.
    #[inline]
    pub fn advance(&mut self) {
        match &mut self.process {
            Process::Closed => {}
            Process::Even { step_ns, remainder, rate, carried } => {
                *carried += *remainder;
                let carry = u64::from(*carried >= *rate);
                *carried -= carry * *rate;
                self.next = self.next + (*step_ns + carry);
            }
            Process::Poisson { mean_ns, elapsed_ns, random } => {
                let gap: f64 = Exp1.sample(random);
                *elapsed_ns += gap * *mean_ns;
                self.next = self.start + *elapsed_ns as u64;
            }
            Process::Curve { curve, count, step, random } => {
                *count += match random {
                    Some(random) => <Exp1 as Distribution<f64>>::sample(&Exp1, random) * *step,
                    None => *step,
                };
                self.next = curve.time_of(*count).map_or(Nanos::NEVER, |ns| self.start + ns);
            }
            Process::Recorded { times_ns, index, step } => {
                *index += *step;
                self.next = times_ns.get(*index).map_or(Nanos::NEVER, |ns| self.start + *ns);
            }
        }
    }

    /// Sets `next` to the first request: a random process begins with a gap.
    fn first(&mut self) {
        match &self.process {
            Process::Curve { curve, count, random: None, .. } => {
                self.next = curve.time_of(*count).map_or(Nanos::NEVER, Nanos);
            }
            Process::Recorded { times_ns, index, .. } => {
                self.next = times_ns.get(*index).map_or(Nanos::NEVER, |ns| Nanos(*ns));
            }
            Process::Poisson { .. } | Process::Curve { .. } => self.advance(),
            Process::Closed | Process::Even { .. } => {}
        }
    }

    /// Takes everything due before `until` off the schedule and says how much it was.
    pub fn count_before(&mut self, until: Nanos) -> u64 {
        let mut count = 0;
        while self.next_due() < until {
            self.advance();
            count += 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;

    fn dues(schedule: &Schedule, workers: u64, until_ns: u64) -> Vec<u64> {
        let mut all = Vec::new();
        for worker in 0..workers {
            let mut arrivals = Arrivals::new(schedule, worker, workers, 3);
            arrivals.begin(Nanos(1_000), Nanos(1_000 + until_ns));
            while arrivals.next_due() != Nanos::NEVER {
                all.push(arrivals.next_due().0 - 1_000);
                arrivals.advance();
            }
        }
        all.sort_unstable();
        all
    }

    proptest! {
        #[test]
        fn an_even_schedule_is_exact(rate in 1_u64..3_000_000, workers in 1_u64..9) {
            let until_ns = 50_000_000_000 / rate;
            let all = dues(&Schedule::Constant { rate }, workers, until_ns);
            for (index, due) in all.iter().enumerate() {
                let exact = index as u128 * 1_000_000_000 / u128::from(rate);
                assert_eq!(u128::from(*due), exact);
            }
            let owed = (u128::from(until_ns) * u128::from(rate)).div_ceil(1_000_000_000);
            assert_eq!(all.len() as u128, owed);
        }
    }

    #[test]
    fn a_poisson_schedule_has_its_rate_and_its_variance() {
        let all = dues(&Schedule::Poisson { rate: 100_000 }, 4, 1_000_000_000);
        assert!(all.len().abs_diff(100_000) < 1_600, "five sigma of a Poisson count");
        let mut bins = [0_f64; 1_000];
        for due in &all {
            bins[(*due / 1_000_000) as usize] += 1.0;
        }
        let mean = bins.iter().sum::<f64>() / 1e3;
        let variance = bins.iter().map(|n| (n - mean).powi(2)).sum::<f64>() / 999.0;
        assert!(
            (0.75..1.25).contains(&(variance / mean)),
            "index of dispersion {}",
            variance / mean
        );
    }

    #[test]
    fn a_recorded_schedule_is_played_as_it_is() {
        let times_ns: Arc<[u64]> = Arc::from([5, 7, 7, 900]);
        assert_eq!(dues(&Schedule::Recorded { times_ns }, 3, 1_000), [5, 7, 7, 900]);
    }

    #[test]
    fn a_curve_keeps_its_count_over_workers() {
        let curve = Arc::new(Curve::ramp(1_000, 9_000, 2_000_000_000).unwrap());
        let schedule = Schedule::Curve { curve, poisson: false };
        let all = dues(&schedule, 2, 2_000_000_000);
        assert_eq!(all.len(), 10_000);
        let early = all.iter().filter(|due| **due < 1_000_000_000).count();
        assert!(early.abs_diff(3_000) <= 1, "{early} in the first half of the ramp");
    }

    #[test]
    fn the_closed_model_is_due_when_asked() {
        let mut arrivals = Arrivals::new(&Schedule::Closed, 0, 1, 0);
        arrivals.begin(Nanos(5), Nanos(50));
        assert_eq!(arrivals.due_by(Nanos(7)), Some(Nanos(7)));
        assert_eq!(arrivals.due_by(Nanos(50)), None);
    }
}
