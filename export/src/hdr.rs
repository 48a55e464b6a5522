//! HdrHistogram interval logs (version 1.3): written for every reader of that library, and read back
//! from any writer of it.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{
    IntervalLogIterator, IntervalLogWriterBuilder, LogEntry, Tag,
};
use serde_json::json;
use stallion_timeline::histogram::decode;
use stallion_timeline::{
    Clock, Footer, Header, HostFacts, Interval, OpCounts, Phase, PhaseName, Record, Role,
    SCHEMA_VERSION, Timeline,
};

use crate::source::{ExportError, measured, origin_ns};

/// Nanoseconds to the milliseconds of the column `Interval_Max`, as every writer has it.
const NS_PER_MS: f64 = 1e6;

/// The tags of the lines besides the response times, which have none.
const SERVICE: &str = "service";
const LAG: &str = "lag";

/// The command of requests of which a log does not say what they were.
const ANY: &str = "any";

/// Seconds in a year: a smaller time of an interval counts from the log's start.
const YEAR_S: f64 = 365.25 * 86_400.0;

/// The measured intervals of a client's timeline. Values are nanoseconds. Response times have no tag,
/// so that a reader that knows no tags shows them; service times and schedule lag have theirs.
///
/// # Errors
/// [`ExportError`] when there are no intervals, or one of them is broken.
pub fn write(timeline: &Timeline) -> Result<String, ExportError> {
    let intervals = measured(timeline)?;
    let base_ns = timeline.header.clock.wall_ns_of(origin_ns(timeline));
    let base = UNIX_EPOCH + Duration::from_nanos(base_ns);
    let mut bytes = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    builder
        .add_comment(&format!("[Logged with {}]", timeline.header.tool))
        .add_comment("[Histogram log format version 1.3]")
        .with_start_time(base)
        .with_base_time(base)
        .with_max_value_divisor(NS_PER_MS);
    let mut log = builder.begin_log_with(&mut bytes, &mut serializer).map_err(refused)?;
    log.write_comment(
        "Values are nanoseconds; lines without a tag are response times, from the intended time on",
    )
    .map_err(refused)?;
    for interval in intervals {
        let start = Duration::from_nanos(interval.start_ns - origin_ns(timeline));
        let length = Duration::from_nanos(interval.end_ns - interval.start_ns);
        for (encoded, tag) in [
            (&interval.response_hdr, None),
            (&interval.service_hdr, Tag::new(SERVICE)),
            (&interval.lag_hdr, Tag::new(LAG)),
        ] {
            log.write_histogram(&decode(encoded)?, start, length, tag).map_err(|error| {
                ExportError::Format { format: "HdrHistogram", reason: format!("{error:?}") }
            })?;
        }
    }
    String::from_utf8(bytes).map_err(refused)
}

fn refused(error: impl std::fmt::Display) -> ExportError {
    ExportError::Format { format: "HdrHistogram", reason: error.to_string() }
}

/// A log as a timeline of one phase, so that all that reads timelines reads logs of other tools. Values
/// are taken for nanoseconds. Lines without a tag become response times, those of the tag `service`
/// and `lag` the others; where there is no `service`, it is the response. Counts of requests are those
/// of the response times.
///
/// # Errors
/// [`ExportError::Log`] or [`ExportError::Histogram`] when it is no such log.
pub fn read(text: &str, name: &str) -> Result<Timeline, ExportError> {
    let mut base_s = 0.0;
    let mut start_s = 0.0;
    let mut found: Vec<Interval> = Vec::new();
    let mut line = 0;
    for entry in IntervalLogIterator::new(text.as_bytes()) {
        line += 1;
        let entry = entry.map_err(|error| ExportError::Log {
            line,
            reason: format!("{error:?}").to_lowercase(),
        })?;
        match entry {
            LogEntry::StartTime(time) => start_s = time.as_secs_f64(),
            LogEntry::BaseTime(time) => base_s = time.as_secs_f64(),
            LogEntry::Interval(entry) => {
                let at_s = entry.start_timestamp().as_secs_f64();
                let begin_ns = ((base_s + at_s) * 1e9) as u64;
                let end_ns = begin_ns + entry.duration().as_nanos() as u64;
                let tag = entry.tag().map_or("", |tag| tag.as_str()).to_owned();
                put(&mut found, &tag, (begin_ns, end_ns), entry.encoded_histogram())?;
            }
        }
    }
    if found.is_empty() {
        let reason = "it holds no interval without a tag".to_owned();
        return Err(ExportError::Log { line: line + 1, reason });
    }
    // Java's rule: a small time is one since the start.
    if base_s == 0.0 && (found[0].start_ns as f64 / 1e9) < start_s - YEAR_S {
        let shift_ns = (start_s * 1e9) as u64;
        for interval in &mut found {
            interval.start_ns += shift_ns;
            interval.end_ns += shift_ns;
        }
    }
    Ok(timeline_of(found, name))
}

/// Puts one line's histogram where it belongs.
fn put(
    found: &mut Vec<Interval>,
    tag: &str,
    (start_ns, end_ns): (u64, u64),
    encoded: &str,
) -> Result<(), ExportError> {
    let count = decode(encoded)?.len();
    match tag {
        "" => found.push(Interval {
            start_ns,
            end_ns,
            due: count,
            sent: count,
            answered: count,
            ops: BTreeMap::from([(ANY.to_owned(), OpCounts { ok: count, ..OpCounts::default() })]),
            response_hdr: encoded.to_owned(),
            service_hdr: encoded.to_owned(),
            ..Interval::default()
        }),
        SERVICE | LAG => {
            if let Some(interval) = found.last_mut().filter(|last| last.start_ns == start_ns) {
                let place =
                    if tag == LAG { &mut interval.lag_hdr } else { &mut interval.service_hdr };
                encoded.clone_into(place);
            }
        }
        _ => {}
    }
    Ok(())
}

fn timeline_of(intervals: Vec<Interval>, name: &str) -> Timeline {
    let (start_ns, end_ns) =
        intervals.iter().fold((u64::MAX, 0), |(start_ns, end_ns), interval| {
            (start_ns.min(interval.start_ns), end_ns.max(interval.end_ns))
        });
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let wall_ns = now.as_nanos() as u64;
    let header = Header {
        schema: SCHEMA_VERSION,
        tool: format!("HdrHistogram log {name}"),
        role: Role::Drive,
        host: HostFacts::of_this_host(),
        // The log's times are wall times: this clock maps each to itself.
        clock: Clock { monotonic_ns: wall_ns, wall_ns, ..Clock::of_this_host() },
        plan: json!({}),
        target: name.to_owned(),
        probes: Vec::new(),
    };
    let phase = Phase { name: PhaseName::Measure, start_ns, label: String::new() };
    let records = std::iter::once(Record::Phase(phase))
        .chain(intervals.into_iter().map(Record::Interval))
        .collect();
    let footer = Footer { end_ns, reason: "complete".to_owned(), summary: json!({}) };
    Timeline { header, records, footer: Some(footer), torn: false }
}
