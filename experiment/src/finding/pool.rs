//! A pool of connections, and what Little's law says of its size.

use super::say::{count, percent, time};
use crate::data::{Data, PointData};

const CONNS: &str = "drive.conns";

pub(super) fn tell(data: &Data) -> Vec<String> {
    let mut told = Vec::new();
    told.extend(law(data));
    told.extend(data.points.iter().filter_map(one));
    told
}

/// How many are enough, by the law and by the runs.
fn law(data: &Data) -> Option<String> {
    let last = data.points.last()?;
    let asked = last.figure("rate_asked")?;
    let keeps_up =
        |point: &&PointData| point.figure("ops_per_sec").is_some_and(|ops| ops > 0.98 * asked);
    let enough = data.points.iter().find(keeps_up)?;
    let mean = last.figure("service_mean_us")?;
    Some(format!(
        "{} requests/s that each keep a connection for {} need {:.1} connections by Little's law; {} are \
         the fewest that keep up here, and p99 is {} with them and {} with {}.",
        count(asked),
        time(mean),
        asked * mean / 1e6,
        enough.word(CONNS),
        time(enough.figure("p99_us")?),
        time(last.figure("p99_us")?),
        last.word(CONNS)
    ))
}

fn one(point: &PointData) -> Option<String> {
    Some(format!(
        "{} connections: {} answers/s, {} of what the law says; {:.1} of them in use on average ({}); p99 \
         from the intended time {}.",
        point.word(CONNS),
        count(point.figure("ops_per_sec")?),
        percent(point.figure("answered_by_law")?),
        point.figure("connections_in_use")?,
        percent(point.figure("in_use_share")?),
        time(point.figure("p99_us")?)
    ))
}
