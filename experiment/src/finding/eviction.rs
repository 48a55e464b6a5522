//! The eviction cliff: where it is, how deep, and which policy holds on longest.

use super::say::{count, list, percent, values};
use crate::data::{Data, PointData};

const POLICY: &str = "stack.maxmemory_policy";
const RATIO: &str = "stack.working_set";
const DIST: &str = "drive.dist";
/// Hit rates that differ by less are equal.
const SAME: f64 = 0.01;

pub(super) fn tell(data: &Data) -> Vec<String> {
    let mut told = Vec::new();
    for dist in values(data, DIST) {
        let points: Vec<&PointData> =
            data.points.iter().filter(|point| point.word(DIST) == dist).collect();
        told.extend(cliff(&dist, &points));
        told.extend(best(&dist, &points));
    }
    told
}

fn ratio(point: &PointData) -> f64 {
    point.number(RATIO).unwrap_or(0.0)
}

/// Between which two ratios the hit rate falls most, over all policies.
fn cliff(dist: &str, points: &[&PointData]) -> Option<String> {
    let mut ratios: Vec<f64> = points.iter().map(|point| ratio(point)).collect();
    ratios.sort_by(f64::total_cmp);
    ratios.dedup();
    let mean = |at: f64| {
        let rates = points.iter().filter(|point| ratio(point) == at);
        let rates: Vec<f64> = rates.filter_map(|point| point.figure("hit_rate")).collect();
        rates.iter().sum::<f64>() / rates.len() as f64
    };
    let whole = ratios.iter().rev().find(|at| mean(**at) > 1.0 - SAME).copied();
    let evicted = |at: f64| {
        let all = points.iter().filter(|point| ratio(point) == at);
        all.filter_map(|point| point.figure("evicted_keys_per_s")).fold(0.0, f64::max)
    };
    let (last, next) = match whole {
        Some(whole) => (whole, ratios.iter().copied().find(|at| *at > whole)?),
        None => (*ratios.first()?, *ratios.get(1)?),
    };
    let deepest = *ratios.last()?;
    Some(format!(
        "{dist} keys: the hit rate is {} up to a working set of {last} times maxmemory; the cliff \
         lies between {last} and {next} (there {} on average over the policies), and at {deepest} \
         times it is {}, with up to {} keys evicted a second.",
        percent(mean(last)),
        percent(mean(next)),
        percent(mean(deepest)),
        count(evicted(deepest))
    ))
}

/// The policies by their hit rate where memory is shortest.
fn best(dist: &str, points: &[&PointData]) -> Option<String> {
    let deepest = points.iter().map(|point| ratio(point)).fold(0.0, f64::max);
    let mut there: Vec<(String, f64)> = points
        .iter()
        .filter(|point| ratio(point) == deepest)
        .filter_map(|point| Some((point.word(POLICY), point.figure("hit_rate")?)))
        .collect();
    there.sort_by(|one, other| other.1.total_cmp(&one.1));
    let (name, rate) = there.first()?.clone();
    let (worst, low) = there.last().filter(|_| there.len() > 1)?.clone();
    let ties: Vec<String> = there
        .iter()
        .take_while(|(_, other)| rate - other < SAME)
        .map(|(name, _)| name.clone())
        .collect();
    let winner = if ties.len() > 1 {
        format!("{} are equally good ({})", list(&ties), percent(rate))
    } else {
        format!("{name} is best ({})", percent(rate))
    };
    if ties.len() == there.len() {
        return Some(format!(
            "{dist} keys at {deepest} times: the policy makes no difference; {winner}."
        ));
    }
    Some(format!(
        "{dist} keys at {deepest} times: {winner}, {worst} is worst ({}); the difference is {} of the \
         requests to whatever stands behind the cache.",
        percent(low),
        percent(rate - low)
    ))
}
