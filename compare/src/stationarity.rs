//! Runs that changed while they lasted: what was measured before the change and after it is not one
//! population, and an interval over both says little of either.

use serde::Serialize;

use crate::blocks::{correlation, stretch_s};
use crate::series::{Side, Stretch};

/// Blocks that a run is cut into: enough to place a change, few enough to have quiet percentiles.
const BLOCKS: usize = 40;

/// A block is no shorter than this, for the reason that bootstrap blocks are not.
const SHORTEST_BLOCK_S: f64 = 1.0;

/// Fewer blocks never show a change by this test.
const FEWEST_BLOCKS: usize = 10;

/// Chance of a false warning by one figure of one run; a comparison of two runs makes six tests.
const CHANCE: f64 = 0.005;

/// A change by less than this share is not worth a warning.
const SMALLEST: f64 = 0.03;

/// What of a run is watched: its name, how to read it off a block (as a logarithm).
type Watched = (&'static str, fn(&Stretch) -> f64);

const WATCHED: [Watched; 3] = [
    ("p50", |block| block.log_quantile(0.5)),
    ("p99", |block| block.log_quantile(0.99)),
    ("ops", |block| (block.answered as f64 / block.seconds.max(1e-9)).max(1e-9).ln()),
];

/// A place at which a run changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Which side.
    pub side: String,
    /// Which of its runs, counted from 1.
    pub run: usize,
    /// What changed: `p50`, `p99` or `ops`.
    pub figure: &'static str,
    /// When, in seconds from the begin of what was measured.
    pub at_s: f64,
    /// The figure after that over the figure before.
    pub ratio: f64,
}

impl Change {
    /// `before, run 2: p50 was 1.31× from 12 s on: the run is not stationary`.
    #[must_use]
    pub fn sentence(&self) -> String {
        format!(
            "{}, run {}: {} was {:.2}× from {:.0} s on than until then: the run is not stationary, and \
             its interval covers both parts",
            self.side, self.run, self.figure, self.ratio, self.at_s
        )
    }
}

/// Where the runs of a side changed; at most the surest change of each run.
#[must_use]
pub fn changes(side: &Side) -> Vec<Change> {
    let of_run = |(number, run): (usize, &Vec<Stretch>)| change(&side.name, number + 1, run);
    side.runs.iter().enumerate().filter_map(of_run).collect()
}

fn change(side: &str, run: usize, stretches: &[Stretch]) -> Option<Change> {
    let least = (SHORTEST_BLOCK_S / stretch_s(stretches)).ceil() as usize;
    let together = stretches.len().div_ceil(BLOCKS).max(least).max(1);
    let blocks: Vec<Stretch> = stretches.chunks_exact(together).map(Stretch::sum).collect();
    if blocks.len() < FEWEST_BLOCKS {
        return None;
    }
    let block_s = stretch_s(&blocks);
    let found = WATCHED.iter().filter_map(|(figure, read)| {
        let series: Vec<f64> = blocks.iter().map(read).collect();
        let (place, chance) = pettitt(&series);
        let ratio = (mean(&series[place..]) - mean(&series[..place])).exp();
        let matters = ratio.max(1.0 / ratio) > 1.0 + SMALLEST;
        (chance < CHANCE && matters).then(|| {
            let at_s = place as f64 * block_s;
            (chance, Change { side: side.to_owned(), run, figure, at_s, ratio })
        })
    });
    found.min_by(|(left, _), (right, _)| left.total_cmp(right)).map(|(_, change)| change)
}

/// Pettitt's test for one change at an unknown place: the first index after it, and the chance to see
/// such a change where there is none. Likeness of neighbours that is left on both sides of the change
/// makes chance larger.
fn pettitt(series: &[f64]) -> (usize, f64) {
    let count = series.len();
    let ranks = ranks(series);
    let (mut sum, mut largest, mut place) = (0.0, 0.0_f64, 1);
    for (number, rank) in ranks.iter().enumerate().take(count - 1) {
        sum += rank;
        let distance = (2.0 * sum - (number + 1) as f64 * (count + 1) as f64).abs();
        if distance > largest {
            (largest, place) = (distance, number + 1);
        }
    }
    let (left, right) = series.split_at(place);
    let level = |part: &[f64]| {
        let mean = mean(part);
        part.iter().map(move |value| value - mean).collect::<Vec<f64>>()
    };
    let rest = [level(left), level(right)].concat();
    let alike = correlation(&rest, 1).clamp(0.0, 0.9);
    let inflation = (1.0 + alike) / (1.0 - alike);
    let count = count as f64;
    let exponent = -6.0 * largest * largest / (count.powi(3) + count.powi(2)) / inflation;
    (place, (2.0 * exponent.exp()).min(1.0))
}

/// The rank of each value, the mean rank for those that are equal.
fn ranks(series: &[f64]) -> Vec<f64> {
    let mut sorted = series.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = |value: &f64| {
        let below = sorted.partition_point(|other| other < value);
        let up_to = sorted.partition_point(|other| other <= value);
        (below + up_to + 1) as f64 / 2.0
    };
    series.iter().map(rank).collect()
}

fn mean(series: &[f64]) -> f64 {
    series.iter().sum::<f64>() / series.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_found_at_its_place_and_none_in_level_noise() {
        // A sequence without order: fractions of multiples of the golden ratio.
        let noise = |number: usize| (number as f64 * 0.618_034).fract() * 0.1;
        let level: Vec<f64> = (0..40).map(noise).collect();
        assert!(pettitt(&level).1 > 10.0 * CHANCE, "{:?}", pettitt(&level));
        let step: Vec<f64> = (0..40).map(|at| noise(at) + f64::from(at >= 25)).collect();
        let (place, chance) = pettitt(&step);
        assert!((23..=25).contains(&place), "{place}");
        assert!(chance < 1e-3, "{chance}");
    }

    #[test]
    fn equal_values_share_their_rank() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0]), [2.5, 1.0, 2.5]);
    }
}
