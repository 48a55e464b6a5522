//! Reads from replicas: what their number gains, and how stale they are.

use super::say::{bytes, count, percent, time, times, values};
use crate::data::{Data, PointData};

const RATIO: &str = "drive.rw_ratio";
const CASE: &str = "case";

pub(super) fn tell(data: &Data) -> Vec<String> {
    let mut told = Vec::new();
    for ratio in values(data, RATIO) {
        let points: Vec<&PointData> =
            data.points.iter().filter(|point| point.word(RATIO) == ratio).collect();
        let alone = points.iter().find(|point| point.word(CASE) == "master only").copied();
        told.extend(points.iter().filter_map(|point| one(&ratio, point, alone?)));
    }
    told.push(format!(
        "All servers share one of the {} cores of this host: what more replicas gain on hosts of their own \
         is not seen here, what they cost and how stale they are is.",
        data.host.cpus
    ));
    told
}

fn one(ratio: &str, point: &PointData, alone: &PointData) -> Option<String> {
    let ops = |point: &PointData| point.figure("ops_per_sec");
    let mut text = format!("{ratio}, {}: {} requests/s", point.word(CASE), count(ops(point)?));
    if point.label != alone.label {
        text += &format!(" ({} of the master alone)", times(ops(point)?, ops(alone)?));
    }
    text += &match point.figure("stale_share")? {
        stale if stale > 0.0 => format!(
            "; {} of the reads are stale, by up to {} (p99 {})",
            percent(stale),
            time(point.figure("mitigation.behind_us.max")?),
            time(point.figure("stale_behind_p99_us")?)
        ),
        _ => "; no read is stale".to_owned(),
    };
    if let Some(mean) = point.figure("mitigation.replica_lag.mean_bytes") {
        text += &format!(
            "; by their offsets replicas are {} behind on average, {} at most",
            bytes(mean),
            bytes(point.figure("mitigation.replica_lag.max_bytes")?)
        );
    }
    Some(text + ".")
}
