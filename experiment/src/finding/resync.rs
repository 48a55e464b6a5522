//! A replica that lost its link: partial or full resynchronization.

use super::say::{count, time};
use crate::data::{Data, PointData};

pub(super) fn tell(data: &Data) -> Vec<String> {
    data.points.iter().filter_map(one).collect()
}

fn one(point: &PointData) -> Option<String> {
    let figure = |name: &str| point.figure(&format!("chaos.replica-cut.{name}"));
    Some(format!(
        "Backlog {} ({} bytes): in step again {} after the cut, by {} full and {} partial \
         resynchronizations; the slowest request at the primary took {} meanwhile, where p99 was {} before.",
        point.word("case"),
        point.words.get("chaos.replica-cut.backlog_bytes")?,
        time(figure("back_ms")? * 1e3),
        count(figure("full_resyncs")?),
        count(figure("partial_resyncs")?),
        time(point.figure("during.replica-cut.max_us")?),
        time(point.figure("before.p99_us")?)
    ))
}
