//! Which timeline is the client's, and which of its intervals count.

use hdrhistogram::Histogram;
use stallion_timeline::histogram::{DecodeError, decode, empty};
use stallion_timeline::{Interval, PhaseName, Record, Role, Timeline};
use thiserror::Error;

/// Why timelines could not be turned into another format.
#[derive(Debug, Error)]
pub enum ExportError {
    /// None of them was written by a client.
    #[error(
        "there is no client's timeline among them: give a .jsonl file of `stallion drive` or `load`"
    )]
    NoClient,
    /// More than one was.
    #[error(
        "there are {0} clients' timelines, and this format holds one run: name the file that is meant"
    )]
    Clients(usize),
    /// A run that was over before an interval was.
    #[error("the timeline of {0} holds no interval that counts: was it cut off in its warm-up?")]
    NoIntervals(String),
    /// A histogram of a timeline, or of a log, is broken.
    #[error("{0}; was the file changed by another program?")]
    Histogram(#[from] DecodeError),
    /// A log that is none.
    #[error(
        "line {line} of the HdrHistogram log cannot be read ({reason}); give a log of version 1.3"
    )]
    Log {
        /// The line, counted from 1.
        line: usize,
        /// What the reader found.
        reason: String,
    },
    /// What the format's own library refused.
    #[error("the {format} file could not be built: {reason}; please report this with the timeline")]
    Format {
        /// Which format.
        format: &'static str,
        /// The library's words.
        reason: String,
    },
}

/// The one client among timelines.
///
/// # Errors
/// [`ExportError::NoClient`], [`ExportError::Clients`].
pub fn client(timelines: &[Timeline]) -> Result<&Timeline, ExportError> {
    let is_client = |timeline: &&Timeline| matches!(timeline.header.role, Role::Drive | Role::Load);
    let mut clients = timelines.iter().filter(is_client);
    match (clients.next(), clients.count()) {
        (None, _) => Err(ExportError::NoClient),
        (Some(client), 0) => Ok(client),
        (Some(_), more) => Err(ExportError::Clients(more + 1)),
    }
}

/// When what counts begins: the first phase that is no warm-up.
#[must_use]
pub fn origin_ns(timeline: &Timeline) -> u64 {
    let counts = |record: &Record| match record {
        Record::Phase(phase) if phase.name != PhaseName::Warmup => Some(phase.start_ns),
        _ => None,
    };
    timeline.records.iter().find_map(counts).unwrap_or(0)
}

/// The intervals of a timeline, in the order of their times, the warm-up among them.
#[must_use]
pub fn intervals(timeline: &Timeline) -> Vec<&Interval> {
    let mut found: Vec<&Interval> = timeline
        .records
        .iter()
        .filter_map(|record| match record {
            Record::Interval(interval) => Some(interval),
            _ => None,
        })
        .collect();
    found.sort_by_key(|interval| interval.start_ns);
    found
}

/// Those that count, as the summary of the run has it: the drain is among them, the warm-up is not.
///
/// # Errors
/// [`ExportError::NoIntervals`] when there are none.
pub fn measured(timeline: &Timeline) -> Result<Vec<&Interval>, ExportError> {
    let origin_ns = origin_ns(timeline);
    let mut found = intervals(timeline);
    found.retain(|interval| interval.start_ns >= origin_ns);
    if found.is_empty() {
        return Err(ExportError::NoIntervals(timeline.header.target.clone()));
    }
    Ok(found)
}

/// Adds up encoded histograms: percentiles are read from the sum, never averaged.
///
/// # Errors
/// [`ExportError::Histogram`] when one cannot be decoded.
pub fn sum<'a>(encoded: impl IntoIterator<Item = &'a str>) -> Result<Histogram<u64>, ExportError> {
    let mut sum = empty();
    for text in encoded {
        // Both have the timeline's bounds; a log of another tool resizes.
        sum.auto(true);
        let _ = sum.add(decode(text)?);
    }
    Ok(sum)
}

/// A timeline, and the name by which the user knows it.
#[derive(Debug, Clone)]
pub struct Named {
    /// The stem of its file, for example `drive`.
    pub name: String,
    /// What was read.
    pub timeline: Timeline,
}

/// What to add to a time of `timeline` to get a time of `client`: nothing on one host, the offset that
/// the client measured for another host's prober, and else the difference of their wall clocks.
#[must_use]
pub fn shift_ns(timeline: &Timeline, client: &Timeline) -> i64 {
    let (theirs, ours) = (&timeline.header.clock, &client.header.clock);
    if theirs.boot_id == ours.boot_id {
        return 0;
    }
    let measured = client.records.iter().rev().find_map(|record| match record {
        Record::PeerClock(peer) if peer.boot_id == theirs.boot_id => Some(peer.offset_ns),
        _ => None,
    });
    let of = |clock: &stallion_timeline::Clock| clock.wall_ns as i64 - clock.monotonic_ns as i64;
    measured.unwrap_or_else(|| of(theirs) - of(ours))
}
