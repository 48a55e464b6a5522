//! What can be said of any experiment, and what casts doubt on it.

use super::say::{most, with};
use crate::data::{Data, PointData};
use crate::plot::human;
use crate::scenario::Scenario;

/// The extremes of everything that is plotted.
pub(super) fn tell(scenario: &Scenario, data: &Data) -> Vec<String> {
    let mut told = Vec::new();
    for plot in scenario.plots.iter().filter(|plot| plot.x != "time") {
        let least = with(data, &plot.y).into_iter().min_by(|one, other| one.1.total_cmp(&other.1));
        let (Some((top, high)), Some((bottom, low))) = (most(data, &plot.y), least) else {
            continue;
        };
        let name = plot.y_label.as_ref().unwrap_or(&plot.y);
        told.push(if top.label == bottom.label {
            format!("{name} was {}.", human(high))
        } else {
            let (high, low) = (human(high), human(low));
            format!(
                "{name} was highest ({high}) with {}, lowest ({low}) with {}.",
                top.label, bottom.label
            )
        });
    }
    told
}

/// Runs whose figures the client itself does not believe, and why.
pub(super) fn doubts(data: &Data) -> Vec<String> {
    let told = |point: &PointData| {
        let label = if point.label.is_empty() { "the run" } else { &point.label };
        match point.reasons().join(" and ") {
            why if why.is_empty() => label.to_owned(),
            why => format!("{label}: {why}"),
        }
    };
    let doubtful = data.points.iter().filter(|point| point.is_doubtful());
    let doubtful: Vec<String> = doubtful.map(told).collect();
    if doubtful.is_empty() {
        return Vec::new();
    }
    let (few, all) = (doubtful.len(), data.points.len());
    vec![format!(
        "Not to be believed as figures of the server: {few} of {all} runs ({}).",
        doubtful.join("; ")
    )]
}
