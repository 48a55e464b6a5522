//! Whether a run was the same from its beginning to its end. Percentiles of one that was not are
//! true of neither part.

use serde::Serialize;

/// Fewer intervals than this in a third say nothing.
const MIN_INTERVALS: usize = 3;

const SECOND_NS: u64 = 1_000_000_000;

/// How steady a run was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Steadiness {
    /// Standard deviation of the answers of whole seconds, as a share of their mean.
    pub swing: f64,
    /// Median response time of the first third of the intervals (median over the intervals).
    pub first_p50_us: f64,
    /// The same of the last third.
    pub last_p50_us: f64,
}

impl Steadiness {
    /// By how much the median response time grew from the first third to the last; 1 when there
    /// were too few intervals to say.
    #[must_use]
    pub fn drift(&self) -> f64 {
        if self.first_p50_us > 0.0 { self.last_p50_us / self.first_p50_us } else { 1.0 }
    }
}

/// Gathers what [`Steadiness`] is made of.
#[derive(Debug, Clone, Default)]
pub struct Gathered {
    seconds: Vec<f64>,
    second_ns: u64,
    second_answered: u64,
    medians_ns: Vec<u64>,
}

impl Gathered {
    /// Adds an interval.
    pub fn add(&mut self, length_ns: u64, answered: u64, p50_ns: u64) {
        self.second_ns += length_ns;
        self.second_answered += answered;
        if self.second_ns >= SECOND_NS {
            self.seconds.push(self.second_answered as f64 * 1e9 / self.second_ns as f64);
            (self.second_ns, self.second_answered) = (0, 0);
        }
        self.medians_ns.push(p50_ns);
    }

    /// What came of it.
    #[must_use]
    pub fn found(&self) -> Steadiness {
        let count = self.seconds.len().max(1) as f64;
        let mean = self.seconds.iter().sum::<f64>() / count;
        let square = self.seconds.iter().map(|rate| (rate - mean).powi(2)).sum::<f64>() / count;
        let swing = if mean > 0.0 { square.sqrt() / mean } else { 0.0 };
        let third = self.medians_ns.len() / 3;
        if third < MIN_INTERVALS {
            return Steadiness { swing, ..Steadiness::default() };
        }
        let (first, rest) = self.medians_ns.split_at(third);
        let last = &rest[rest.len() - third..];
        Steadiness { swing, first_p50_us: median_us(first), last_p50_us: median_us(last) }
    }
}

fn median_us(values_ns: &[u64]) -> f64 {
    let mut sorted = values_ns.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2] as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(
        intervals: u64,
        answered: impl Fn(u64) -> u64,
        p50_ns: impl Fn(u64) -> u64,
    ) -> Steadiness {
        let mut gathered = Gathered::default();
        for index in 0..intervals {
            gathered.add(100_000_000, answered(index), p50_ns(index));
        }
        gathered.found()
    }

    #[test]
    fn a_steady_run_neither_swings_nor_drifts() {
        let found = run(60, |_| 1_000, |_| 80_000);
        assert!(found.swing < 1e-9 && (found.drift() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_growing_queue_drifts_and_an_uneven_rate_swings() {
        let found =
            run(60, |index| if index < 30 { 1_000 } else { 500 }, |index| 80_000 * (index + 1));
        assert!(found.drift() > 4.0 && found.swing > 0.3, "{found:?}");
    }

    #[test]
    fn a_short_run_says_nothing() {
        assert!((run(5, |_| 1, |index| index).drift() - 1.0).abs() < f64::EPSILON);
    }
}
