//! Who is killed when a child and its copies do not fit, and what that costs.

use super::say::{bytes, count, list, percent, published, time, values};
use crate::data::{Data, PointData};
use crate::sweep::CASE;

const SHARE: [&str; 1] = ["memory"];
/// What is loaded is newer than this share of the known snapshot's age: it is another snapshot.
const ORPHAN: f64 = 0.7;

/// A share of the memory with which the server lives, and who says so.
const CLAIMS: [(&str, (&str, &str)); 2] = [
    (
        "50%",
        (
            "Redis documentation, Redis administration: memory",
            "while it saves or rewrites, a write-heavy server can use up to twice its memory, and needs room for that",
        ),
    ),
    (
        "70%",
        (
            "DigitalOcean documentation, Memory Usage for Redis Database Clusters",
            "70 % of a node's memory is given to the data, 10 % to the replication log, the rest is kept for forks",
        ),
    ),
];

pub(super) fn tell(data: &Data) -> Vec<String> {
    let mut told: Vec<String> =
        values(data, CASE).iter().filter_map(|case| fates(data, case)).collect();
    told.extend(data.points.iter().filter_map(death));
    told.extend(refusals(data));
    told.extend(checked(data));
    told.extend(CLAIMS.iter().filter_map(|(share, claim)| {
        let points = data.points.iter().filter(|point| point.word(point.setting(&SHARE)) == *share);
        let runs = points.filter_map(|point| {
            let alive = figure(point, "server_killed")? == 0.0;
            // A child that was refused or failed says nothing of what one that saves needs.
            if alive && figure(point, "child_failed").unwrap_or(0.0) > 0.0 {
                return None;
            }
            let took = figure(point, "child_ms").map_or_else(String::new, |ms| time(ms * 1e3));
            let fate = if alive { format!("alive after {took}") } else { "killed".to_owned() };
            Some((alive, format!("{fate} with {} at {share}", point.word(CASE))))
        });
        published(*claim, &runs.collect::<Vec<_>>())
    }));
    told
}

fn figure(point: &PointData, name: &str) -> Option<f64> {
    point.figure(&format!("chaos.guard-rail.{name}"))
}

/// Who died at each share of the limit.
fn fates(data: &Data, case: &str) -> Option<String> {
    let fates: Vec<String> = data
        .points
        .iter()
        .filter(|point| point.word(CASE) == case)
        .filter_map(|point| {
            Some(format!("at {} {}", point.word(point.setting(&SHARE)), fate(point)?))
        })
        .collect();
    (!fates.is_empty()).then(|| format!("{case}: {}.", list(&fates)))
}

fn fate(point: &PointData) -> Option<String> {
    let killed = figure(point, "killed_processes")?;
    if figure(point, "died_before").is_some() {
        return Some(
            "the server is killed before the child begins: the writes alone are too much"
                .to_owned(),
        );
    }
    Some(match (figure(point, "server_killed")? > 0.0, killed > 0.0) {
        (true, true) => "the server is killed".to_owned(),
        (true, false) => "the server is gone".to_owned(),
        (false, true) => "only the child is killed".to_owned(),
        (false, false) if figure(point, "child_failed").unwrap_or(0.0) > 0.0 => {
            "the child fails".to_owned()
        }
        (false, false) => {
            let took = figure(point, "child_ms").map_or_else(String::new, |ms| {
                format!(" (the child is done in {})", time(ms * 1e3))
            });
            format!("nobody is killed{took}")
        }
    })
}

/// What a death costs.
fn death(point: &PointData) -> Option<String> {
    if figure(point, "server_killed")? == 0.0 {
        return None;
    }
    let (lost, all) = (figure(point, "lost")?, figure(point, "acknowledged")?);
    let keys = figure(point, "lost_keys").unwrap_or(0.0);
    let keys = if keys > 0.0 { format!(", and {} older keys", count(keys)) } else { String::new() };
    let (window_ms, age_s) =
        (figure(point, "loss_window_ms")?, figure(point, "snapshot_age_s").unwrap_or(0.0));
    let orphan = if lost > 0.0 && window_ms < ORPHAN * age_s * 1e3 {
        " (the child outlived it, and finished the newer one that is loaded)"
    } else {
        ""
    };
    Some(format!(
        "{} at {} of {}: {} of {} acknowledged writes are lost ({}){keys}; the newest that is left was \
         acknowledged {} before the last, the last snapshot that the server knew was {} old{orphan}, and it is \
         back after {}.",
        point.word(CASE),
        point.word(point.setting(&SHARE)),
        bytes(figure(point, "limit_bytes")?),
        count(lost),
        count(all),
        percent(lost / all.max(1.0)),
        time(window_ms * 1e3),
        time(age_s * 1e6),
        time(figure(point, "restart_ms")? * 1e3)
    ))
}

/// What headroom costs instead.
fn refusals(data: &Data) -> Option<String> {
    let with: Vec<&PointData> = data
        .points
        .iter()
        .filter(|point| figure(point, "refused").is_some_and(|refused| refused > 0.0))
        .collect();
    let share = |point: &&PointData| {
        let refused = figure(point, "refused")?;
        Some(refused / (refused + figure(point, "acknowledged")?))
    };
    let shares: Vec<f64> = with.iter().filter_map(share).collect();
    let (least, most) =
        (shares.iter().copied().reduce(f64::min)?, shares.iter().copied().reduce(f64::max)?);
    Some(format!(
        "With maxmemory 2 % above the data the server refuses {} to {} of the writes (OOM, up to {}) in {} runs \
         instead of growing on; what it refused is not counted as acknowledged.",
        percent(least),
        percent(most),
        count(with.iter().filter_map(|point| figure(point, "refused")).fold(0.0, f64::max)),
        with.len()
    ))
}

/// The check of the check: a server that lived has everything.
fn checked(data: &Data) -> Option<String> {
    let alive: Vec<&PointData> =
        data.points.iter().filter(|point| figure(point, "server_killed") == Some(0.0)).collect();
    let lost: f64 = alive.iter().filter_map(|point| figure(point, "lost")).sum();
    let all: f64 = alive.iter().filter_map(|point| figure(point, "acknowledged")).sum();
    (!alive.is_empty()).then(|| {
        format!(
            "Check: in the {} runs in which the server lived, {} of {} acknowledged writes were missing when all \
             were read back.",
            alive.len(),
            count(lost),
            count(all)
        )
    })
}
