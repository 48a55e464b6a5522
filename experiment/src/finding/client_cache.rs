//! Client-side caching: what it takes off the server, what invalidations cost, and how stale reads are.

use super::say::{bytes, count, percent, time, times, values};
use crate::data::{Data, PointData};

const RATIO: &str = "drive.rw_ratio";
const CASE: &str = "case";
const PLAIN: &str = "no cache";

pub(super) fn tell(data: &Data) -> Vec<String> {
    let mut told = Vec::new();
    for ratio in values(data, RATIO) {
        let points: Vec<&PointData> =
            data.points.iter().filter(|point| point.word(RATIO) == ratio).collect();
        let plain = points.iter().find(|point| point.word(CASE) == PLAIN);
        for point in points.iter().filter(|point| point.word(CASE) != PLAIN) {
            told.extend(plain.and_then(|plain| one(&ratio, point, plain)));
        }
    }
    told
}

fn one(ratio: &str, point: &PointData, plain: &PointData) -> Option<String> {
    let figure = |name: &str| point.figure(name);
    let sent = |point: &PointData| point.figure("server_bytes_per_read");
    let mut text = format!(
        "{ratio}, {}: {} of the reads never reach the server, which sends {} for each read instead of {} \
         ({})",
        point.word(CASE),
        percent(figure("offload")?),
        bytes(sent(point)?),
        bytes(sent(plain)?),
        times(sent(point)?, sent(plain)?)
    );
    text += &format!(
        "; {:.2} invalidations for each write, here {} after its acknowledgement (p99 {})",
        figure("invalidations_per_write")?,
        time(figure("mitigation.invalidation_us.p50")?),
        time(figure("invalidation_p99_us")?)
    );
    text += &match figure("stale_share")? {
        stale if stale > 0.0 => format!(
            "; {} of the reads are stale, the value by up to {} (p99 {})",
            percent(stale),
            time(figure("mitigation.behind_us.max")?),
            time(figure("stale_behind_p99_us")?)
        ),
        _ => "; no read is stale".to_owned(),
    };
    if let Some(keys) = figure("tracking_total_keys") {
        text += &format!("; the server remembers {} keys for it", count(keys));
    }
    Some(text + ".")
}
