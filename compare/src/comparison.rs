//! Percentiles of both sides, their differences, intervals and verdicts.

use rand::SeedableRng as _;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Serialize;

use crate::blocks::{Draw, Pool};
use crate::series::Side;

/// How often both sides are drawn.
const DRAWS: usize = 1_000;

/// Chance of a wrong "real" anywhere in one comparison; each figure has its part of it.
const WRONG: f64 = 0.05;

/// What lies outside of so many standard deviations is `WRONG` over six figures and two tails.
const SIGMAS: f64 = 2.64;

/// Less than what a histogram of three digits can tell apart on both sides is no difference.
const PRECISION: f64 = 0.002;

/// So many requests beyond a percentile are the least that it can be compared by.
const FEWEST_BEYOND: f64 = 50.0;

const QUANTILES: [f64; 5] = [0.5, 0.9, 0.99, 0.999, 0.9999];

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Metric {
    /// Median response time.
    #[serde(rename = "p50")]
    P50,
    /// 90 %.
    #[serde(rename = "p90")]
    P90,
    /// 99 %.
    #[serde(rename = "p99")]
    P99,
    /// 99.9 %.
    #[serde(rename = "p99.9")]
    P999,
    /// 99.99 %.
    #[serde(rename = "p99.99")]
    P9999,
    /// Answers a second.
    #[serde(rename = "ops")]
    Ops,
}

impl Metric {
    /// All, in the order in which they are told.
    pub const ALL: [Self; 6] =
        [Self::P50, Self::P90, Self::P99, Self::P999, Self::P9999, Self::Ops];

    /// As `--fail-on` takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::P999 => "p99.9",
            Self::P9999 => "p99.99",
            Self::Ops => "ops",
        }
    }
}

/// What can be said of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Chance does not explain it.
    Real,
    /// Chance explains it, or there is none.
    NotShown,
    /// Too few requests lie beyond this percentile.
    TooFew,
}

/// One figure of both sides.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// Which.
    pub metric: Metric,
    /// Before: nanoseconds, or answers a second.
    pub before: f64,
    /// Its interval.
    pub before_interval: [f64; 2],
    /// After: nanoseconds, or answers a second.
    pub after: f64,
    /// Its interval.
    pub after_interval: [f64; 2],
    /// `after` over `before`, less one, in percent.
    pub percent: f64,
    /// Its interval in percent. All intervals of a comparison together hold what they say at 95 %.
    pub interval_percent: [f64; 2],
    /// What that means.
    pub verdict: Verdict,
}

impl Difference {
    /// In percent, how much worse it became: slower, or fewer answers; negative for better.
    #[must_use]
    pub fn worse_percent(&self) -> f64 {
        if self.metric == Metric::Ops { -self.percent } else { self.percent }
    }

    /// `p99 +12 % [8, 17], real`
    #[must_use]
    pub fn sentence(&self) -> String {
        let name = self.metric.name();
        let [low, high] = self.interval_percent;
        match self.verdict {
            Verdict::TooFew => format!("{name}: too few requests beyond it to say"),
            Verdict::Real => {
                format!("{name} {} % [{}, {}], real", signed(self.percent), plain(low), plain(high))
            }
            Verdict::NotShown => format!(
                "{name} {} % [{}, {}], no difference shown",
                signed(self.percent),
                plain(low),
                plain(high)
            ),
        }
    }
}

/// Two digits are what an interval deserves.
fn plain(percent: f64) -> String {
    if percent.abs() < 9.95 { format!("{percent:.1}") } else { format!("{percent:.0}") }
}

fn signed(percent: f64) -> String {
    let text = plain(percent);
    if text.starts_with('-') { text } else { format!("+{text}") }
}

/// Two sides, compared.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// The first side's name.
    pub before: String,
    /// The second side's name.
    pub after: String,
    /// Runs on each side.
    pub runs: [usize; 2],
    /// Requests on each side.
    pub requests: [u64; 2],
    /// By figure.
    pub differences: Vec<Difference>,
}

