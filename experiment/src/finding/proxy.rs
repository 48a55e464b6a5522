//! A proxy hop: its throughput, its latency, and what it breaks.

use super::say::{count, percent, time, values, where_};
use crate::data::{Data, PointData};

const CASE: &str = "case";
const RATE: &str = "drive.rate";
const PIPELINE: &str = "drive.pipeline";

pub(super) fn tell(data: &Data) -> Vec<String> {
    let mut told = Vec::new();
    for rate in values(data, RATE) {
        for depth in values(data, PIPELINE) {
            let find = |case: &str| {
                data.points.iter().find(|point| {
                    point.word(CASE) == case
                        && point.word(RATE) == rate
                        && point.word(PIPELINE) == depth
                })
            };
            let pair = find("direct").zip(find("through twemproxy"));
            told.extend(pair.and_then(|(direct, hop)| compared(&rate, &depth, direct, hop)));
        }
    }
    told.extend(where_(data, CASE, "through twemproxy").and_then(broken));
    told
}

fn compared(rate: &str, depth: &str, direct: &PointData, hop: &PointData) -> Option<String> {
    let ops = |point: &PointData| point.figure("ops_per_sec");
    let at = |point: &PointData, name: &str| point.figure(name);
    Some(if rate == "max" {
        format!(
            "{depth} in flight on each connection: {} requests/s through twemproxy, {} direct ({}).",
            count(ops(hop)?),
            count(ops(direct)?),
            percent(ops(hop)? / ops(direct)?)
        )
    } else {
        format!(
            "At {rate} requests/s, depth {depth}: the hop makes the median {} instead of {}, and p99 {} \
             instead of {}.",
            time(at(hop, "p50_us")?),
            time(at(direct, "p50_us")?),
            time(at(hop, "p99_us")?),
            time(at(direct, "p99_us")?)
        )
    })
}

fn broken(point: &PointData) -> Option<String> {
    let figure = |name: &str| point.figure(&format!("chaos.try-commands.{name}"));
    Some(format!(
        "Of {} commands that a server knows {} work through twemproxy; these do not: {}.",
        count(figure("tried")?),
        count(figure("working")?),
        point.words.get("chaos.try-commands.breaks")?
    ))
}
