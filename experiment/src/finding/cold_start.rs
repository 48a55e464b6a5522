//! A cache that dies under load, and comes back empty or with what a snapshot has.

use super::say::{count, percent, time, times, where_};
use crate::data::{Data, PointData};

const CASE: &str = "case";

pub(super) fn tell(data: &Data) -> Vec<String> {
    let mut told: Vec<String> = data.points.iter().filter_map(one).collect();
    told.extend(compared(data));
    told
}

fn one(point: &PointData) -> Option<String> {
    let figure = |name: &str| point.figure(&format!("chaos.restart.{name}"));
    Some(format!(
        "{}: it had {} keys and has {} after {} without an answer (what came before, SAVE or FLUSHALL, \
         took {}); the store was read {} times, {} of its time busy, with at most {} reads waiting; p99 \
         was {} before and {} after.",
        point.word(CASE),
        count(figure("keys_before")?),
        count(figure("keys_after")?),
        time(figure("down_ms")? * 1e3),
        time(figure("prepare_ms")? * 1e3),
        count(point.figure("store.counts.reads")?),
        percent(point.figure("store.busy")?),
        count(point.figure("store.queue_max")?),
        time(point.figure("before.p99_us")?),
        time(point.figure("after.p99_us")?)
    ))
}

fn compared(data: &Data) -> Option<String> {
    let (empty, warm) = (where_(data, CASE, "empty")?, where_(data, CASE, "from a snapshot")?);
    let reads = |point: &PointData| point.figure("store.counts.reads");
    let after = |point: &PointData| point.figure("after.p99_us");
    Some(format!(
        "A snapshot spares the store {} of the reads that an empty cache costs it; p99 after an empty \
         start is {} that after a warm one.",
        percent(1.0 - reads(warm)? / reads(empty)?),
        times(after(empty)?, after(warm)?)
    ))
}
