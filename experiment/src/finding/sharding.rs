//! A server that joins: what moves by each way to share keys out, how even it is, and what is missed.

use super::say::{count, percent, time};
use crate::data::{Data, PointData};

pub(super) fn tell(data: &Data) -> Vec<String> {
    data.points.iter().filter_map(one).collect()
}

fn one(point: &PointData) -> Option<String> {
    let figure = |name: &str| point.figure(name);
    let mut text = format!(
        "{}: {} of the keys are on another server; the busiest has {:.2} of its fair share; {} misses, {} \
         reads of the store with at most {} waiting",
        point.word("case"),
        percent(figure("moved_share")?),
        figure("busiest_by_fair")?,
        count(figure("client_misses")?),
        count(figure("store.counts.reads")?),
        count(figure("store.queue_max")?)
    );
    if let Some(p99) = figure("p99_us") {
        text += &format!("; p99 {}", time(p99));
    }
    if let Some(copied) = figure("copied_by_moved") {
        text += &format!("; the servers hold {} of what moved twice afterwards", percent(copied));
    }
    Some(text + ".")
}
