//! What the client's latency is when nothing is wrong.
//!
//! Everything here reads the lower part of the distribution over intervals only, so that a run
//! which is disturbed for up to two thirds of its time still has an honest baseline.

use serde::Serialize;

use crate::run::Run;
use crate::summary::Percentiles;

/// The quiet run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Baseline {
    /// Median response time of a quiet interval.
    pub p50_ns: u64,
    /// p99.9 of a quiet interval.
    pub p999_ns: u64,
    /// An interval whose p99.9 is above this belongs to a spike.
    pub spike_over_ns: u64,
}

/// A spike is at least this many times the quiet p99.9, however steady the run is.
const LEAST_RATIO: f64 = 3.0;

/// And it is this many standard deviations (of the logarithm) away from it. On a noisy host the
/// p99.9 of quiet intervals varies by a factor of two; four deviations then ask for a factor
/// of sixteen.
const DEVIATIONS: f64 = 4.0;

/// Distance of the 30 % and the 5 % point of a normal distribution, and of the median and the
/// 30 % point, in standard deviations.
const P05_TO_P30: f64 = 1.1204;
const P30_TO_P50: f64 = 0.5244;

impl Baseline {
    /// Reads the baseline off the measured intervals.
    #[must_use]
    pub fn of(run: &Run) -> Self {
        let slices: Vec<Percentiles> =
            run.measured_slices().filter_map(|slice| slice.response).collect();
        let medians = sorted(slices.iter().map(|p| p.p50_ns));
        let tails = sorted(slices.iter().map(|p| p.p999_ns));
        let (low, quiet) = (quantile(&tails, 0.05), quantile(&tails, 0.30));
        let deviation = (quiet / low).ln() / P05_TO_P30;
        let p999 = quiet * (deviation * P30_TO_P50).exp();
        let ratio = (deviation * DEVIATIONS).exp().max(LEAST_RATIO);
        Self {
            p50_ns: quantile(&medians, 0.25) as u64,
            p999_ns: p999 as u64,
            spike_over_ns: (p999 * ratio) as u64,
        }
    }

    /// A request this slow was behind something: it ties a queue together. Slower than three
    /// quiet medians, so that ordinary requests never do, whatever the plan's threshold is.
    #[must_use]
    pub fn queued_over_ns(&self) -> u64 {
        self.p50_ns.saturating_mul(3)
    }
}

fn sorted(values: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values
}

/// The value at a quantile of a sorted list; 1 when it is empty, so that logarithms exist.
fn quantile(sorted: &[u64], quantile: f64) -> f64 {
    let place = (sorted.len().saturating_sub(1)) as f64 * quantile;
    sorted.get(place as usize).map_or(1.0, |value| (*value).max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_nothing_and_of_one() {
        assert_eq!(quantile(&[], 0.3), 1.0);
        assert_eq!(quantile(&[7], 0.95), 7.0);
        assert_eq!(quantile(&[1, 2, 3, 4, 5], 0.5), 3.0);
    }
}
