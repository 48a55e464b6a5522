//! A hot key: how unequal masters are loaded, and what each mitigation gains and costs.

use super::say::{percent, time};
use crate::data::{Data, PointData};

const MITIGATION: &str = "drive.mitigation";
const NOTHING: [&str; 2] = ["measure", "none"];

pub(super) fn tell(data: &Data) -> Vec<String> {
    let plain = data.points.iter().find(|point| NOTHING.contains(&point.word(MITIGATION).as_str()));
    let Some(plain) = plain else { return Vec::new() };
    let mut told = Vec::new();
    told.extend(unequal(plain));
    let mut best: Option<(f64, String)> = None;
    for point in data.points.iter().filter(|point| point.label != plain.label) {
        let Some((gain, text)) = mitigation(plain, point) else { continue };
        told.push(text);
        if best.as_ref().is_none_or(|(most, _)| gain > *most) {
            best = Some((gain, point.word(MITIGATION)));
        }
    }
    if let Some((gain, name)) = best {
        told.push(format!(
            "The hottest master is relieved most by {name}: it has {} of the load that it had.",
            percent(1.0 / gain)
        ));
    }
    told
}

fn unequal(plain: &PointData) -> Option<String> {
    let fair = 1.0 / plain.figure("masters")?;
    let share = plain.figure("hottest_master_share")?;
    let busy = |name: &str| plain.figure(name).map_or_else(|| "?".to_owned(), percent);
    Some(format!(
        "With nothing done, the hottest slot ({:.0}) has {} of the requests and the next one {}; the \
         hottest master has {} (a fair share is {}) and its main thread is {} busy.",
        plain.figure("hottest_slot")?,
        percent(plain.figure("hottest_slot_share")?),
        plain.figure("second_slot_share").map_or_else(|| "?".to_owned(), percent),
        percent(share),
        percent(fair),
        busy("hottest_master_busy")
    ))
}

/// Requests a second that the hottest master answers.
fn hottest(point: &PointData) -> Option<f64> {
    let all = (0..64).filter_map(|number| point.figure(&format!("master.{number}.ops")));
    Some(all.reduce(f64::max)? / point.figure("duration_s")?)
}

/// By how much the hottest master has less, and the sentence.
fn mitigation(plain: &PointData, point: &PointData) -> Option<(f64, String)> {
    let (before, after) = (hottest(plain)?, hottest(point)?.max(1.0));
    let gain = before / after;
    let mut text = format!(
        "{}: the hottest master answers {:.0} requests/s instead of {:.0}",
        point.word(MITIGATION),
        after,
        before
    );
    if let Some(p99) = point.figure("p99_us") {
        text += &format!(", p99 {} against {}", time(p99), time(plain.figure("p99_us")?));
    }
    if let Some(offload) = point.figure("offload").filter(|offload| *offload > 0.0) {
        text += &format!(", {} of the reads never reach a server", percent(offload));
    }
    if let Some(writes) = point.figure("write_amplification").filter(|writes| *writes > 1.001) {
        text += &format!(", {writes:.2} writes are sent for each one");
    }
    match point.figure("stale_share").unwrap_or(0.0) {
        stale if stale > 0.0 => text += &format!(", {} of the reads are stale", percent(stale)),
        _ => text += ", no read is stale",
    }
    if let (Some(cpu), Some(base)) =
        (point.figure("client_cpu_ns_per_op"), plain.figure("client_cpu_ns_per_op"))
    {
        text += &format!(
            "; the client pays {:.1} µs of CPU a request instead of {:.1}",
            cpu / 1e3,
            base / 1e3
        );
    }
    Some((gain, text + "."))
}
