//! What is claimed of the results, by the scenario and by others, held against the data.

use crate::data::Data;
use crate::finding::{doubt, verdict};
use crate::plot::human;
use crate::scenario::{Claim, PublishedPlan, Scenario, Settings};
use crate::sweep::label;

/// A claim with its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checked {
    /// The claim, and the runs in which it holds or not.
    pub(super) text: String,
    /// It does not hold in some run.
    pub(super) broken: bool,
}

/// In how many runs a claim is measured and broken, and both in words.
struct Count {
    all: usize,
    broken: usize,
    words: String,
}

/// The scenario's own claims.
#[must_use]
pub(super) fn checked(scenario: &Scenario, data: &Data) -> Vec<Checked> {
    let plans = scenario.claims.iter();
    plans
        .map(|plan| {
            let text = plan.holds.as_ref();
            let count = count(text, &plan.filter, data);
            Checked {
                text: format!("{}: {}", named(text, &plan.filter), count.words),
                broken: count.broken > 0,
            }
        })
        .collect()
}

/// What others have published: confirmed, refined (it holds in some runs) or contradicted here.
#[must_use]
pub(super) fn published(scenario: &Scenario, data: &Data) -> Vec<String> {
    scenario.published.iter().filter_map(|plan| judged(plan, data)).collect()
}

/// None where nothing of it was measured: the smaller scale may leave runs out.
fn judged(plan: &PublishedPlan, data: &Data) -> Option<String> {
    let text = plan.holds.as_ref();
    let count = count(text, &plan.filter, data);
    let verdict = verdict(count.all - count.broken, count.all)?;
    let doubt = doubt(data, plan.cores, is_timed(text));
    let verdict = doubt.as_deref().unwrap_or(verdict);
    let claim = named(text, &plan.filter);
    Some(format!("{verdict} {} ({}): {claim}: {}.", plan.says, plan.source, count.words))
}

/// Whether a claim is about rates or times, which an invalid run says nothing of; counts stand.
fn is_timed(text: &str) -> bool {
    const MARKS: [&str; 8] = ["per_s", "p50", "p9", "_us", "_ms", "_ns", "answered_by", "harm_by"];
    MARKS.iter().any(|mark| text.contains(mark))
}

/// The claim, with the runs that it is about.
fn named(text: &str, filter: &Settings) -> String {
    match label(filter) {
        runs if runs.is_empty() => format!("`{text}`"),
        runs => format!("`{text}` with {runs}"),
    }
}

fn count(text: &str, filter: &Settings, data: &Data) -> Count {
    // Checked when the scenario was read.
    let Ok(claim) = Claim::parse(text) else {
        return Count { all: 0, broken: 0, words: "is no claim".to_owned() };
    };
    let found = data.claimed(&claim, filter);
    let broken: Vec<String> = found
        .iter()
        .filter(|(value, _)| !claim.holds(*value))
        .map(|(value, point)| match point.label.as_str() {
            "" => human(*value),
            label => format!("{} with {label}", human(*value)),
        })
        .collect();
    let values = found.iter().map(|(value, _)| *value);
    let (low, high) = (values.clone().reduce(f64::min), values.reduce(f64::max));
    let words = match (low.zip(high), broken.len()) {
        (None, _) => "not measured".to_owned(),
        (Some((_, high)), 0) if found.len() == 1 => format!("holds ({})", human(high)),
        (Some((low, high)), 0) if low == high => {
            format!("holds ({} in all {} runs)", human(high), found.len())
        }
        (Some((low, high)), 0) => {
            format!("holds ({} to {} in {} runs)", human(low), human(high), found.len())
        }
        (_, some) => {
            format!("does not hold in {some} of {} runs ({})", found.len(), broken.join("; "))
        }
    };
    Count { all: found.len(), broken: broken.len(), words }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::PointData;

    const TEXT: &str = r#"
name = "mine"
question = "What?"
[load]
keys = 1
value_size = 1
[drive]
rate = 1
conns = 1
duration = "1s"
[[claim]]
holds = "ops_per_sec > 10"
[[published]]
source = "somebody, somewhere"
says = "It is fast."
holds = "ops_per_sec > 10"
"#;

    fn data(rates: &[f64]) -> Data {
        let point = |rate: &f64| PointData {
            label: format!("run {rate}"),
            figures: [("ops_per_sec".to_owned(), *rate)].into(),
            valid: true,
            ..PointData::default()
        };
        Data { points: rates.iter().map(point).collect(), ..Data::default() }
    }

    #[test]
    fn what_is_published_is_confirmed_refined_or_contradicted() {
        let scenario = Scenario::parse("mine.toml", TEXT).unwrap();
        for (rates, verdict, broken) in [
            (&[11.0, 12.0][..], Some("Confirms"), false),
            (&[9.0, 12.0], Some("Refines"), true),
            (&[9.0, 8.0], Some("Contradicts"), true),
            (&[], None, false),
        ] {
            let data = data(rates);
            let told = published(&scenario, &data);
            assert_eq!(told.first().map(|text| text.split(' ').next().unwrap()), verdict);
            assert_eq!(checked(&scenario, &data)[0].broken, broken, "{told:?}");
        }
        let mut data = data(&[9.0, 12.0]);
        assert!(published(&scenario, &data)[0].contains("9 with run 9"));
        data.points[0].valid = false;
        assert!(published(&scenario, &data)[0].starts_with("Not judged, because the figures"));
        let more = TEXT.replace("says = ", "cores = 3\nsays = ");
        let scenario = Scenario::parse("mine.toml", &more).unwrap();
        data.host.cpus = 2;
        assert!(published(&scenario, &data)[0].starts_with("Not judged, because 2 cores"));
    }
}
