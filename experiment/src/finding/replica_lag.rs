//! How far replicas are behind, in time and in bytes, and what a chain adds.

use super::say::{bytes, count, percent, time};
use crate::data::{Data, PointData};

pub(super) fn tell(data: &Data) -> Vec<String> {
    data.points.iter().filter_map(one).collect()
}

fn one(point: &PointData) -> Option<String> {
    let mut text = format!("{}, {} writes/s", point.word("case"), point.word("drive.rate"));
    for depth in 1..=8 {
        let figure = |name: &str| point.figure(&format!("chaos.replica-lag.depth_{depth}.{name}"));
        let Some(p99) = figure("lag_p99_ms") else { break };
        let who = match depth {
            1 => "replicas of the primary".to_owned(),
            depth => format!("those at depth {depth}"),
        };
        text += &format!(
            "; {who} have a write {} after its acknowledgement (p99 {}, longest {}), {} of the reads that \
             follow one miss it, and they are {} behind at p99",
            time(figure("lag_p50_ms")? * 1e3),
            time(p99 * 1e3),
            time(figure("lag_max_ms")? * 1e3),
            percent(figure("stale_share")?),
            bytes(figure("behind_p99_bytes")?)
        );
    }
    let left = point.figure("chaos.replica-lag.all.left_marks")?;
    Some(format!("{text}; in the end {} marks were missing.", count(left)))
}
