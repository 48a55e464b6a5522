//! The figures of both sides, their ratios with intervals, and what can be answered.

mod need;

mod words;

use serde::Serialize;

use crate::blocks::{Pool, RUNS_THAT_ARE_DRAWN};
use crate::bootstrap::{Drawn, FIGURES, QUANTILES, Span, generator, own, ratios};
use crate::causes::{Causes, what_is_new};
use crate::conditions::Condition;
use crate::series::Side;
use crate::shape::{ShapeChange, shape_changes};
use crate::stationarity::{Change, changes};

pub use need::Need;

/// Less than what a histogram of three digits can tell apart on both sides is no difference.
const PRECISION: f64 = 0.002;

/// So many requests beyond a percentile are the least that it can be compared by,
const FEWEST_BEYOND: f64 = 50.0;

/// from so many independent seconds, or runs: what a single stall did says nothing of the next run.
const FEWEST_INDEPENDENT: f64 = 2.0;

/// The margin within which two runs are the same, when none is given.
pub const MARGIN: f64 = 0.03;

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
    pub const ALL: [Self; FIGURES] =
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

/// What can be said of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The whole interval lies within the margin.
    Same,
    /// It became worse: chance does not explain it. Of answers a second: there are fewer.
    Slower,
    /// It became better.
    Faster,
    /// These runs cannot tell.
    NotEnoughData,
}

/// One figure of both sides. Intervals of ratios hold together, at 95 %.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// Which.
    pub metric: Metric,
    /// Before: nanoseconds, or answers a second.
    pub before: f64,
    /// Its own interval, at 95 %.
    pub before_interval: [f64; 2],
    /// After: nanoseconds, or answers a second.
    pub after: f64,
    /// Its own interval, at 95 %.
    pub after_interval: [f64; 2],
    /// `after` over `before`.
    pub ratio: f64,
    /// Its interval; none when there is too little beyond the percentile to know one.
    pub ratio_interval: Option<[f64; 2]>,
    /// The ratio less one, in per cent.
    pub percent: f64,
    /// Its interval in per cent.
    pub interval_percent: Option<[f64; 2]>,
    /// What that means.
    pub answer: Answer,
    /// What would decide it; none when it is decided.
    pub need: Option<Need>,
}

impl Difference {
    /// How much worse it became at least and at most, as ratios: slower, or fewer answers; none when no
    /// interval is known.
    #[must_use]
    pub fn worse_interval(&self) -> Option<[f64; 2]> {
        let [low, high] = self.ratio_interval?;
        Some(if self.metric == Metric::Ops {
            [1.0 / high.max(f64::MIN_POSITIVE), 1.0 / low.max(f64::MIN_POSITIVE)]
        } else {
            [low, high]
        })
    }
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
    /// Ratios up to one plus this, and down to one over that, are the same.
    pub margin: f64,
    /// By figure.
    pub differences: [Difference; FIGURES],
    /// Causes that are new, or have grown.
    pub because: Vec<String>,
    /// Modes that only one side has.
    pub shape: Vec<ShapeChange>,
    /// Runs that changed while they lasted.
    pub changes: Vec<Change>,
    /// Validity, and what else differs.
    pub conditions: Vec<Condition>,
}

impl Comparison {
    /// One figure.
    #[must_use]
    pub fn of(&self, metric: Metric) -> &Difference {
        &self.differences[metric as usize]
    }

    /// The figures that became slower or faster.
    pub fn changed(&self) -> impl Iterator<Item = &Difference> {
        let changed = |answer| matches!(answer, Answer::Slower | Answer::Faster);
        self.differences.iter().filter(move |difference| changed(difference.answer))
    }

    /// A run of either side had ended as invalid.
    #[must_use]
    pub fn is_doubtful(&self) -> bool {
        self.conditions.iter().any(|row| row.what == crate::conditions::VALIDITY && row.doubtful)
    }

    /// Adds what was said besides: what the sides' slow time was due to, and what else differs.
    #[must_use]
    pub fn told(self, causes: [&Causes; 2], conditions: Vec<Condition>) -> Self {
        let [before, after] = causes;
        Self { because: what_is_new(before, after), conditions, ..self }
    }

