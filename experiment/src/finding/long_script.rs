//! A script that computes too long: the harm by its length, and what killing it saves.

use super::say::{count, percent, time};
use crate::data::{Data, PointData};

pub(super) fn tell(data: &Data) -> Vec<String> {
    let mut told: Vec<String> = data.points.iter().filter_map(harm).collect();
    told.extend(data.points.last().and_then(killed));
    told
}

fn harm(point: &PointData) -> Option<String> {
    let script = point.figure("chaos.long-script:left.slowlog_us")?;
    Some(format!(
        "A script of {}: an unrelated request waited up to {} ({} of the script's time by SLOWLOG), where \
         p99 was {} before.",
        time(script),
        time(point.figure("during.long-script:left.max_us")?),
        percent(point.figure("harm_by_script")?),
        time(point.figure("before.p99_us")?)
    ))
}

fn killed(point: &PointData) -> Option<String> {
    let figure = |name: &str| point.figure(&format!("chaos.long-script:killed.{name}"));
    Some(format!(
        "One that would compute for 2 s and is killed was over after {}; an unrelated request waited up \
         to {}, and {} were answered BUSY.",
        time(figure("script_ms")? * 1e3),
        time(point.figure("during.long-script:killed.max_us")?),
        count(point.figure("errors")?)
    ))
}
