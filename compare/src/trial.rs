//! Runs by seed whose truth is known, and how often a comparison of them answers rightly.

use std::collections::BTreeMap;

use rand::{RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, Normal};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Serialize;

use crate::blocks::stretch_s;
use crate::comparison::{Answer, Comparison, Difference, MARGIN, compare};
use crate::series::{Side, Stretch};

/// A run of 30 s in stretches of 100 ms, with 300 requests in each.
const STRETCHES: usize = 300;
const STRETCH_S: f64 = 0.1;
const REQUESTS: usize = 300;

/// Values are kept to this step of their logarithm, as a histogram of three digits does.
const STEP: f64 = 0.001;

/// How a simulated server behaves besides its even noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// Each stretch keeps most of its neighbour's mood.
    Calm,
    /// And there are stalls of several stretches, at random.
    Bursts,
    /// And there are three stalls in a run, at random.
    Rare,
    /// And the server stalls every two seconds.
    Periodic,
    /// And it becomes slower by 15 % from the begin to the end.
    Drift,
    /// And its level wanders by 5 %, over two seconds.
    Wander,
    /// Five runs a side, each at a level of its own (4 %).
    Runs,
}

impl Scenario {
    /// All.
    pub const ALL: [Self; 7] = [
        Self::Calm,
        Self::Bursts,
        Self::Rare,
        Self::Periodic,
        Self::Drift,
        Self::Wander,
        Self::Runs,
    ];

    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Bursts => "bursts of stalls at random",
            Self::Rare => "three stalls in a run",
            Self::Periodic => "a stall every 2 s",
            Self::Drift => "drift by 15 %",
            Self::Wander => "a level that wanders by 5 %",
            Self::Runs => "5 runs a side, 4 % between them",
        }
    }

    const fn runs(self) -> u64 {
        match self {
            Self::Runs => 5,
            _ => 1,
        }
    }

    /// One side by its seed, whose every response time is `slower` times as long.
    #[must_use]
    pub fn side(self, seed: u64, slower: f64) -> Side {
        let run = |number| self.run(seed * self.runs() + number, slower);
        Side { name: self.name().to_owned(), runs: (0..self.runs()).map(run).collect() }
    }

    fn run(self, seed: u64, slower: f64) -> Vec<Stretch> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let draw = |deviation: f64, random: &mut Xoshiro256PlusPlus| {
            Normal::new(0.0, deviation).map_or(0.0, |normal| normal.sample(random))
        };
        let level = if self == Self::Runs { draw(0.04, &mut random) } else { 0.0 };
        // How much of its mood a stretch keeps, and what is new in it: 5 % in sum.
        let (kept, fresh) = if self == Self::Wander { (0.95, 0.0156) } else { (0.8, 0.03) };
        let (mut mood, mut stalled) = (0.0_f64, 0_u32);
        let stretch = |number: usize| {
            mood = kept * mood + draw(fresh, &mut random);
            stalled =
                if self.stall_begins(number, &mut random) { 4 } else { stalled.saturating_sub(1) };
            let drift =
                if self == Self::Drift { 0.14 * number as f64 / STRETCHES as f64 } else { 0.0 };
            let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
            for _ in 0..REQUESTS {
                let mut ns = 100_000.0 * (level + mood + drift + draw(0.25, &mut random)).exp();
                if stalled > 0 && random.random_bool(0.1) {
                    ns += 2_000_000.0 * random.random::<f64>();
                }
                *counts.entry(((ns * slower).ln() / STEP).round() as i64).or_default() += 1;
            }
            let value = |place: i64| (place as f64 * STEP).exp() as u64;
            Stretch {
                counts: counts.into_iter().map(|(place, count)| (value(place), count)).collect(),
                answered: REQUESTS as u64,
                seconds: STRETCH_S,
            }
        };
        (0..STRETCHES).map(stretch).collect()
    }

    fn stall_begins(self, number: usize, random: &mut Xoshiro256PlusPlus) -> bool {
        match self {
            Self::Calm => false,
            Self::Periodic => number.is_multiple_of(20),
            Self::Rare => random.random_bool(0.01),
            Self::Bursts | Self::Drift | Self::Wander | Self::Runs => random.random_bool(0.05),
        }
    }
}

/// How often comparisons of one scenario, at one true ratio, answered what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Comparisons.
    pub trials: u64,
    /// Those in which any figure was called slower or faster against the truth.
    pub wrong: u64,
    /// Those whose every interval holds the truth.
    pub covered: u64,
    /// Percentiles that were judged.
    pub judged: u64,
    /// Of these, called slower or faster rightly.
    pub found: u64,
    /// Of those judged, with an interval so narrow that it promises to find the true ratio.
    pub promised: u64,
    /// Of these, found.
    pub kept: u64,
    /// Figures called the same.
    pub same: u64,
    /// Figures called the same against the truth: it lies beyond the margin.
    pub wrongly_same: u64,
}

