//! Slots that move while they are used: redirects, p99 before, during and after, and the time.

use super::say::{count, time, times};
use crate::data::{Data, PointData};

pub(super) fn tell(data: &Data) -> Vec<String> {
    let mut told: Vec<String> = data.points.iter().filter_map(moved).collect();
    told.extend(compared(data));
    told
}

/// Whether the slot with the most requests is among those that moved.
fn has_hot_slot(point: &PointData) -> Option<bool> {
    let slots = point.words.get("chaos.reshard.slots")?;
    let (first, last) = slots.split_once('-')?;
    let hottest = point.figure("hottest_slot")?;
    Some((first.parse().ok()?..=last.parse().ok()?).contains(&(hottest as u32)))
}

fn moved(point: &PointData) -> Option<String> {
    let figure = |name: &str| point.figure(name);
    let hot = if has_hot_slot(point)? { "with" } else { "without" };
    let took = figure("chaos.reshard.took_ms")?;
    let keys = figure("chaos.reshard.there_keys_moved")?;
    Some(format!(
        "Slots {} moved {hot} the hottest one ({:.0}) in {}: {} keys, {} keys/s; {} MOVED and {} ASK \
         (the servers counted {} and {}); p99 {} before, {} while they moved ({}), {} after; slowest \
         request {}.",
        point.words.get("chaos.reshard.slots")?,
        figure("hottest_slot")?,
        time(took * 1e3),
        count(keys),
        count(keys * 1e3 / took),
        count(figure("moved")?),
        count(figure("ask")?),
        count(figure("errorstat_MOVED.count").unwrap_or(0.0)),
        count(figure("errorstat_ASK.count").unwrap_or(0.0)),
        time(figure("before.p99_us")?),
        time(figure("during.reshard.p99_us")?),
        times(figure("during.reshard.p99_us")?, figure("before.p99_us")?),
        figure("after.p99_us").map_or_else(|| "-".to_owned(), time),
        time(figure("during.reshard.max_us")?)
    ))
}

/// What it changes that the hottest slot is among them.
fn compared(data: &Data) -> Option<String> {
    let find = |hot| data.points.iter().find(|point| has_hot_slot(point) == Some(hot));
    let (hot, cold) = (find(true)?, find(false)?);
    let redirects = |point: &PointData| Some(point.figure("ask")? + point.figure("moved")?);
    let share = |point: &PointData| point.figure("hottest_master_share");
    Some(format!(
        "Moving the hottest slot, too, costs {} redirects instead of {}; the busiest master has {:.0} % \
         of the requests over that run instead of {:.0} %.",
        count(redirects(hot)?),
        count(redirects(cold)?),
        share(hot)? * 100.0,
        share(cold)? * 100.0
    ))
}
