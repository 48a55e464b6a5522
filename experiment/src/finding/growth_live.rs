//! Masters that join a cluster under load, one after the other.

use super::say::{count, time, times};
use crate::data::{Data, PointData};

pub(super) fn tell(data: &Data) -> Vec<String> {
    data.points.iter().flat_map(joined).collect()
}

fn joined(point: &PointData) -> Vec<String> {
    let names = (1..).map(|number| match number {
        1 => "add-node".to_owned(),
        number => format!("add-node#{number}"),
    });
    let mut told: Vec<String> = names.map_while(|name| one(point, &name)).collect();
    told.extend(whole(point));
    told
}

fn one(point: &PointData, name: &str) -> Option<String> {
    let figure = |field: &str| point.figure(&format!("chaos.{name}.{field}"));
    let (slots, keys, ms) =
        (figure("slots_moved")?, figure("keys_moved")?, figure("rebalance_ms")?);
    Some(format!(
        "{name}: {} slots with {} keys moved in {} ({} slots/s).",
        count(slots),
        count(keys),
        time(ms * 1e3),
        count(slots * 1e3 / ms.max(1.0))
    ))
}

fn whole(point: &PointData) -> Option<String> {
    let before = point.figure("before.p99_us")?;
    let during = point.figure("during.add-node.p99_us")?;
    Some(format!(
        "Over all of it {} MOVED, {} ASK and {} requests without an answer; p99 {} before, {} while slots move for the first \
         ({}), {} after the last; the busiest master has {} the fair share of six over the whole run.",
        count(point.figure("moved")?),
        count(point.figure("ask")?),
        count(point.figure("unanswered")?),
        time(before),
        time(during),
        times(during, before),
        point.figure("after.p99_us").map_or_else(|| "-".to_owned(), time),
        times(point.figure("hottest_master_share")?, 1.0 / point.figure("masters")?)
    ))
}
