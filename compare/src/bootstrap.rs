//! Both sides drawn again and again, and intervals of their ratios that hold together.

use rand::SeedableRng as _;
use rand_xoshiro::Xoshiro256PlusPlus;
use statrs::distribution::{ContinuousCDF as _, Normal, StudentsT};

use crate::blocks::{Known, Picked, Pool};

/// How often both sides are drawn.
const DRAWS: usize = 2_000;

/// Chance that any interval of one comparison misses the truth.
const WRONG: f64 = 0.05;

/// The percentiles that are compared; answers a second stand behind them.
pub(crate) const QUANTILES: [f64; 5] = [0.5, 0.9, 0.99, 0.999, 0.9999];

/// How many figures there are.
pub(crate) const FIGURES: usize = QUANTILES.len() + 1;

/// Logarithms of the figures of one side, of all of it and of each draw.
#[derive(Debug)]
pub(crate) struct Drawn {
    pub(crate) found: [f64; FIGURES],
    draws: Vec<[f64; FIGURES]>,
    /// Independent units behind each figure.
    pub(crate) independent: [f64; FIGURES],
    known: [Known; FIGURES],
}

/// What lies between two logarithms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Span {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Span {
    pub(crate) fn half(self) -> f64 {
        (self.high - self.low) / 2.0
    }
}

impl Drawn {
    pub(crate) fn of(pool: &Pool, random: &mut Xoshiro256PlusPlus) -> Self {
        let values = QUANTILES.map(|quantile| pool.quantile(quantile));
        let mut independent = [pool.independent(); FIGURES];
        for (place, value) in values.iter().enumerate() {
            independent[place] = pool.independent_beyond(*value);
        }
        let mut picked = Picked::new();
        let draws = (0..DRAWS)
            .map(|_| {
                pool.pick(random, &mut picked);
                logarithms(pool.figures(&picked, QUANTILES))
            })
            .collect();
        Self {
            found: logarithms((values, pool.per_second())),
            draws,
            independent,
            known: independent.map(|units| pool.knows(units)),
        }
    }

    fn variance(&self, figure: usize) -> f64 {
        let count = self.draws.len() as f64;
        let mean = self.draws.iter().map(|draw| draw[figure]).sum::<f64>() / count;
        self.draws.iter().map(|draw| (draw[figure] - mean).powi(2)).sum::<f64>() / count
    }
}

/// The generator of one comparison: the same seed gives the same intervals.
pub(crate) fn generator(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

fn logarithms((values, per_second): ([f64; QUANTILES.len()], f64)) -> [f64; FIGURES] {
    let mut all = [per_second.max(1e-9).ln(); FIGURES];
    for (place, value) in values.iter().enumerate() {
        all[place] = value.max(1.0).ln();
    }
    all
}

/// Intervals of the ratios (`after` over `before`) of the figures that are `judged`; all of them
/// together hold at 95 %. What is common to the figures (a slow minute moves p90 and p99) is allowed
/// for: each interval ends where its own draws have the tail at which 95 % of all draws lie within all
/// intervals at once.
pub(crate) fn ratios(
    before: &Drawn,
    after: &Drawn,
    judged: [bool; FIGURES],
) -> [Option<Span>; FIGURES] {
    let ratio = |figure: usize| -> Vec<f64> {
        let both = before.draws.iter().zip(&after.draws);
        both.map(|(before, after)| after[figure] - before[figure]).collect()
    };
    let places = (0..FIGURES).filter(|figure| judged[*figure]);
    let drawn: Vec<(usize, Vec<f64>)> = places.map(|figure| (figure, ratio(figure))).collect();
    let tail = common_tail(&drawn);
    let mut spans = [None; FIGURES];
    for (figure, draws) in drawn {
        let found = after.found[figure] - before.found[figure];
        spans[figure] = Some(span(found, draws, tail, wider([before, after], figure, tail)));
    }
    spans
}

/// The interval of one side's own figure, at 95 %.
pub(crate) fn own(side: &Drawn, figure: usize) -> Span {
    let draws = side.draws.iter().map(|draw| draw[figure]).collect();
    span(side.found[figure], draws, WRONG / 2.0, wider([side, side], figure, WRONG / 2.0))
}

/// The tail that each figure may cut off, so that only [`WRONG`] of the draws are cut by any.
fn common_tail(drawn: &[(usize, Vec<f64>)]) -> f64 {
    let mut shallowest = vec![0.5_f64; DRAWS];
    for (_, draws) in drawn {
        let mut sorted = draws.clone();
        sorted.sort_by(f64::total_cmp);
        for (depth, draw) in shallowest.iter_mut().zip(draws) {
            let up_to = sorted.partition_point(|other| other <= draw);
            let from = sorted.len() - sorted.partition_point(|other| other < draw);
            *depth = depth.min(up_to.min(from) as f64 / sorted.len() as f64);
        }
    }
    shallowest.sort_by(f64::total_cmp);
    let cut = shallowest.get((WRONG * DRAWS as f64) as usize).copied().unwrap_or(0.0);
    let least = WRONG / 2.0 / FIGURES as f64;
    cut.clamp(least, WRONG / 2.0)
}

/// By how much intervals of draws are too narrow: draws have less than the whole variance, and a spread
/// that is known from few blocks (or runs) is itself uncertain, for which Student's factor stands, with
/// the degrees of freedom of both sides (Welch and Satterthwaite).
fn wider(sides: [&Drawn; 2], figure: usize, tail: f64) -> f64 {
    let (mut drawn, mut sum, mut freedom) = (0.0, 0.0, 0.0);
    for side in sides {
        let known = side.known[figure];
        let variance = side.variance(figure);
        let unbiased = variance / known.share;
        drawn += variance;
        sum += unbiased;
        freedom += unbiased * unbiased / known.freedom;
    }
    if drawn <= 0.0 {
        return 1.0;
    }
    (sum / drawn).sqrt() * student_over_normal(sum * sum / freedom, tail)
}

fn student_over_normal(freedom: f64, tail: f64) -> f64 {
    let normal = Normal::standard().inverse_cdf(1.0 - tail);
    StudentsT::new(0.0, 1.0, freedom.max(1.0))
        .map_or(1.0, |student| student.inverse_cdf(1.0 - tail) / normal)
}

/// What lies between the tails, drawn apart from what was found by `wider`.
fn span(found: f64, mut drawn: Vec<f64>, tail: f64, wider: f64) -> Span {
    drawn.sort_by(f64::total_cmp);
    let last = drawn.len() - 1;
    let place = (tail * last as f64).floor() as usize;
    let [low, high] =
        [drawn[place], drawn[last - place]].map(|edge| found + (edge - found) * wider);
    Span { low: low.min(found), high: high.max(found) }
}
