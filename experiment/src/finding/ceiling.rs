//! The ceiling of a shard by command, size and pipeline.

use super::say::{count, percent, time, values};
use crate::data::Data;

const RATIO: &str = "drive.rw_ratio";
const PIPELINE: &str = "drive.pipeline";
const SIZE: &str = "load.value_size";

fn command(ratio: &str) -> &str {
    match ratio {
        "1:0" => "GET",
        "0:1" => "SET",
        other => other,
    }
}

pub(super) fn tell(data: &Data) -> Vec<String> {
    let mut told = Vec::new();
    for point in &data.points {
        let Some(ceiling) = point.figure("ceiling_ops_per_sec") else { continue };
        let plus_minus = point.figure("ceiling_plus_minus").unwrap_or(0.0);
        let depth = match point.word(PIPELINE).as_str() {
            "" | "0" | "1" => "one by one".to_owned(),
            depth => format!("{depth} in flight on each connection"),
        };
        let size = match point.word(SIZE) {
            size if size.is_empty() => String::new(),
            size => format!(" of {size} B"),
        };
        let bound = point.words.get("ceiling_bound").map_or("?", String::as_str);
        let slo = point.words.get("slo").map_or("the objective", String::as_str);
        let mut text = format!(
            "{}{size}, {depth}: {} ± {} requests/s meet {slo}, bounded by the {bound}",
            command(&point.word(RATIO)),
            count(ceiling),
            count(plus_minus),
        );
        if let Some(p99) = point.figure("p99_us") {
            text += &format!("; p99 at {} is {}", point.rate, time(p99));
        }
        if let Some(ratio) = point.figure("redis_benchmark_ratio") {
            text += &format!("; the closed model reaches {ratio:.2} of redis-benchmark's rate");
        }
        told.push(text + ".");
    }
    told.extend(gain(data));
    told
}

/// What pipelining gains, for each command and size.
fn gain(data: &Data) -> Option<String> {
    let depths = values(data, PIPELINE);
    let (shallow, deep) = (depths.first()?, depths.last().filter(|_| depths.len() > 1)?);
    let mut gains: Vec<f64> = Vec::new();
    for point in data.points.iter().filter(|point| point.word(PIPELINE) == *deep) {
        let partner = data.points.iter().find(|other| {
            other.word(PIPELINE) == *shallow
                && [RATIO, SIZE].iter().all(|name| other.word(name) == point.word(name))
        });
        let name = "ceiling_ops_per_sec";
        gains.push(point.figure(name)? / partner?.figure(name)?);
    }
    let low = gains.iter().copied().reduce(f64::min)?;
    let high = gains.iter().copied().reduce(f64::max)?;
    let saved = percent(1.0 - 1.0 / low.max(1.0));
    Some(format!(
        "A pipeline of {deep} instead of {shallow} lifts the ceiling {low:.1} to {high:.1} times: at \
         least {saved} of what one request costs the server is the way to it, not the command."
    ))
}
