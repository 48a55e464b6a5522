//! What it costs to open connections again and again.

use super::say::{count, percent, time, times};
use crate::data::{Data, PointData};

pub(super) fn tell(data: &Data) -> Vec<String> {
    let Some(kept) = data.points.first() else { return Vec::new() };
    data.points.iter().filter_map(|point| one(point, kept)).collect()
}

fn one(point: &PointData, kept: &PointData) -> Option<String> {
    let ops = point.figure("ops_per_sec")?;
    let cpu = |point: &PointData| point.figure("server_cpu_ns_per_op");
    let mut text = format!("{}: {} requests/s", point.word("case"), count(ops));
    if point.label != kept.label {
        text += &format!(
            ", {} of those on kept connections",
            percent(ops / kept.figure("ops_per_sec")?)
        );
    }
    if let (Some(cpu), Some(base)) = (cpu(point), cpu(kept)) {
        text += &format!("; {:.1} µs of the server's CPU each ({})", cpu / 1e3, times(cpu, base));
    }
    if let Some(opened) = point.figure("reconnects").filter(|opened| *opened > 0.0) {
        text += &format!(
            "; {} connections opened again, each in {} (p99 {})",
            count(opened),
            time(point.figure("connect_p50_us")?),
            time(point.figure("connect_p99_us")?)
        );
    }
    Some(text + ".")
}
