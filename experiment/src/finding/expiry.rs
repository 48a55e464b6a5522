//! Many keys that expire at once: how fast, at whose cost, and what spreading them changes.

use super::say::{count, percent, time, times};
use crate::data::{Data, PointData};

const CASE: &str = "case";
const ACTION: &str = "chaos.expiry-storm";

pub(super) fn tell(data: &Data) -> Vec<String> {
    let mut told: Vec<String> = data.points.iter().filter_map(storm).collect();
    told.extend(compared(data));
    told
}

fn storm(point: &PointData) -> Option<String> {
    let figure = |name: &str| point.figure(&format!("{ACTION}.{name}"));
    let expired = figure("expired_keys")?;
    let gone_ms = figure("gone_ms")?;
    let during = "during.expiry-storm";
    Some(format!(
        "{}: {} of {} keys expired in {} ({} keys/s at most by the course), the active cycle took {} ms \
         of CPU ({} of that time); p99 {} while they went against {} before, slowest request {}.",
        point.word(CASE),
        count(expired),
        count(figure("keys")?),
        time(gone_ms * 1e3),
        count(figure("most_expired_per_s").unwrap_or(expired * 1e3 / gone_ms.max(1.0))),
        count(figure("active_cpu_ms")?),
        percent(figure("active_cpu_ms")? / gone_ms.max(1.0)),
        time(figure("storm_p99_us").or_else(|| point.figure(&format!("{during}.p99_us")))?),
        time(point.figure("before.p99_us")?),
        time(point.figure(&format!("{during}.max_us"))?)
    ))
}

fn compared(data: &Data) -> Option<String> {
    let find = |policy: &str| {
        let word = format!("{ACTION}.policy");
        data.points.iter().find(|point| point.words.get(&word).is_some_and(|one| one == policy))
    };
    let p99 = |point: &PointData| point.figure("during.expiry-storm.p99_us");
    let (same, jitter) = (find("same")?, find("jitter")?);
    let mut text = format!(
        "Jittered times to live make it {} instead of {} at p99 ({})",
        time(p99(jitter)?),
        time(p99(same)?),
        times(p99(jitter)?, p99(same)?)
    );
    if let Some(lazy) = find("lazy") {
        text += &format!(
            "; without the active cycle only {} of the keys went, those that somebody asked for, and \
             the rest kept their memory",
            percent(
                lazy.figure(&format!("{ACTION}.expired_keys"))?
                    / lazy.figure(&format!("{ACTION}.keys"))?
            )
        );
    }
    Some(text + ".")
}
