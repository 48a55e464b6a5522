//! What each appendfsync costs, and what the server did not see of it.

use super::say::{count, time, times, where_};
use crate::data::{Data, PointData};

const POLICY: &str = "stack.appendfsync";

pub(super) fn tell(data: &Data) -> Vec<String> {
    let at = |policy: &str| where_(data, POLICY, policy);
    let Some(base) = at("no") else { return Vec::new() };
    let mut told = Vec::new();
    for policy in ["everysec", "always"] {
        told.extend(at(policy).and_then(|point| against(base, point)));
    }
    told.extend(["no", "everysec", "always"].iter().filter_map(|policy| unseen(at(policy)?)));
    told
}

fn against(base: &PointData, point: &PointData) -> Option<String> {
    let both = |name: &str| Some((point.figure(name)?, base.figure(name)?));
    let (p99, base_p99) = both("p99_us")?;
    let (p999, base_p999) = both("p999_us")?;
    Some(format!(
        "appendfsync {}: p99 {} ({} of `no`'s {}), p99.9 {} ({} of {}); aof_delayed_fsync {}.",
        point.word(POLICY),
        time(p99),
        times(p99, base_p99),
        time(base_p99),
        time(p999),
        times(p999, base_p999),
        time(base_p999),
        count(point.figure("aof_delayed_fsync").unwrap_or(0.0))
    ))
}

/// Waits for the disk that the probes saw.
fn unseen(point: &PointData) -> Option<String> {
    if !point.probed {
        return None;
    }
    let policy = point.word(POLICY);
    let stalled: Vec<(&str, f64, f64)> = ["fsync", "write"]
        .into_iter()
        .filter_map(|cause| {
            let total = point.figure(&format!("stalled.{cause}.main_ms"))?;
            let longest = point.figure(&format!("stalled.{cause}.longest_ms"))?;
            Some((cause, total, longest))
        })
        .collect();
    let background = point.figure("stalled.fsync.background_ms");
    let mut text = format!("The probes, with `{policy}`: ");
    if stalled.is_empty() {
        text += "the event loop never waited for the disk";
    }
    let told: Vec<String> = stalled
        .iter()
        .map(|(cause, total, longest)| {
            let (total, longest) = (time(total * 1e3), time(longest * 1e3));
            format!("the event loop stood {total} in {cause} (longest {longest})")
        })
        .collect();
    text += &told.join(", ");
    if let Some(ms) = background {
        text += &format!(", the background thread {} in fsync", time(ms * 1e3));
    }
    match point.figure("missed.fsync.count").or_else(|| point.figure("missed.write.count")) {
        Some(missed) => {
            text += &format!(
                "; {} of these waits show in no figure of Redis's own (SLOWLOG and \
                 aof_delayed_fsync know nothing of them)",
                count(missed)
            );
        }
        None => text += "; nothing of it was hidden from Redis's own figures",
    }
    Some(text + ".")
}
