//! How long neighbouring stretches are alike, and draws of blocks of them.

use std::ops::Range;

use rand::RngExt as _;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::series::{Side, Stretch};

/// A block is at most this share of a run: fewer blocks would not tell chance any more.
const SMALLEST_NUMBER_OF_BLOCKS: usize = 8;

/// What a host does besides (a neighbour's turn, a timer's work) lasts about as long, and is too rare in
/// a short run for its likeness to show.
const SHORTEST_BLOCK_S: f64 = 1.0;

/// What blocks keep of a variance is not known better than this.
const LEAST_KEPT: f64 = 0.5;

/// A series this much like itself after a while is periodic: chance gives 0.06 in 300 stretches.
const PERIODIC: f64 = 0.3;

/// From so many runs of a side on, whole runs are drawn: how runs differ is then known from the runs.
pub(crate) const RUNS_THAT_ARE_DRAWN: usize = 3;

/// What can be drawn of one side, with counts up to each value, so that a percentile of a draw is found
/// by bisection.
#[derive(Debug)]
pub(crate) struct Pool {
    /// Values in nanoseconds, rising.
    values: Vec<u64>,
    /// What is drawn: blocks from each start on, or whole runs.
    units: Vec<Unit>,
    /// How many units make one draw.
    picks: usize,
    /// Blocks that do not overlap, or whole runs: what is independent.
    apart: Vec<Unit>,
    whole: Unit,
    /// The share of the variance that draws have: the likeness of two blocks that touch is lost.
    variance_kept: f64,
    draws_runs: bool,
}

/// The sum of some stretches: how many requests took at most each value.
#[derive(Debug, Clone, Default)]
struct Unit {
    up_to: Vec<u64>,
    answered: u64,
    seconds: f64,
}

/// What draws know of a variance.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    /// The share of the variance that draws have.
    pub(crate) share: f64,
    /// Degrees of freedom.
    pub(crate) freedom: f64,
}

/// Units by their place, some of them several times.
pub(crate) type Picked = Vec<usize>;

impl Pool {
    pub(crate) fn of(side: &Side) -> Self {
        let mut values: Vec<u64> =
            side.stretches().flat_map(|stretch| &stretch.counts).map(|(value, _)| *value).collect();
        values.sort_unstable();
        values.dedup();
        let unit = |run: &[Stretch], places: Range<usize>| {
            Unit::of(&values, places.map(|place| &run[place % run.len()]))
        };
        let whole_runs = || side.runs.iter().map(|run| unit(run, 0..run.len()));
        let (mut units, mut apart) = (Vec::new(), Vec::new());
        let mut variance_kept = 1.0_f64;
        let draws_runs = side.runs.len() >= RUNS_THAT_ARE_DRAWN;
        if draws_runs {
            units.extend(whole_runs());
            apart.extend(whole_runs());
        } else {
            for run in &side.runs {
                let block = block_length(run);
                // Round the end, so that the first and the last stretch are drawn as often as others.
                units.extend((0..run.len()).map(|start| unit(run, start..start + block)));
                let starts = (0..run.len() / block).map(|number| number * block);
                apart.extend(starts.map(|start| unit(run, start..start + block)));
                variance_kept = variance_kept.min(kept_by_blocks(run, block));
            }
        }
        let whole = Unit::of(&values, side.stretches());
        Self { picks: apart.len(), values, units, apart, whole, variance_kept, draws_runs }
    }

    pub(crate) fn requests(&self) -> u64 {
        self.whole.total()
    }

    /// Everything once: the value at a quantile.
    pub(crate) fn quantile(&self, quantile: f64) -> f64 {
        self.quantile_of(&[&self.whole], quantile)
    }

    /// Answers a second of everything.
    pub(crate) fn per_second(&self) -> f64 {
        per_second(&[&self.whole])
    }

    /// Of how many independent units the requests beyond a value come: all, when they are spread evenly,
    /// one, when a single stall made them.
    pub(crate) fn independent_beyond(&self, value: f64) -> f64 {
        let place = self.values.partition_point(|known| (*known as f64) < value);
        let beyond = self.apart.iter().map(|unit| match place.checked_sub(1) {
            Some(below) => unit.total() - unit.up_to[below],
            None => unit.total(),
        });
        effective_number(beyond.map(|count| count as f64))
    }

    /// How many blocks, or runs, there are to draw from.
    pub(crate) fn independent(&self) -> f64 {
        self.apart.len() as f64
    }

    /// What draws know of a variance, when so many units are independent: the share of it that they
    /// have, and the degrees of freedom. `n` runs drawn from `n` vary less than runs do, by `(n - 1) / n`.
    /// Of blocks that overlap, likeness is lost at their borders, and the degrees of freedom are half
    /// as many again (Meketon and Schmeiser).
    pub(crate) fn knows(&self, independent: f64) -> Known {
        let units = independent.max(2.0);
        if self.draws_runs {
            return Known { share: (units - 1.0) / units, freedom: units - 1.0 };
        }
        Known { share: self.variance_kept, freedom: 1.5 * (units - 1.0) }
    }

    /// As much as there is, by chance.
    pub(crate) fn pick(&self, random: &mut Xoshiro256PlusPlus, picked: &mut Picked) {
        picked.clear();
        picked.extend((0..self.picks).map(|_| random.random_range(0..self.units.len())));
    }

    /// The values at quantiles of a draw, and its answers a second.
    pub(crate) fn figures<const N: usize>(
        &self,
        picked: &Picked,
        quantiles: [f64; N],
    ) -> ([f64; N], f64) {
        let units: Vec<&Unit> = picked.iter().map(|place| &self.units[*place]).collect();
        let values = quantiles.map(|quantile| self.quantile_of(&units, quantile));
        (values, per_second(&units))
    }

