//! The run over time: a row for each stretch, and percentiles before, during and after each
//! disturbance.

use std::path::Path;

use stallion_timeline::histogram::{decode, empty};
use stallion_timeline::{Chaos, Interval, PhaseName, Record, Server, Timeline};

use super::{Sink, name_of, named};
use crate::data::{Mark, TimeSeries, rounded};

/// Rows of the compact data: enough for a picture as wide as a page.
const MOST_ROWS: usize = 150;

/// Counters whose growth is a column of its own, where they grow.
const RATES: [&str; 3] = ["expired_keys", "evicted_keys", "keyspace_misses"];

pub(super) fn windows(sink: &mut Sink<'_>, path: &Path, chaos: &[Chaos]) {
    let Ok(timeline) = Timeline::read(path) else { return };
    let Some(start_ns) = measured(&timeline, PhaseName::Measure) else { return };
    let end_ns = measured(&timeline, PhaseName::Drain).unwrap_or(u64::MAX);
    let within = |at_ns: u64| (start_ns..end_ns).contains(&at_ns);
    let intervals: Vec<&Interval> = timeline
        .records
        .iter()
        .filter_map(|record| match record {
            Record::Interval(interval) if within(interval.start_ns) => Some(interval),
            _ => None,
        })
        .collect();
    around(sink, &intervals, chaos);
    sink.maybe("mean_us", mean_us(&intervals, |one| &one.response_hdr));
    sink.maybe("service_mean_us", mean_us(&intervals, |one| &one.service_hdr));
    let servers: Vec<&Server> = timeline
        .records
        .iter()
        .filter_map(|record| match record {
            Record::Server(server) if within(server.at_ns) => Some(server),
            _ => None,
        })
        .collect();
    let seconds = |ns: u64| rounded((ns as f64 - start_ns as f64) / 1e9);
    let series = &mut sink.0.time_series;
    series.marks = chaos
        .iter()
        .map(|one| Mark {
            action: name_of(one),
            begin_s: seconds(one.begin_ns),
            end_s: seconds(one.end_ns),
        })
        .collect();
    let names = ["time_s", "ops_per_sec", "p50_us", "p99_us", "max_us"];
    series.columns = names.map(str::to_owned).to_vec();
    let at_once = intervals.len().div_ceil(MOST_ROWS).max(1);
    for some in intervals.chunks(at_once) {
        series.rows.extend(row(some, start_ns));
    }
    for field in RATES {
        rate(series, field, &servers, start_ns);
    }
}

/// When a phase of this name first begins.
fn measured(timeline: &Timeline, name: PhaseName) -> Option<u64> {
    timeline.records.iter().find_map(|record| match record {
        Record::Phase(phase) if phase.name == name => Some(phase.start_ns),
        _ => None,
    })
}

/// The mean of all requests: Little's law is about means.
fn mean_us(intervals: &[&Interval], times: impl Fn(&Interval) -> &str) -> Option<f64> {
    let mut all = empty();
    for interval in intervals {
        all.add(decode(times(interval)).ok()?).ok()?;
    }
    (!all.is_empty()).then(|| all.mean() / 1e3)
}

fn row(intervals: &[&Interval], start_ns: u64) -> Option<Vec<f64>> {
    let (first, last) = (intervals.first()?, intervals.last()?);
    let seconds = (last.end_ns - first.start_ns) as f64 / 1e9;
    let answered: u64 = intervals.iter().map(|one| one.answered).sum();
    let mut all = empty();
    for interval in intervals {
        all.add(decode(&interval.response_hdr).ok()?).ok()?;
    }
    let us = |ns: u64| rounded(ns as f64 / 1e3);
    let at = |quantile: f64| us(all.value_at_quantile(quantile));
    Some(vec![
        rounded((first.start_ns.saturating_sub(start_ns)) as f64 / 1e9),
        rounded(answered as f64 / seconds),
        at(0.5),
        at(0.99),
        us(all.max()),
    ])
}

/// A column for how fast a counter of the servers grows, if it grows.
fn rate(series: &mut TimeSeries, field: &str, servers: &[&Server], start_ns: u64) {
    let mut steps: Vec<(f64, f64)> = Vec::new();
    let mut last: std::collections::BTreeMap<&str, (u64, f64)> = std::collections::BTreeMap::new();
    for server in servers {
        let Some(value) = server.info.get(field) else { continue };
        if let Some((at_ns, before)) = last.insert(&server.target, (server.at_ns, *value)) {
            let seconds = server.at_ns.saturating_sub(at_ns) as f64 / 1e9;
            let at_s = (server.at_ns.saturating_sub(start_ns)) as f64 / 1e9;
            steps.push((at_s, (value - before).max(0.0) / seconds.max(1e-9)));
        }
    }
    if steps.iter().all(|(_, rate)| *rate == 0.0) {
        return;
    }
    series.columns.push(format!("{field}_per_s"));
    for row in &mut series.rows {
        let time = row.first().copied().unwrap_or(0.0);
        // What a server says at a time is about the time since it was asked last.
        let step = steps.iter().find(|(at, _)| *at >= time).or(steps.last());
        row.push(rounded(step.map_or(0.0, |(_, rate)| *rate)));
    }
}

/// Percentiles before the first disturbance, during each, and after the last.
fn around(sink: &mut Sink<'_>, intervals: &[&Interval], chaos: &[Chaos]) {
    let (Some(first), Some(last)) = (chaos.first(), chaos.iter().max_by_key(|one| one.end_ns))
    else {
        return;
    };
    let mut told = Vec::new();
    let mut tell = |name: String, within: &dyn Fn(&Interval) -> bool| {
        let mut all = empty();
        let (mut answered, mut ns) = (0, 0);
        for interval in intervals.iter().filter(|interval| within(interval)) {
            answered += interval.answered;
            ns += interval.end_ns - interval.start_ns;
            let added = decode(&interval.response_hdr).map(|one| all.add(one));
            if !matches!(added, Ok(Ok(()))) {
                return;
            }
        }
        if all.is_empty() {
            return;
        }
        for (word, quantile) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)] {
            told.push((format!("{name}.{word}_us"), all.value_at_quantile(quantile) as f64 / 1e3));
        }
        told.push((format!("{name}.ops_per_sec"), answered as f64 * 1e9 / ns.max(1) as f64));
    };
    tell("before".to_owned(), &|one| one.end_ns <= first.begin_ns);
    for (name, one) in named(chaos) {
        tell(format!("during.{name}"), &|interval| {
            interval.end_ns > one.begin_ns && interval.start_ns < one.end_ns
        });
    }
    tell("after".to_owned(), &|interval| interval.start_ns > last.end_ns);
    for (name, value) in told {
        sink.put(name, value);
    }
}
