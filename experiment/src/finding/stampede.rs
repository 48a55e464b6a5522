//! A hot key that expires: how many ask the store at once, and what holds them back.

use super::say::{count, percent, time, times, where_};
use crate::data::{Data, PointData};

const CASE: &str = "case";
const MANY: &str = "200 keys, ";

pub(super) fn tell(data: &Data) -> Vec<String> {
    let mut told = Vec::new();
    let nothing = where_(data, CASE, "nothing");
    for point in data.points.iter().filter(|point| !point.word(CASE).starts_with(MANY)) {
        told.extend(one(point, nothing));
    }
    told.extend(many(data));
    told
}

fn one(point: &PointData, nothing: Option<&PointData>) -> Option<String> {
    let herd = point.figure("store.herd_max")?;
    let mut text = format!(
        "{}: at most {} reads of the key at once with the store, {} reads in {} s; hit rate {}, p99 {}, \
         slowest request {}",
        point.word(CASE),
        count(herd),
        count(point.figure("store.counts.reads")?),
        count(point.figure("duration_s")?),
        percent(point.figure("store.hit_rate")?),
        time(point.figure("p99_us")?),
        time(point.figure("max_us")?)
    );
    for (name, words) in [
        ("joined", "waited for another's read"),
        ("early", "were read before their time"),
        ("stale", "were served stale"),
        ("refused", "were refused by the store"),
    ] {
        let some = point.figure(&format!("store.counts.{name}")).filter(|some| *some > 0.0);
        if let Some(some) = some {
            text += &format!("; {} {words}", count(some));
        }
    }
    let base = nothing.filter(|nothing| nothing.label != point.label);
    if let Some(base) =
        base.and_then(|base| base.figure("store.herd_max")).filter(|base| *base > 0.0)
    {
        text += &format!("; the herd is {} of what it is with nothing", percent(herd / base));
    }
    Some(text + ".")
}

/// What jitter does for keys that were cached at one moment.
fn many(data: &Data) -> Option<String> {
    let same = where_(data, CASE, "200 keys, nothing")?;
    let jitter = where_(data, CASE, "200 keys, jitter")?;
    let queue = |point: &PointData| point.figure("store.queue_max");
    Some(format!(
        "200 keys that were cached at one moment: with jitter at most {} reads wait for the store \
         instead of {} ({}), p99 is {} instead of {}.",
        count(queue(jitter)?),
        count(queue(same)?),
        times(queue(jitter)?, queue(same)?),
        time(jitter.figure("p99_us")?),
        time(same.figure("p99_us")?)
    ))
}