/// An interval of this half-width finds a ratio in nine of ten comparisons: its own 2.5 standard
/// deviations, and 1.28 more.
const PROMISES: f64 = 1.55;

/// The nearest that values of [`STEP`] on both sides can be held to.
const NEAR: f64 = 2.0 * STEP;

impl Tally {
    /// Compares so many pairs by their seeds.
    #[must_use]
    pub fn of(scenario: Scenario, slower: f64, trials: u64) -> Self {
        let mut tally = Self::default();
        // Other runs for each ratio.
        let first = (slower * 1_000.0) as u64 * 100_000;
        for trial in first..first + trials {
            let before = scenario.side(2 * trial, 1.0);
            let after = scenario.side(2 * trial + 1, slower);
            tally.add(&compare(&before, &after, MARGIN, trial), slower);
        }
        tally
    }

    /// The same with real runs: each is dealt to two sides by chance, five seconds at a time, so that both
    /// are of the same population, and the response times of one side are made longer.
    #[must_use]
    pub fn of_dealt(runs: &[Side], slower: f64, trials: u64) -> Self {
        let mut tally = Self::default();
        for (trial, run) in (0..trials).zip(runs.iter().cycle()) {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(trial);
            let [before, mut after] = deal(run, &mut random);
            let stretches = after.runs.iter_mut().flatten();
            for (value, _) in stretches.flat_map(|stretch| &mut stretch.counts) {
                *value = (*value as f64 * slower).round() as u64;
            }
            tally.add(&compare(&before, &after, MARGIN, trial), slower);
        }
        tally
    }

    /// Counts one comparison whose percentiles have this true ratio, and whose answers a second have none.
    pub fn add(&mut self, comparison: &Comparison, slower: f64) {
        self.trials += 1;
        let (mut wrong, mut covered) = (false, true);
        for difference in &comparison.differences {
            let is_rate = difference.metric == crate::comparison::Metric::Ops;
            let truth = if is_rate { 1.0 } else { slower };
            let Some([low, high]) = difference.ratio_interval else { continue };
            covered &= low.ln() - NEAR <= truth.ln() && truth.ln() <= high.ln() + NEAR;
            let answer = difference.answer;
            wrong |= match answer {
                Answer::Slower => truth <= 1.0,
                Answer::Faster => truth >= 1.0,
                Answer::Same | Answer::NotEnoughData => false,
            };
            if answer == Answer::Same {
                self.same += 1;
                self.wrongly_same += u64::from(truth.ln().abs() > MARGIN.ln_1p() + NEAR);
            }
            if !is_rate {
                self.count_power(difference, truth);
            }
        }
        self.wrong += u64::from(wrong);
        self.covered += u64::from(covered);
    }

    fn count_power(&mut self, difference: &Difference, truth: f64) {
        let Some([low, high]) = difference.ratio_interval else { return };
        let found = difference.answer == Answer::Slower && truth > 1.0;
        self.judged += 1;
        self.found += u64::from(found);
        let half = (high.ln() - low.ln()) / 2.0;
        if truth > 1.0 && half * PROMISES <= truth.ln() - NEAR {
            self.promised += 1;
            // What lies within the margin as a whole is the same, and that is no miss.
            self.kept += u64::from(found || difference.answer == Answer::Same);
        }
    }
}

/// What is dealt at a time: longer than most of what makes neighbours alike.
const DEALT_S: f64 = 5.0;

/// Half of a run's stretches to each side, by chance.
fn deal(run: &Side, random: &mut Xoshiro256PlusPlus) -> [Side; 2] {
    let stretches = run.runs.first().map_or(&[][..], Vec::as_slice);
    let together = (DEALT_S / stretch_s(stretches)).ceil().max(1.0) as usize;
    let mut chunks: Vec<&[Stretch]> = stretches.chunks_exact(together).collect();
    for place in (1..chunks.len()).rev() {
        chunks.swap(place, random.random_range(0..=place));
    }
    let (left, right) = chunks.split_at(chunks.len() / 2);
    let side = |chunks: &[&[Stretch]]| Side { name: run.name.clone(), runs: vec![chunks.concat()] };
    [side(left), side(right)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_run_and_another_does_not() {
        let counts = |seed| Scenario::Bursts.side(seed, 1.0).runs[0][7].counts.clone();
        assert_eq!(counts(3), counts(3));
        assert_ne!(counts(3), counts(4));
    }

    #[test]
    fn a_few_trials_of_each_scenario_answer_rightly() {
        for scenario in Scenario::ALL {
            let same = Tally::of(scenario, 1.0, 5);
            assert!(same.wrong <= 1 && same.covered >= 4, "{scenario:?}: {same:?}");
            let twice = Tally::of(scenario, 2.0, 3);
            assert_eq!(twice.wrong, 0, "{scenario:?}: {twice:?}");
            assert!(twice.promised >= 6, "{scenario:?}: {twice:?}");
            assert!(twice.kept * 10 >= twice.promised * 9, "{scenario:?}: {twice:?}");
        }
    }
}
