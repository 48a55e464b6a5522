//! How far one shard may grow: throughput and latency by dataset, and where the fork ends it.

use super::fork::{PAGES, fork_ms, heap};
use super::say::{
    bytes, count, doubt, line, percent, published, published_unless, time, times, values,
};
use crate::data::{Data, PointData};
use crate::plot::human;

/// Whoever asks in the meantime waits for the fork: a common promise.
const PROMISE_MS: f64 = 10.0;
/// Of less the fixed part of a fork says more than the slope.
const LEAST_GB: f64 = 0.2;
const PUBLISHED_MS_PER_GB: f64 = 13.0;

pub(super) fn tell(data: &Data) -> Vec<String> {
    let mut told = Vec::new();
    let mut largest = Vec::new();
    for pages in values(data, PAGES) {
        let mut points: Vec<&PointData> =
            data.points.iter().filter(|point| point.word(PAGES) == pages).collect();
        points
            .sort_by(|one, other| heap(one).unwrap_or(0.0).total_cmp(&heap(other).unwrap_or(0.0)));
        let name = if pages == "true" { "huge pages" } else { "4 KB pages" };
        told.extend(growth(name, &points));
        told.extend(end(name, &points, data.host.memory_bytes as f64));
        largest.extend(points.last().copied());
    }
    if let [small, huge] = largest.as_slice() {
        told.extend(trade(small, huge));
        told.extend(pages(data, small, huge));
    }
    told.extend(slope(data));
    told
}

/// Forks of more than a little with 4 KB pages.
fn slope(data: &Data) -> Option<String> {
    let points = data.points.iter().filter(|point| point.word(PAGES) != "true");
    let runs = points.filter_map(|point| {
        let (gb, ms) = (heap(point)? / 1e9, fork_ms(point, "bgsave")?);
        (gb >= LEAST_GB).then(|| {
            let text = format!("{:.1} ms/GB at {}", ms / gb, bytes(gb * 1e9));
            (ms / gb <= PUBLISHED_MS_PER_GB, text)
        })
    });
    let claim = (
        "Redis documentation, Diagnosing latency issues: fork time in different systems",
        "a fork takes 9 to 13 ms for each GB on physical machines and under VMware",
    );
    published(claim, &runs.collect::<Vec<_>>())
}

/// The latency that huge pages cost while a child lives.
fn pages(data: &Data, small: &PointData, huge: &PointData) -> Option<String> {
    let p99 = |point: &PointData| point.figure("during.bgsave.p99_us");
    let (with, without) = (p99(huge)?, p99(small)?);
    let claim = (
        "Redis documentation, Diagnosing latency issues: latency induced by transparent huge pages",
        "with huge pages the writes after a fork copy nearly all of the memory, which costs latency",
    );
    let text = format!(
        "{} ms of fork instead of {}, p99 {} while the child lives instead of {}",
        human(fork_ms(huge, "bgsave")?),
        human(fork_ms(small, "bgsave")?),
        time(with),
        time(without)
    );
    published_unless(&doubt(data, 0, true), claim, &[(with > without, text)])
}

/// Throughput and latency of the smallest and of the largest.
fn growth(name: &str, points: &[&PointData]) -> Option<String> {
    let (first, last) = (points.first()?, points.last()?);
    let rate = |point: &PointData| point.figure("before.ops_per_sec");
    let p99 = |point: &PointData| point.figure("before.p99_us");
    Some(format!(
        "With {name}, from {} to {} the shard goes from {} to {} requests/s ({}), p99 from {} to {}; while a \
         child lives it is {} and {} at {}.",
        bytes(heap(first)?),
        bytes(heap(last)?),
        count(rate(first)?),
        count(rate(last)?),
        times(rate(last)?, rate(first)?),
        time(p99(first)?),
        time(p99(last)?),
        count(last.figure("during.bgsave.ops_per_sec")?),
        time(last.figure("during.bgsave.p99_us")?),
        bytes(heap(last)?),
    ))
}

/// The slope of the fork, and at which size it breaks a promise.
fn end(name: &str, points: &[&PointData], memory: f64) -> Option<String> {
    let dots: Vec<(f64, f64)> = points
        .iter()
        .filter_map(|point| Some((heap(point)? / 1e9, fork_ms(point, "bgsave")?)))
        .collect();
    let (slope, offset) = line(&dots).filter(|(slope, _)| *slope > 0.0)?;
    let limit = (PROMISE_MS - offset).max(0.0) / slope;
    Some(format!(
        "With {name} a fork takes {slope:.1} ms for each GB; by that line {PROMISE_MS:.0} ms are reached at {:.2} GB, \
         and the {} of this host would take {}.",
        limit,
        bytes(memory),
        time((offset + slope * memory / 1e9) * 1e3)
    ))
}

fn trade(small: &PointData, huge: &PointData) -> Option<String> {
    let rate = |point: &PointData| point.figure("before.ops_per_sec");
    let copied = |point: &PointData| point.figure("chaos.bgsave.rdb_last_cow_size");
    let share = |point: &PointData| Some(copied(point)? / heap(point)?);
    Some(format!(
        "At {} huge pages make {} requests/s instead of {} ({}), the fork {:.1} ms instead of {:.1}, and {} of \
         the heap instead of {} is copied on write.",
        bytes(heap(huge)?),
        count(rate(huge)?),
        count(rate(small)?),
        times(rate(huge)?, rate(small)?),
        fork_ms(huge, "bgsave")?,
        fork_ms(small, "bgsave")?,
        percent(share(huge)?),
        percent(share(small)?)
    ))
}
