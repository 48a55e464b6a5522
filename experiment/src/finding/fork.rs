//! Snapshots and rewrites: fork time against heap, copied pages, the spike and its share.

use super::say::{bytes, line, list, percent, time, values};
use crate::data::{Data, PointData};

pub(super) const PAGES: &str = "stack.huge_pages";
const ACTIONS: [(&str, &str); 2] = [("bgsave", "BGSAVE"), ("aof-rewrite", "BGREWRITEAOF")];

pub(super) fn tell(data: &Data) -> Vec<String> {
    let mut told = Vec::new();
    for pages in values(data, PAGES) {
        let points: Vec<&PointData> =
            data.points.iter().filter(|point| point.word(PAGES) == pages).collect();
        let name = if pages == "true" { "huge pages" } else { "4 KB pages" };
        told.extend(slope(name, &points));
        told.extend(ACTIONS.iter().filter_map(|action| spike(name, *action, &points)));
    }
    told.extend(trade(data));
    told
}

/// Milliseconds of an action's fork.
pub(super) fn fork_ms(point: &PointData, action: &str) -> Option<f64> {
    Some(point.figure(&format!("chaos.{action}.latest_fork_usec"))? / 1e3)
}

/// The heap that was forked, in bytes.
pub(super) fn heap(point: &PointData) -> Option<f64> {
    point.figure("chaos.bgsave.used_memory")
}

fn slope(name: &str, points: &[&PointData]) -> Option<String> {
    let dots: Vec<(f64, f64)> = points
        .iter()
        .filter_map(|point| Some((heap(point)? / 1e9, fork_ms(point, "bgsave")?)))
        .collect();
    let (ms_per_gb, _) = line(&dots)?;
    let largest = dots.iter().copied().max_by(|one, other| one.0.total_cmp(&other.0))?;
    Some(format!(
        "With {name} a fork takes {ms_per_gb:.1} ms for each GB of heap ({:.1} ms at {:.2} GB by \
         latest_fork_usec).",
        largest.1, largest.0
    ))
}

/// The spike at the largest heap.
fn spike(name: &str, action: (&str, &str), points: &[&PointData]) -> Option<String> {
    let largest = points
        .iter()
        .max_by(|one, other| heap(one).unwrap_or(0.0).total_cmp(&heap(other).unwrap_or(0.0)))?;
    let (key, command) = action;
    let figure = |name: String| largest.figure(&name);
    let height = figure(format!("during.{key}.max_us"))?;
    let length = figure(format!("chaos.{key}.took_ms"))?;
    let before = figure("before.p99_us".to_owned())?;
    let during = figure(format!("during.{key}.p99_us"))?;
    let copied = ["rdb_last_cow_size", "aof_last_cow_size"]
        .iter()
        .find_map(|field| figure(format!("chaos.{key}.{field}")));
    let mut text = format!(
        "{command} at {} with {name}: slowest request {} (the fork itself {:.1} ms), p99 {} for the \
         {} of the child against {} before",
        bytes(heap(largest)?),
        time(height),
        fork_ms(largest, key)?,
        time(during),
        time(length * 1e3),
        time(before)
    );
    if let Some(copied) = copied {
        text += &format!(", {} copied on write", bytes(copied));
    }
    if largest.probed {
        let mut shares = causes(largest, key);
        shares.truncate(3);
        let told: Vec<String> =
            shares.iter().map(|(cause, share)| format!("{cause} {}", percent(*share))).collect();
        text += &format!("; by cause, the delay at its onset is {}", list(&told));
    }
    Some(text + ".")
}

/// What delayed requests when an action began, by falling share.
fn causes(point: &PointData, action: &str) -> Vec<(String, f64)> {
    let start = format!("onset.{action}.share.");
    let all = point.figures.iter().filter_map(|(name, share)| {
        let cause = name.strip_prefix(&start)?;
        let words = match cause {
            "fork" => "the fork",
            "cow_fault" => "copy-on-write faults",
            "run_queue" => "waits for a core",
            "client" => "the client itself",
            other => other,
        };
        Some((words.to_owned(), *share))
    });
    let mut all: Vec<(String, f64)> = all.collect();
    all.sort_by(|one, other| other.1.total_cmp(&one.1));
    all
}

/// What huge pages change at the largest heap.
fn trade(data: &Data) -> Option<String> {
    let largest = |pages: &str| {
        let all = data.points.iter().filter(|point| point.word(PAGES) == pages);
        all.max_by(|one, other| heap(one).unwrap_or(0.0).total_cmp(&heap(other).unwrap_or(0.0)))
    };
    let (small, huge) = (largest("false")?, largest("true")?);
    let fork = (fork_ms(small, "bgsave")?, fork_ms(huge, "bgsave")?);
    let copied = |point: &PointData| point.figure("chaos.bgsave.rdb_last_cow_size");
    let p99 = |point: &PointData| point.figure("during.bgsave.p99_us");
    let better = if fork.1 < fork.0 { "shorten" } else { "do not shorten" };
    Some(format!(
        "Huge pages {better} the fork ({:.1} ms instead of {:.1}); p99 while the child lives is {} \
         instead of {}, and {} instead of {} are copied.",
        fork.1,
        fork.0,
        time(p99(huge)?),
        time(p99(small)?),
        bytes(copied(huge)?),
        bytes(copied(small)?)
    ))
}
