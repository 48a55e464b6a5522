//! Big keys: what one command on them does to everybody else, and what the cure costs.

use super::say::{count, time, times};
use crate::data::{Data, PointData};

pub(super) fn tell(data: &Data) -> Vec<String> {
    let Some(point) = data.points.first() else { return Vec::new() };
    let mut told: Vec<String> =
        kinds(point, "bigkey-on").iter().filter_map(|kind| harm(point, kind)).collect();
    told.extend(kinds(point, "bigkey-cure").iter().filter_map(|kind| cure(point, kind)));
    told
}

/// The kinds of an action that the data has, in its order.
fn kinds(point: &PointData, action: &str) -> Vec<String> {
    let start = format!("chaos.{action}:");
    let names = point.figures.keys().filter_map(|name| name.strip_prefix(&start));
    names.filter_map(|rest| rest.strip_suffix(".took_ms")).map(str::to_owned).collect()
}

fn harm(point: &PointData, kind: &str) -> Option<String> {
    let figure = |name: &str| point.figure(&format!("chaos.bigkey-on:{kind}.{name}"));
    let slowest = point.figure(&format!("during.bigkey-on:{kind}.max_us"))?;
    let before = point.figure("before.p99_us")?;
    let slowlog = figure("command.slowlog_us");
    let said = slowlog.map_or_else(
        || "SLOWLOG did not keep it".to_owned(),
        |us| format!("SLOWLOG says {}", time(us)),
    );
    Some(format!(
        "{} over {} elements: {said}; an unrelated request waited up to {} ({} the p99 before, {}).",
        kind.to_uppercase(),
        count(figure("command.elements").or_else(|| figure("elements"))?),
        time(slowest),
        times(slowest, before),
        time(before)
    ))
}

fn cure(point: &PointData, kind: &str) -> Option<String> {
    let figure = |name: &str| point.figure(&format!("chaos.bigkey-cure:{kind}.{name}"));
    let slowest = point.figure(&format!("during.bigkey-cure:{kind}.max_us"))?;
    let harm = point.figure(&format!("during.bigkey-on:{kind}.max_us"));
    let word = point.words.get(&format!("chaos.bigkey-cure:{kind}.cure"))?;
    let mut text = format!(
        "{word} instead of {}: {} {}, the longest {}; unrelated requests waited up to {}",
        kind.to_uppercase(),
        count(figure("steps")?),
        if figure("steps") == Some(1.0) { "step" } else { "steps" },
        time(figure("longest_us")?),
        time(slowest)
    );
    if let Some(harm) = harm {
        text += &format!(" instead of {}", time(harm));
    }
    Some(text + ".")
}