    fn quantile_of(&self, units: &[&Unit], quantile: f64) -> f64 {
        let total: u64 = units.iter().map(|unit| unit.total()).sum();
        let wanted = quantile * total as f64 - 1e-6;
        let (mut low, mut high) = (0, self.values.len().saturating_sub(1));
        while low < high {
            let middle = usize::midpoint(low, high);
            let up_to: u64 = units.iter().map(|unit| unit.up_to[middle]).sum();
            if up_to as f64 >= wanted {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        self.values.get(low).map_or(0.0, |value| *value as f64)
    }
}

impl Unit {
    fn of<'a>(values: &[u64], stretches: impl Iterator<Item = &'a Stretch>) -> Self {
        let mut unit = Self { up_to: vec![0; values.len()], ..Self::default() };
        for stretch in stretches {
            for (value, count) in &stretch.counts {
                if let Ok(place) = values.binary_search(value) {
                    unit.up_to[place] += count;
                }
            }
            unit.answered += stretch.answered;
            unit.seconds += stretch.seconds;
        }
        let mut sum = 0;
        for count in &mut unit.up_to {
            sum += *count;
            *count = sum;
        }
        unit
    }

    fn total(&self) -> u64 {
        self.up_to.last().copied().unwrap_or(0)
    }
}

fn per_second(units: &[&Unit]) -> f64 {
    let answered: u64 = units.iter().map(|unit| unit.answered).sum();
    let seconds: f64 = units.iter().map(|unit| unit.seconds).sum();
    answered as f64 / seconds.max(1e-9)
}

/// How many equal parts would vary as these do (Kish).
pub(crate) fn effective_number(parts: impl Iterator<Item = f64>) -> f64 {
    let (sum, squares) =
        parts.fold((0.0, 0.0), |(sum, squares), part| (sum + part, squares + part * part));
    if squares > 0.0 { sum * sum / squares } else { 0.0 }
}

/// Three times the lag at which the stretches of a run are no longer alike, for that one of their signs
/// (median, tail, count) that is alike the longest: shorter blocks would cut likeness, and find chance
/// too small. Never less than the cube root of their number, or a second. What comes back in a rhythm
/// (a stall every two seconds) is in every block as often as in any other: blocks are whole periods.
pub fn block_length(run: &[Stretch]) -> usize {
    let series = signs(run);
    let alike = series.iter().map(|series| lag_of_likeness(series)).max().unwrap_or(0);
    let least = (run.len() as f64).cbrt().max(SHORTEST_BLOCK_S / stretch_s(run)).ceil();
    let most = (run.len() / SMALLEST_NUMBER_OF_BLOCKS).max(1);
    let length = (3 * alike).max(least as usize).clamp(1, most);
    let period = series.iter().filter_map(|series| period(series, most)).max();
    let whole = period.map_or(length, |period| length.next_multiple_of(period));
    if whole <= most { whole } else { length }
}

/// By what the stretches of a run are held to be alike: median, tail, count.
fn signs(run: &[Stretch]) -> [Vec<f64>; 3] {
    let signs: [fn(&Stretch) -> f64; 3] = [
        |stretch| stretch.log_quantile(0.5),
        |stretch| stretch.log_quantile(0.99),
        |stretch| stretch.answered as f64,
    ];
    signs.map(|sign| run.iter().map(sign).collect())
}

/// The share of a mean's variance that blocks of this length keep (Künsch): of the likeness at lag
/// `k`, the share `k / length` lies across the borders of blocks.
fn kept_by_blocks(run: &[Stretch], length: usize) -> f64 {
    let kept = |series: &Vec<f64>| {
        let lags = 1..=lag_of_likeness(series);
        let (mut all, mut lost) = (1.0, 0.0);
        for lag in lags {
            let both = 2.0 * correlation(series, lag);
            all += both;
            lost += both * (lag as f64 / length as f64).min(1.0);
        }
        1.0 - lost / all
    };
    signs(run).iter().map(kept).fold(1.0, f64::min).max(LEAST_KEPT)
}

/// The lag at which a series is most like itself again, once it was not; at most `most`.
fn period(series: &[f64], most: usize) -> Option<usize> {
    let apart = lag_of_likeness(series) + 1;
    let lags = (apart..=most).map(|lag| (lag, correlation(series, lag)));
    let best = lags.max_by(|(_, one), (_, two)| one.total_cmp(two));
    best.filter(|(_, alike)| *alike > PERIODIC).map(|(lag, _)| lag)
}

/// How long one stretch of a run is.
pub(crate) fn stretch_s(run: &[Stretch]) -> f64 {
    let all: f64 = run.iter().map(|stretch| stretch.seconds).sum();
    (all / run.len().max(1) as f64).max(1e-9)
}

/// The last lag before the autocorrelation drowns in what chance alone gives (Politis and White).
fn lag_of_likeness(series: &[f64]) -> usize {
    let count = series.len() as f64;
    let chance = 2.0 * (count.log10() / count).sqrt();
    (1..series.len() / 2).take_while(|lag| correlation(series, *lag) > chance).count()
}

/// How alike a series is to itself so many places later: 1 for the same, 0 for chance.
pub(crate) fn correlation(series: &[f64], lag: usize) -> f64 {
    let mean = series.iter().sum::<f64>() / series.len().max(1) as f64;
    let variance: f64 = series.iter().map(|value| (value - mean).powi(2)).sum();
    if variance <= 0.0 || lag >= series.len() {
        return 0.0;
    }
    let pairs = series.iter().zip(&series[lag..]);
    pairs.map(|(left, right)| (left - mean) * (right - mean)).sum::<f64>() / variance
}