impl Comparison {
    /// The figures whose difference is real.
    pub fn real(&self) -> impl Iterator<Item = &Difference> {
        self.differences.iter().filter(|difference| difference.verdict == Verdict::Real)
    }

    /// In one line.
    #[must_use]
    pub fn verdict(&self) -> String {
        let real: Vec<String> = self.real().map(Difference::sentence).collect();
        if real.is_empty() { "no difference shown".to_owned() } else { real.join("; ") }
    }
}

/// Compares two sides; the same seed gives the same intervals.
#[must_use]
pub fn compare(before: &Side, after: &Side, seed: u64) -> Comparison {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let (pool_before, pool_after) = (Pool::of(before), Pool::of(after));
    let (whole_before, whole_after) = (pool_before.whole(), pool_after.whole());
    let requests = [whole_before.total(), whole_after.total()];
    let found = [figures(&pool_before, &whole_before), figures(&pool_after, &whole_after)];
    let (mut left, mut right) = (pool_before.empty(), pool_after.empty());
    let drawn: Vec<[[f64; 6]; 2]> = (0..DRAWS)
        .map(|_| {
            pool_before.draw(&mut random, &mut left);
            pool_after.draw(&mut random, &mut right);
            [figures(&pool_before, &left), figures(&pool_after, &right)]
        })
        .collect();
    let fewest = requests[0].min(requests[1]) as f64;
    let differences = Metric::ALL
        .iter()
        .enumerate()
        .map(|(place, metric)| {
            let beyond = QUANTILES.get(place).map(|quantile| (1.0 - quantile) * fewest);
            let enough = beyond.is_none_or(|beyond| beyond >= FEWEST_BEYOND);
            let values = [found[0][place], found[1][place]];
            let draws = drawn.iter().map(|[before, after]| [before[place], after[place]]);
            let wider = [pool_before.too_narrow_by(SIGMAS), pool_after.too_narrow_by(SIGMAS)];
            difference(*metric, values, (draws.collect(), wider), enough)
        })
        .collect();
    Comparison {
        before: before.name.clone(),
        after: after.name.clone(),
        runs: [before.runs.len(), after.runs.len()],
        requests,
        differences,
    }
}

/// The percentiles in nanoseconds, and answers a second.
fn figures(pool: &Pool, draw: &Draw) -> [f64; 6] {
    let [p50, p90, p99, p999, p9999] = pool.quantiles(draw, QUANTILES);
    [p50, p90, p99, p999, p9999, draw.per_second()]
}

fn difference(
    metric: Metric,
    [before, after]: [f64; 2],
    (drawn, wider): (Vec<[f64; 2]>, [f64; 2]),
    enough: bool,
) -> Difference {
    let side = |place: usize, found: f64| {
        interval(found, drawn.iter().map(|draw| draw[place]).collect(), wider[place])
    };
    let ratios = drawn.iter().map(|[before, after]| ratio(*before, *after)).collect();
    let [low, high] = interval(ratio(before, after), ratios, wider[0].max(wider[1]));
    let real = low > PRECISION || high < -PRECISION;
    Difference {
        metric,
        before,
        before_interval: side(0, before),
        after,
        after_interval: side(1, after),
        percent: ratio(before, after) * 100.0,
        interval_percent: [low * 100.0, high * 100.0],
        verdict: match (enough, real) {
            (false, _) => Verdict::TooFew,
            (true, true) => Verdict::Real,
            (true, false) => Verdict::NotShown,
        },
    }
}

fn ratio(before: f64, after: f64) -> f64 {
    if before > 0.0 { after / before - 1.0 } else { 0.0 }
}

/// What lies between the tails that one figure of six may be wrong by, drawn apart from what was found
/// by `wider`.
fn interval(found: f64, mut drawn: Vec<f64>, wider: f64) -> [f64; 2] {
    drawn.sort_by(f64::total_cmp);
    let tail = WRONG / 2.0 / Metric::ALL.len() as f64;
    let last = drawn.len() - 1;
    let place = (tail * last as f64).floor() as usize;
    [drawn[place], drawn[last - place]].map(|edge| found + (edge - found) * wider)
}
