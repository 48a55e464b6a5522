//! A dead master, by cluster-node-timeout: detected, replaced, recovered.

use super::say::{count, line, time};
use crate::data::{Data, PointData};

pub(super) fn tell(data: &Data) -> Vec<String> {
    let mut told: Vec<String> = data.points.iter().filter_map(one).collect();
    told.extend(slope(data));
    told
}

fn one(point: &PointData) -> Option<String> {
    let figure = |name: &str| point.figure(&format!("chaos.kill-master.{name}"));
    let mut text = format!(
        "{}: suspected after {}, failed by agreement after {}, a replica promoted after {}, all well after \
         {}; epoch {:.0} became {:.0}",
        point.word("case"),
        time(figure("suspected_ms")? * 1e3),
        time(figure("agreed_ms")? * 1e3),
        time(figure("promoted_ms")? * 1e3),
        time(figure("outage_ms")? * 1e3),
        figure("epoch_before")?,
        figure("epoch_after")?
    );
    text += &format!(
        "; the longest request waited {}, {} had no answer in the end",
        time(point.figure("longest_wait_ms")? * 1e3),
        count(point.figure("unanswered")?)
    );
    Some(text + ".")
}

/// What the time-out itself makes of it.
fn slope(data: &Data) -> Option<String> {
    let dots = data.points.iter().filter_map(|point| {
        Some((point.figure("node_timeout_ms")?, point.figure("chaos.kill-master.outage_ms")?))
    });
    let dots: Vec<(f64, f64)> = dots.collect();
    let (slope, rest) = line(&dots)?;
    Some(format!(
        "By the line through these, an outage lasts {slope:.2} times the time-out and {rest:.0} ms more."
    ))
}
