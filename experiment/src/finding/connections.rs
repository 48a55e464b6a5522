//! Idle connections: their memory, what they cost others, and the limit.

use super::say::{bytes, count, time};
use crate::data::{Data, PointData};

pub(super) fn tell(data: &Data) -> Vec<String> {
    data.points.iter().filter_map(one).collect()
}

fn one(point: &PointData) -> Option<String> {
    let figure = |name: &str| point.figure(&format!("chaos.client-flood.{name}"));
    let opened = figure("opened")?;
    let each = figure("bytes_a_client")?;
    let mut text = format!(
        "{}: {} opened in {}, {} each ({} in all)",
        point.word("case"),
        count(opened),
        time(figure("opening_ms")? * 1e3),
        bytes(each),
        bytes(each * opened)
    );
    let before = point.figure("before.p99_us")?;
    let during = point.figure("during.client-flood.p99_us")?;
    text += &format!("; p99 of the busy ones {} meanwhile, {} before", time(during), time(before));
    if let Some(refused) = figure("rejected_connections").filter(|refused| *refused > 0.0) {
        text += &format!(
            "; the server rejected {} (at {} clients), and {} requests of those connected failed",
            count(refused),
            count(figure("connected_clients")?),
            count(point.figure("errors").unwrap_or(0.0))
        );
    }
    Some(text + ".")
}
