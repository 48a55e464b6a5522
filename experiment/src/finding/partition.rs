//! A master alone with its clients: what it takes, and what becomes of it.

use super::say::{count, percent, time};
use crate::data::{Data, PointData};

pub(super) fn tell(data: &Data) -> Vec<String> {
    data.points.iter().flat_map(|point| [one(point), story(point)]).flatten().collect()
}

fn figure(point: &PointData, name: &str) -> Option<f64> {
    point.figure(&format!("chaos.partition.{name}"))
}

fn one(point: &PointData) -> Option<String> {
    Some(format!(
        "node-timeout {}: the lonely master acknowledged {} writes until it refused, {} after the cut; the \
         majority called it failed after {} and had a successor after {}. {} after the heal it was a \
         replica, and {} of its {} writes ({}) were gone: {} of the bytes by which its stream of \
         replication had grown. Of {} writes to the successor {} were lost.",
        point.word("case"),
        count(figure(point, "alone_acknowledged")?),
        time(figure(point, "stopped_ms")? * 1e3),
        time(figure(point, "failed_ms")? * 1e3),
        time(figure(point, "promoted_ms")? * 1e3),
        time(figure(point, "healed_ms")? * 1e3),
        count(figure(point, "alone_lost")?),
        count(figure(point, "alone_acknowledged")?),
        percent(point.figure("lost_of_alone")?),
        percent(point.figure("lost_by_offset")?),
        count(figure(point, "successor_acknowledged")?),
        count(figure(point, "successor_lost")?)
    ))
}

fn story(point: &PointData) -> Option<String> {
    let story = point.words.get("chaos.partition.story")?;
    Some(format!("node-timeout {}, in its own words: {story}.", point.word("case")))
}
