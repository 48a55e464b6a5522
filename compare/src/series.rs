//! Timelines as sparse histograms over time.

use std::collections::BTreeMap;

use stallion_timeline::histogram::{DecodeError, decode};
use stallion_timeline::{Interval, PhaseName, Record, Timeline};
use thiserror::Error;

/// A run becomes at most so many stretches: more would make the draws slower, and not better.
const MOST_STRETCHES: usize = 300;

/// With fewer nothing can be said about how much they differ by chance.
const FEWEST_STRETCHES: usize = 12;

/// Why runs cannot be compared.
#[derive(Debug, Error)]
pub enum CompareError {
    /// Too little to compare.
    #[error(
        "{name} holds {found} intervals with answers, and {FEWEST_STRETCHES} are the least from which \
         chance can be told: run it longer, or with a shorter --interval"
    )]
    Short {
        /// Which side.
        name: String,
        /// How many it has.
        found: usize,
    },
    /// A histogram is broken.
    #[error("{name}: {error}")]
    Histogram {
        /// Which side.
        name: String,
        /// What is wrong.
        error: DecodeError,
    },
}

/// Response times of one stretch of a run.
#[derive(Debug, Clone, Default)]
pub struct Stretch {
    /// Highest value in nanoseconds of a bucket, and its count, by value.
    pub counts: Vec<(u64, u64)>,
    /// Answers.
    pub answered: u64,
    /// Its length in seconds.
    pub seconds: f64,
}

impl Stretch {
    /// Some stretches as one.
    pub(crate) fn sum(parts: &[Self]) -> Self {
        let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
        for (value, count) in parts.iter().flat_map(|part| &part.counts) {
            *counts.entry(*value).or_default() += count;
        }
        Self {
            counts: counts.into_iter().collect(),
            answered: parts.iter().map(|part| part.answered).sum(),
            seconds: parts.iter().map(|part| part.seconds).sum(),
        }
    }

    /// The logarithm of the value at a quantile, in nanoseconds.
    pub(crate) fn log_quantile(&self, quantile: f64) -> f64 {
        let total: u64 = self.counts.iter().map(|(_, count)| count).sum();
        let mut seen = 0;
        let reached = |(_, count): &&(u64, u64)| {
            seen += count;
            seen as f64 >= quantile * total as f64
        };
        let value = self.counts.iter().find(reached).map_or(0, |(value, _)| *value);
        (value as f64).max(1.0).ln()
    }
}

/// One side of a comparison: one run, or several.
#[derive(Debug, Clone)]
pub struct Side {
    /// The name that the user knows.
    pub name: String,
    /// The stretches of each run, in the order of time.
    pub runs: Vec<Vec<Stretch>>,
}

impl Side {
    /// What is measured (no warm-up, no drain) of runs of the same.
    ///
    /// # Errors
    /// [`CompareError`] when a run is too short, or broken.
    pub fn of<'a>(
        name: &str,
        timelines: impl IntoIterator<Item = &'a Timeline>,
    ) -> Result<Self, CompareError> {
        let broken = |error| CompareError::Histogram { name: name.to_owned(), error };
        let runs: Vec<Vec<Stretch>> = timelines
            .into_iter()
            .map(|timeline| stretches(timeline).map_err(broken))
            .collect::<Result<_, _>>()?;
        let found = runs.iter().map(Vec::len).min().unwrap_or(0);
        if found < FEWEST_STRETCHES {
            return Err(CompareError::Short { name: name.to_owned(), found });
        }
        Ok(Self { name: name.to_owned(), runs })
    }

    /// The mean length of its runs in seconds.
    #[must_use]
    pub fn run_seconds(&self) -> f64 {
        let all: f64 = self.stretches().map(|stretch| stretch.seconds).sum();
        all / self.runs.len().max(1) as f64
    }

    /// All stretches of all runs.
    pub fn stretches(&self) -> impl Iterator<Item = &Stretch> {
        self.runs.iter().flatten()
    }
}

fn stretches(timeline: &Timeline) -> Result<Vec<Stretch>, DecodeError> {
    let (from_ns, to_ns) = measured(timeline);
    let mut intervals: Vec<&Interval> = timeline
        .records
        .iter()
        .filter_map(|record| match record {
            Record::Interval(interval) => Some(interval),
            _ => None,
        })
        .filter(|interval| (from_ns..to_ns).contains(&interval.start_ns) && interval.answered > 0)
        .collect();
    intervals.sort_by_key(|interval| interval.start_ns);
    let together = intervals.len().div_ceil(MOST_STRETCHES).max(1);
    intervals.chunks(together).map(stretch).collect()
}

/// From the first phase that counts to the drain.
fn measured(timeline: &Timeline) -> (u64, u64) {
    let phases = timeline.records.iter().filter_map(|record| match record {
        Record::Phase(phase) => Some(phase),
        _ => None,
    });
    let (mut from_ns, mut to_ns) = (None, u64::MAX);
    for phase in phases {
        match phase.name {
            PhaseName::Measure | PhaseName::Fill => {
                from_ns.get_or_insert(phase.start_ns);
            }
            PhaseName::Drain => to_ns = phase.start_ns,
            PhaseName::Warmup => {}
        }
    }
    (from_ns.unwrap_or(0), to_ns)
}

fn stretch(intervals: &[&Interval]) -> Result<Stretch, DecodeError> {
    let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
    let mut stretch = Stretch::default();
    for interval in intervals {
        for step in decode(&interval.response_hdr)?.iter_recorded() {
            *counts.entry(step.value_iterated_to()).or_default() +=
                step.count_since_last_iteration();
        }
        stretch.answered += interval.answered;
        stretch.seconds += (interval.end_ns - interval.start_ns) as f64 / 1e9;
    }
    stretch.counts = counts.into_iter().collect();
    Ok(stretch)
}
