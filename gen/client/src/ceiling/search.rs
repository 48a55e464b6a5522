//! Which rate to try next: climb until an objective breaks, close in, then repeat around the
//! result to know how sure it is. Pure: the trying is done by [`super::find`].

use serde::Serialize;

/// How a step at one rate came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The objective was met at the rate that was asked.
    Met,
    /// It was broken, the rate was missed, or the backlog grew.
    Broken,
}

/// What the search is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Raising the rate until the objective breaks.
    Climb,
    /// Halving the gap between the highest rate that met it and the lowest that broke it.
    Close,
    /// Trying rates around the result again.
    Repeat,
}

/// Factor from one rate of the climb to the next.
const CLIMB: f64 = 1.3;

/// Rates that a repetition tries, against the ceiling found: from below, so that a repetition
/// ends at the first that breaks.
const AROUND: [f64; 5] = [0.94, 0.97, 1.0, 1.03, 1.06];

/// A search that knows what it has seen.
#[derive(Debug, Clone)]
pub struct Search {
    first: f64,
    highest: f64,
    precision: f64,
    repeats: usize,
    met: Option<f64>,
    broken: Option<f64>,
    /// The repetition that is going on: the index into [`AROUND`], and the highest met in it.
    around: usize,
    round_met: f64,
    rounds: Vec<f64>,
}

impl Search {
    /// Begins at `first`, never tries more than `highest`, closes in to a share of `precision`
    /// and repeats so many times.
    #[must_use]
    pub fn new(first: f64, highest: f64, precision: f64, repeats: usize) -> Self {
        Self {
            first,
            highest: highest.max(first),
            precision,
            repeats,
            met: None,
            broken: None,
            around: 0,
            round_met: 0.0,
            rounds: Vec::new(),
        }
    }

    /// The next rate to try; none when the search is over.
    #[must_use]
    pub fn next(&self) -> Option<(Stage, f64)> {
        match (self.met, self.broken) {
            (None, None) => Some((Stage::Climb, self.first)),
            (Some(met), None) if met < self.highest => {
                Some((Stage::Climb, (met * CLIMB).min(self.highest)))
            }
            // Not even the first rate: look below it, down to a hundredth.
            (None, Some(broken)) if broken > self.first / 100.0 => {
                Some((Stage::Close, broken / 2.0))
            }
            (Some(met), Some(broken)) if broken - met > self.precision * met => {
                Some((Stage::Close, f64::midpoint(met, broken)))
            }
            (Some(met), _) if self.rounds.len() < self.repeats => {
                Some((Stage::Repeat, met * AROUND[self.around]))
            }
            _ => None,
        }
    }

    /// Takes in how the rate that [`Search::next`] named came out.
    pub fn learn(&mut self, (stage, rate): (Stage, f64), step: Step) {
        match (stage, step) {
            (Stage::Climb | Stage::Close, Step::Met) => self.met = Some(rate),
            (Stage::Climb | Stage::Close, Step::Broken) => self.broken = Some(rate),
            (Stage::Repeat, Step::Met) => {
                self.round_met = rate;
                self.around += 1;
                if self.around == AROUND.len() {
                    self.end_round();
                }
            }
            (Stage::Repeat, Step::Broken) => self.end_round(),
        }
    }

    /// A round whose first rate broke counts as half a step below it.
    fn end_round(&mut self) {
        let met = self.met.unwrap_or(0.0);
        let none = met * (AROUND[0] - (AROUND[1] - AROUND[0]));
        self.rounds.push(if self.round_met > 0.0 { self.round_met } else { none });
        (self.around, self.round_met) = (0, 0.0);
    }

    /// The ceiling so far, in requests a second: the mean of the repetitions, or the highest rate
    /// that met the objective when there is none; and the half-width of its 95 % interval.
    #[must_use]
    pub fn ceiling(&self) -> Option<(f64, f64)> {
        let met = self.met?;
        if self.rounds.is_empty() {
            return Some((met, met * self.precision));
        }
        let count = self.rounds.len() as f64;
        let mean = self.rounds.iter().sum::<f64>() / count;
        let spread = self.rounds.iter().map(|rate| (rate - mean).powi(2)).sum::<f64>();
        let deviation = if self.rounds.len() > 1 { (spread / (count - 1.0)).sqrt() } else { 0.0 };
        let half = student_t(self.rounds.len()) * deviation / count.sqrt();
        // The rates tried are 3 % apart: no repetition can be surer than half of that.
        Some((mean, half.max(met * (AROUND[1] - AROUND[0]) / 2.0)))
    }
}

/// Two-sided 95 % quantile of Student's t for so many samples (degrees of freedom + 1).
const fn student_t(samples: usize) -> f64 {
    match samples {
        0..=2 => 12.706,
        3 => 4.303,
        4 => 3.182,
        5 => 2.776,
        6 => 2.571,
        7 => 2.447,
        8 => 2.365,
        9 => 2.306,
        10 => 2.262,
        _ => 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;

    /// Searches a world whose ceiling is `truth`, and says how many steps that took.
    fn search(first: f64, highest: f64, truth: impl Fn(usize) -> f64) -> (Search, usize) {
        let mut search = Search::new(first, highest, 0.02, 3);
        let mut steps = 0;
        while let Some(asked) = search.next() {
            let step = if asked.1 <= truth(steps) { Step::Met } else { Step::Broken };
            search.learn(asked, step);
            steps += 1;
            assert!(steps < 200, "the search ends");
        }
        (search, steps)
    }

    proptest! {
        #[test]
        fn a_sharp_ceiling_is_found(truth in 1_000.0..1e6_f64) {
            let (search, steps) = search(500.0, 1e7, |_| truth);
            let (found, half) = search.ceiling().unwrap();
            assert!((found - truth).abs() <= 0.05 * truth, "{found} of {truth}");
            assert!(half < 0.1 * truth && steps < 60);
        }
    }

    #[test]
    fn noise_widens_the_interval() {
        let calm = search(500.0, 1e6, |_| 50_000.0).0.ceiling().unwrap();
        let noisy = search(500.0, 1e6, |step| 50_000.0 + 4_000.0 * ((step * 7 % 5) as f64 - 2.0));
        assert!(noisy.0.ceiling().unwrap().1 > calm.1);
    }

    #[test]
    fn nothing_met_has_no_ceiling_and_the_highest_rate_is_respected() {
        assert_eq!(search(500.0, 1e6, |_| 0.0).0.ceiling(), None);
        let (search, _) = search(500.0, 2_000.0, |_| 1e9);
        assert!(search.ceiling().unwrap().0 <= 2_000.0 * 1.06);
    }
}
