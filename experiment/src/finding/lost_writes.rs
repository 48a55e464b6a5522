//! Writes that a failover loses, by what the writer does for them.

use super::say::{bytes, count, percent};
use crate::data::{Data, PointData};

pub(super) fn tell(data: &Data) -> Vec<String> {
    data.points.iter().filter_map(one).collect()
}

fn one(point: &PointData) -> Option<String> {
    let figure = |name: &str| point.figure(&format!("chaos.lose-primary.{name}"));
    let mut text = format!(
        "{}, crash {} after the cut: {} writes were acknowledged ({}/s before the cut), {} of them are \
         lost",
        point.word("case"),
        point.word(point.setting(&["behind", "delay"])),
        count(figure("acknowledged")?),
        count(figure("acknowledged_per_s")?),
        count(figure("lost_acknowledged")?)
    );
    for (name, words) in [("refused", "were refused"), ("unconfirmed", "were not confirmed")] {
        if let Some(some) = figure(name).filter(|some| *some > 0.0) {
            text += &format!("; {} {words}", count(some));
        }
    }
    if let (Some(offset), Some(share)) =
        (figure("offset_behind_bytes"), point.figure("lost_by_offset"))
    {
        text += &format!(
            "; by its offset the replica was {} behind, of which the missing writes are {}",
            bytes(offset),
            percent(share)
        );
    }
    Some(text + ".")
}
