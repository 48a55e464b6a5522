//! How long neighbouring stretches are alike, and draws of blocks of them.

use rand::RngExt as _;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::series::{Side, Stretch};

/// A block is at most this share of a run: fewer blocks would not tell chance any more.
const SMALLEST_NUMBER_OF_BLOCKS: usize = 8;

/// What a host does besides (a neighbour's turn, a timer's work) lasts about as long, and is too rare in
/// a short run for its likeness to show.
const SHORTEST_BLOCK_S: f64 = 1.0;

/// Stretches with the value at which each stands, so that a draw is a sum of arrays.
#[derive(Debug)]
pub(crate) struct Pool {
    /// Values in nanoseconds, rising.
    values: Vec<u64>,
    /// Of each run: block length, and the stretches by the place of their values.
    runs: Vec<(usize, Vec<Placed>)>,
}

#[derive(Debug)]
struct Placed {
    counts: Vec<(u32, u64)>,
    answered: u64,
    seconds: f64,
}

/// The sum of some stretches.
#[derive(Debug, Default)]
pub(crate) struct Draw {
    counts: Vec<u64>,
    total: u64,
    answered: u64,
    seconds: f64,
}

impl Pool {
    pub(crate) fn of(side: &Side) -> Self {
        let mut values: Vec<u64> =
            side.stretches().flat_map(|stretch| &stretch.counts).map(|(value, _)| *value).collect();
        values.sort_unstable();
        values.dedup();
        let place = |value: &u64| values.binary_search(value).unwrap_or(0) as u32;
        let runs = side
            .runs
            .iter()
            .map(|run| {
                let placed = run.iter().map(|stretch| Placed {
                    counts: stretch.counts.iter().map(|(value, n)| (place(value), *n)).collect(),
                    answered: stretch.answered,
                    seconds: stretch.seconds,
                });
                (block_length(run), placed.collect())
            })
            .collect();
        Self { values, runs }
    }

    /// Everything once.
    pub(crate) fn whole(&self) -> Draw {
        let mut draw = self.empty();
        self.runs.iter().flat_map(|(_, run)| run).for_each(|stretch| draw.add(stretch));
        draw
    }

    /// By how much intervals of draws are too narrow. A spread that is known from few blocks (or runs)
    /// is itself uncertain: Student's factor for two tails of `sigmas`, after Cornish and Fisher. And
    /// `n` runs drawn from `n` vary less than runs do, by `(n - 1) / n`.
    pub(crate) fn too_narrow_by(&self, sigmas: f64) -> f64 {
        let blocks: usize = self.runs.iter().map(|(block, run)| run.len().div_ceil(*block)).sum();
        let freedom = blocks.saturating_sub(1).max(1) as f64;
        let runs = self.runs.len() as f64;
        let between = if runs > 1.0 { (runs / (runs - 1.0)).sqrt() } else { 1.0 };
        let square = sigmas * sigmas;
        let first = (square + 1.0) / 4.0;
        let second = (5.0 * square * square + 16.0 * square + 3.0) / 96.0;
        between * (1.0 + first / freedom + second / (freedom * freedom))
    }

    /// As much as there is, by chance: runs (if there are several), and blocks of each.
    pub(crate) fn draw(&self, random: &mut Xoshiro256PlusPlus, draw: &mut Draw) {
        draw.clear(self.values.len());
        for _ in 0..self.runs.len() {
            let (block, run) = &self.runs[random.random_range(0..self.runs.len())];
            let mut drawn = 0;
            while drawn < run.len() {
                // Round the end, so that the first and the last stretch are drawn as often as others.
                let start = random.random_range(0..run.len());
                let length = (*block).min(run.len() - drawn);
                (start..start + length).for_each(|at| draw.add(&run[at % run.len()]));
                drawn += length;
            }
        }
    }

    pub(crate) fn empty(&self) -> Draw {
        let mut draw = Draw::default();
        draw.clear(self.values.len());
        draw
    }

    /// The values at some rising quantiles.
    pub(crate) fn quantiles<const N: usize>(&self, draw: &Draw, quantiles: [f64; N]) -> [f64; N] {
        let mut found = [0.0; N];
        let (mut next, mut seen) = (0, 0);
        for (value, count) in self.values.iter().zip(&draw.counts) {
            seen += count;
            while next < N && seen as f64 >= quantiles[next] * draw.total as f64 - 1e-6 {
                found[next] = *value as f64;
                next += 1;
            }
        }
        found
    }
}

impl Draw {
    fn clear(&mut self, places: usize) {
        self.counts.clear();
        self.counts.resize(places, 0);
        (self.total, self.answered, self.seconds) = (0, 0, 0.0);
    }

    fn add(&mut self, stretch: &Placed) {
        for (place, count) in &stretch.counts {
            self.counts[*place as usize] += count;
            self.total += count;
        }
        self.answered += stretch.answered;
        self.seconds += stretch.seconds;
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.answered as f64 / self.seconds.max(1e-9)
    }
}

/// Three times the lag at which the stretches of a run are no longer alike, for that one of their signs
/// (median, tail, count) that is alike the longest: shorter blocks would cut likeness, and find chance
/// too small. Never less than the cube root of their number, or a second.
pub fn block_length(run: &[Stretch]) -> usize {
    let signs: [fn(&Stretch) -> f64; 3] = [
        |stretch| (quantile(stretch, 0.5) as f64).max(1.0).ln(),
        |stretch| (quantile(stretch, 0.99) as f64).max(1.0).ln(),
        |stretch| stretch.answered as f64,
    ];
    let alike = signs
        .iter()
        .map(|sign| lag_of_likeness(&run.iter().map(sign).collect::<Vec<f64>>()))
        .max()
        .unwrap_or(0);
    let length_s = run.iter().map(|stretch| stretch.seconds).sum::<f64>() / run.len().max(1) as f64;
    let least = (run.len() as f64).cbrt().max(SHORTEST_BLOCK_S / length_s.max(1e-9)).ceil();
    (3 * alike).max(least as usize).min(run.len() / SMALLEST_NUMBER_OF_BLOCKS).max(1)
}

/// The last lag before the autocorrelation drowns in what chance alone gives (Politis and White).
fn lag_of_likeness(series: &[f64]) -> usize {
    let count = series.len() as f64;
    let mean = series.iter().sum::<f64>() / count;
    let variance: f64 = series.iter().map(|value| (value - mean).powi(2)).sum();
    if variance <= 0.0 {
        return 0;
    }
    let chance = 2.0 * (count.log10() / count).sqrt();
    let correlation = |lag: usize| {
        let pairs = series.iter().zip(&series[lag..]);
        pairs.map(|(left, right)| (left - mean) * (right - mean)).sum::<f64>() / variance
    };
    (1..series.len() / 2).take_while(|lag| correlation(*lag) > chance).count()
}

fn quantile(stretch: &Stretch, quantile: f64) -> u64 {
    let total: u64 = stretch.counts.iter().map(|(_, count)| count).sum();
    let mut seen = 0;
    let reached = |(_, count): &&(u64, u64)| {
        seen += count;
        seen as f64 >= quantile * total as f64
    };
    stretch.counts.iter().find(reached).map_or(0, |(value, _)| *value)
}
