//! What can be said of any experiment, and what casts doubt on it.

use super::say::{most, with};
use crate::data::Data;
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

/// Runs whose figures the client itself does not believe.
pub(super) fn doubts(data: &Data) -> Vec<String> {
    let labels: Vec<&str> = data
        .points
        .iter()
        .filter(|point| !point.valid)
        .map(|point| if point.label.is_empty() { "the run" } else { &point.label })
        .collect();
    if labels.is_empty() {
        return Vec::new();
    }
    let (few, all) = (labels.len(), data.points.len());
    vec![format!(
        "Not to be believed as figures of the server: {few} of {all} runs, in which the client was \
         late or the bottleneck ({}).",
        labels.join("; ")
    )]
}