    /// Whether how runs differ from each other was measured, on both sides.
    #[must_use]
    pub fn knows_how_runs_differ(&self) -> bool {
        self.runs.iter().all(|runs| *runs >= RUNS_THAT_ARE_DRAWN)
    }
}

/// Compares two sides; the same seed gives the same intervals.
#[must_use]
pub fn compare(before: &Side, after: &Side, margin: f64, seed: u64) -> Comparison {
    let mut random = generator(seed);
    let pools = [Pool::of(before), Pool::of(after)];
    let drawn = pools.each_ref().map(|pool| Drawn::of(pool, &mut random));
    let beyond = beyond(&pools);
    let judged = std::array::from_fn(|place| is_enough(&drawn, place, beyond[place]));
    let spans = ratios(&drawn[0], &drawn[1], judged);
    let runs = [before.runs.len(), after.runs.len()];
    let seconds = before.run_seconds().max(after.run_seconds());
    let scale = need::Scale { runs: runs[0].min(runs[1]), seconds, margin: margin.ln_1p() };
    let differences = Metric::ALL.map(|metric| {
        let place = metric as usize;
        difference(metric, &drawn, (spans[place], beyond[place]), &scale)
    });
    Comparison {
        before: before.name.clone(),
        after: after.name.clone(),
        runs,
        requests: [pools[0].requests(), pools[1].requests()],
        margin,
        differences,
        because: Vec::new(),
        shape: shape_changes(before, after),
        changes: [changes(before), changes(after)].concat(),
        conditions: Vec::new(),
    }
}

/// How many requests lie beyond each percentile on the side that has fewer; answers a second are of all.
fn beyond(pools: &[Pool; 2]) -> [f64; FIGURES] {
    let fewest = pools[0].requests().min(pools[1].requests()) as f64;
    std::array::from_fn(|place| {
        QUANTILES.get(place).map_or(fewest, |quantile| (1.0 - quantile) * fewest)
    })
}

fn is_enough(drawn: &[Drawn; 2], place: usize, beyond: f64) -> bool {
    let spread = |side: &Drawn| side.independent[place] >= FEWEST_INDEPENDENT;
    beyond >= FEWEST_BEYOND && drawn.iter().all(spread)
}

fn difference(
    metric: Metric,
    drawn: &[Drawn; 2],
    (span, beyond): (Option<Span>, f64),
    scale: &need::Scale,
) -> Difference {
    let place = metric as usize;
    let own = |side: usize| {
        let span = own(&drawn[side], place);
        [span.low.exp(), span.high.exp()]
    };
    let log_ratio = drawn[1].found[place] - drawn[0].found[place];
    let answer = span.map_or(Answer::NotEnoughData, |span| answer(metric, span, scale.margin));
    let need = (answer == Answer::NotEnoughData).then(|| match span {
        Some(span) => scale.deciding(log_ratio, span),
        None => {
            let independent = drawn.iter().map(|side| side.independent[place].max(1.0));
            let spread = independent.fold(f64::MAX, f64::min) / FEWEST_INDEPENDENT;
            scale.knowing((beyond / FEWEST_BEYOND).min(spread))
        }
    });
    let ratio_interval = span.map(|span| [span.low.exp(), span.high.exp()]);
    Difference {
        metric,
        before: drawn[0].found[place].exp(),
        before_interval: own(0),
        after: drawn[1].found[place].exp(),
        after_interval: own(1),
        ratio: log_ratio.exp(),
        ratio_interval,
        percent: (log_ratio.exp() - 1.0) * 100.0,
        interval_percent: ratio_interval.map(|edges| edges.map(|edge| (edge - 1.0) * 100.0)),
        answer,
        need,
    }
}

fn answer(metric: Metric, span: Span, margin: f64) -> Answer {
    let (worse, better) =
        if metric == Metric::Ops { (-span.high, -span.low) } else { (span.low, span.high) };
    if span.low >= -margin && span.high <= margin {
        Answer::Same
    } else if worse > PRECISION {
        Answer::Slower
    } else if better < -PRECISION {
        Answer::Faster
    } else {
        Answer::NotEnoughData
    }
}
