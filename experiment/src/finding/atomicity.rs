//! Additions to shared counters: what is lost, what is tried again, and how fast each way is.

use super::say::{count, list, percent, time, times, values};
use crate::data::{Data, PointData};

const METHOD: [&str; 2] = ["method", "kind"];
const KEYS: [&str; 1] = ["keys"];

pub(super) fn tell(data: &Data) -> Vec<String> {
    let mut told = Vec::new();
    let swept = data.points.first().map_or("", |point| point.setting(&KEYS));
    for keys in values(data, swept) {
        let points: Vec<&PointData> =
            data.points.iter().filter(|point| point.word(swept) == keys).collect();
        let fastest = points.iter().filter_map(|point| rate(point)).fold(0.0, f64::max);
        told.extend(points.iter().filter_map(|point| one(point, &keys, fastest)));
        told.extend(safe(&points, &keys));
    }
    told
}

fn figure(point: &PointData, name: &str) -> Option<f64> {
    point.figure(&format!("chaos.contend.{name}"))
}

fn rate(point: &PointData) -> Option<f64> {
    figure(point, "adds_per_sec")
}

fn one(point: &PointData, keys: &str, fastest: f64) -> Option<String> {
    let lost = figure(point, "lost_updates")?;
    let what = if keys == "1" { "one counter".to_owned() } else { format!("{keys} counters") };
    let mut text = format!(
        "{} on {what}: {} additions/s ({} of the fastest), p99 {}",
        point.word(point.setting(&METHOD)),
        count(rate(point)?),
        percent(rate(point)? / fastest),
        time(figure(point, "p99_us")?)
    );
    text += &match lost {
        lost if lost > 0.0 => format!(
            "; the clients were told {}, the server has {}: {} lost ({})",
            count(figure(point, "added")?),
            count(figure(point, "at_server")?),
            count(lost),
            percent(figure(point, "lost_share")?)
        ),
        _ => format!("; all {} are there", count(figure(point, "added")?)),
    };
    if let Some(retries) = figure(point, "retries_per_add").filter(|retries| *retries > 0.0) {
        text += &format!("; {retries:.2} tries again for each");
    }
    if let Some(unknown) = figure(point, "unknown_scripts").filter(|unknown| *unknown > 0.0) {
        text += &format!("; NOSCRIPT {} times, after SCRIPT FLUSH and at first", count(unknown));
    }
    Some(text + ".")
}

/// The ways that lose nothing, by their rate.
fn safe(points: &[&PointData], keys: &str) -> Option<String> {
    let mut safe: Vec<(&&PointData, f64)> = points
        .iter()
        .filter(|point| figure(point, "lost_updates").is_some_and(|lost| lost <= 0.0))
        .filter_map(|point| Some((point, rate(point)?)))
        .collect();
    safe.sort_by(|one, other| other.1.total_cmp(&one.1));
    let ((_, best), (slowest, worst)) = (safe.first()?, safe.last()?);
    let names: Vec<String> =
        safe.iter().map(|(point, _)| point.word(point.setting(&METHOD))).collect();
    Some(format!(
        "Nothing is lost on {keys} by {}, the fastest first; {} is {} as fast as {}.",
        list(&names),
        slowest.word(slowest.setting(&METHOD)),
        times(*worst, *best),
        names.first()?
    ))
}
