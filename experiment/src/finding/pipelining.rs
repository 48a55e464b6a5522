//! Pipelining: plateau, knee, cost of a command on both sides, and what bounds it.

use super::say::{count, percent, time};
use crate::data::{Data, PointData};

const PIPELINE: &str = "drive.pipeline";
/// Another doubling of the depth that gains less than this is the plateau.
const PLATEAU: f64 = 0.10;
/// The depth at which p99 is this multiple of the first one's is beyond the knee.
const KNEE: f64 = 2.0;

/// Commands a second: a transaction is one request of several commands.
fn commands_per_s(point: &PointData) -> Option<f64> {
    Some(point.figure("ops_per_sec")? * in_one(point))
}

fn in_one(point: &PointData) -> f64 {
    point.figure("commands_per_request").unwrap_or(1.0)
}

pub(super) fn tell(data: &Data) -> Vec<String> {
    let (plain, tx): (Vec<&PointData>, Vec<&PointData>) =
        data.points.iter().partition(|point| in_one(point) <= 1.0);
    let mut told = Vec::new();
    told.extend(noise(&plain));
    told.extend(plateau(&plain));
    told.extend(knee(&plain));
    told.extend(costs(&plain));
    told.extend(transactions(&plain, &tx));
    told
}

/// 0 and 1 are the same bytes on the wire.
fn noise(plain: &[&PointData]) -> Option<String> {
    let at = |depth: f64| {
        plain.iter().find(|point| point.number(PIPELINE) == Some(depth))?.figure("ops_per_sec")
    };
    let (zero, one) = (at(0.0)?, at(1.0)?);
    Some(format!(
        "Depth 0 and 1 send the same bytes and differ by {}: that is what this host's noise is worth.",
        percent((zero / one - 1.0).abs())
    ))
}

fn plateau(plain: &[&PointData]) -> Option<String> {
    let (first, last) = (plain.first()?, plain.last()?);
    let mut flat = *last;
    for pair in plain.windows(2).rev() {
        let (Some(before), Some(after)) = (commands_per_s(pair[0]), commands_per_s(pair[1])) else {
            continue;
        };
        let depths = pair[1].number(PIPELINE)? / pair[0].number(PIPELINE)?.max(1.0);
        let gain = (after / before).powf(1.0 / depths.log2().max(1.0)) - 1.0;
        if gain >= PLATEAU {
            break;
        }
        flat = pair[0];
    }
    let (from, to) = (commands_per_s(first)?, commands_per_s(last)?);
    let depth = last.word(PIPELINE);
    let reached = if flat.label == last.label {
        format!("no plateau up to depth {depth}")
    } else {
        format!("the plateau begins at depth {}", flat.word(PIPELINE))
    };
    Some(format!(
        "From depth {} to {depth} the shard goes from {} to {} commands/s ({:.1}×); {reached}.",
        first.word(PIPELINE),
        count(from),
        count(to),
        to / from
    ))
}

fn knee(plain: &[&PointData]) -> Option<String> {
    let base = plain.first()?.figure("p99_us")?;
    let beyond =
        plain.iter().find(|point| point.figure("p99_us").is_some_and(|p99| p99 > base * KNEE));
    let last = plain.last()?;
    let (depth, p99) = (last.word(PIPELINE), last.figure("p99_us")?);
    Some(match beyond {
        Some(point) => format!(
            "p99 has its knee at depth {}: {} against {} without a pipeline, and {} at depth {depth}.",
            point.word(PIPELINE),
            time(point.figure("p99_us")?),
            time(base),
            time(p99)
        ),
        None => format!(
            "p99 has no knee: {} without a pipeline, {} at depth {depth}.",
            time(base),
            time(p99)
        ),
    })
}

fn costs(plain: &[&PointData]) -> Option<String> {
    let (first, last) = (plain.first()?, plain.last()?);
    let cost = |point: &PointData, name: &str| Some(point.figure(name)? / in_one(point));
    let bound = |point: &PointData| point.words.get("bound").cloned().unwrap_or_default();
    Some(format!(
        "A command costs the server {} ns at depth {} and {} ns at depth {}, the client {} and {} ns; \
         bounded by the {} there and by the {} here.",
        count(cost(first, "server_cpu_ns_per_op")?),
        first.word(PIPELINE),
        count(cost(last, "server_cpu_ns_per_op")?),
        last.word(PIPELINE),
        count(cost(first, "client_cpu_ns_per_op")?),
        count(cost(last, "client_cpu_ns_per_op")?),
        bound(first),
        bound(last)
    ))
}

fn transactions(plain: &[&PointData], tx: &[&PointData]) -> Option<String> {
    let best = tx.iter().max_by(|one, other| {
        commands_per_s(one).unwrap_or(0.0).total_cmp(&commands_per_s(other).unwrap_or(0.0))
    })?;
    let alone = tx.iter().find(|point| point.number(PIPELINE).unwrap_or(0.0) <= 1.0)?;
    // As many commands on their way, without MULTI and EXEC around them.
    let same = plain.iter().find(|point| point.number(PIPELINE) == Some(in_one(alone)))?;
    let (with, without) = (commands_per_s(alone)?, commands_per_s(same)?);
    Some(format!(
        "MULTI/EXEC around {} commands, one transaction at a time, makes {} commands/s, {} of a \
         pipeline of the same depth; the best with transactions is {} commands/s at {} transactions \
         in flight.",
        in_one(alone),
        count(with),
        percent(with / without),
        count(commands_per_s(best)?),
        best.word(PIPELINE)
    ))
}
