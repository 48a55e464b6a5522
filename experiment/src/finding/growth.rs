//! Throughput by number of masters, and what bends the curve.

use super::say::{count, percent, times};
use crate::data::{Data, PointData};

const MASTERS: &str = "stack.primaries";

pub(super) fn tell(data: &Data) -> Vec<String> {
    let Some(one) = data.points.first() else { return Vec::new() };
    let mut told: Vec<String> = data.points.iter().filter_map(|point| grown(point, one)).collect();
    told.extend(bend(data));
    told
}

fn grown(point: &PointData, one: &PointData) -> Option<String> {
    let ops = |point: &PointData| point.figure("ops_per_sec");
    let masters = point.number(MASTERS)?;
    let mut text = format!("{masters} masters: {} requests/s", count(ops(point)?));
    if point.label != one.label {
        text += &format!(
            ", {} that of one ({} of what the number promises)",
            times(ops(point)?, ops(one)?),
            percent(ops(point)? / ops(one)? / masters)
        );
    }
    if let Some(busy) = point.figure("hottest_master_busy") {
        text += &format!("; the busiest main thread is {} busy", percent(busy));
    }
    if let Some(busy) = point.figure("client_busy") {
        text += &format!(", the client's core {}", percent(busy));
    }
    Some(text + ".")
}

/// All masters share the one core that the client leaves them: nothing else is to be expected.
fn bend(data: &Data) -> Option<String> {
    let last = data.points.last()?;
    let masters = last.number(MASTERS)?;
    let busy: f64 =
        (0..64).filter_map(|number| last.figure(&format!("master.{number}.busy"))).sum();
    Some(format!(
        "The host has {} cores, of which the masters share one and the client has the other: {masters} \
         masters together use {} of theirs. What is seen here is what more processes cost on the same \
         core, not what more cores would give.",
        data.host.cpus,
        percent(busy)
    ))
}
