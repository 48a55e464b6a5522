//! What a crash costs by kind of persistence: acknowledged writes, and the time until the server is back.

use super::say::{count, percent, published, time, values};
use crate::data::{Data, PointData};
use crate::sweep::CASE;

const KEYS: [&str; 1] = ["keys"];

pub(super) fn tell(data: &Data) -> Vec<String> {
    let mut told: Vec<String> =
        values(data, CASE).iter().filter_map(|case| loss(data, case)).collect();
    told.push(
        "The process was killed, not the host: what it had handed to the kernel survives. A power failure also \
         takes what no fsync has forced to the disk: up to about a second with everysec."
            .to_owned(),
    );
    let everysec = data.points.iter().filter(|point| point.word(CASE) == "AOF everysec");
    let runs = everysec.filter_map(|point| {
        let (lost_ms, all) = (figure(point, "loss_window_ms")?, figure(point, "acknowledged")?);
        let lost = if lost_ms > 0.0 {
            format!("the last {}", time(lost_ms * 1e3))
        } else {
            "nothing".to_owned()
        };
        let text = format!("{lost} of {} writes is lost when the process is killed", count(all));
        Some((lost_ms < 1_000.0, text))
    });
    let claim = (
        "Redis documentation, Redis persistence: AOF advantages",
        "with fsync every second, one second worth of writes can be lost",
    );
    told.extend(published(claim, &runs.collect::<Vec<_>>()));
    told
}

fn figure(point: &PointData, name: &str) -> Option<f64> {
    point.figure(&format!("chaos.guard-rail.{name}"))
}

fn loss(data: &Data, case: &str) -> Option<String> {
    let mut points: Vec<&PointData> =
        data.points.iter().filter(|point| point.word(CASE) == case).collect();
    points.sort_by(|one, other| {
        one.number(one.setting(&KEYS))
            .unwrap_or(0.0)
            .total_cmp(&other.number(other.setting(&KEYS)).unwrap_or(0.0))
    });
    let (first, last) = (points.first()?, points.last()?);
    let (lost, all) = (figure(last, "lost")?, figure(last, "acknowledged")?);
    let older = figure(last, "lost_keys")?;
    let older =
        if older > 0.0 { format!(" and all {} older keys", count(older)) } else { String::new() };
    let window = match figure(last, "loss_window_ms")? {
        0.0 => String::new(),
        ms => format!(", those of the last {}", time(ms * 1e3)),
    };
    Some(format!(
        "{case}: {} of {} acknowledged writes lost ({}){window}{older}; back after {} with {} keys of 1 kB and {} \
         with {}.",
        count(lost),
        count(all),
        percent(lost / all.max(1.0)),
        time(figure(first, "restart_ms")? * 1e3),
        count(first.number(first.setting(&KEYS))?),
        time(figure(last, "restart_ms")? * 1e3),
        count(last.number(last.setting(&KEYS))?)
    ))
}
