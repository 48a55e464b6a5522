//! The compact data of an experiment: what plots, claims and findings are made of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stallion_timeline::HostFacts;

use crate::scenario::{Claim, Rate, Settings};

/// Version of this object's form.
pub const FORMAT: u32 = 1;

/// Everything that an experiment came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// The scenario's name.
    pub scenario: String,
    /// What it asks.
    pub question: String,
    /// `small` or `full`.
    pub scale: String,
    /// The command that makes it again.
    pub command: String,
    /// Name and version of the program.
    pub tool: String,
    /// The server program and its version.
    pub server: String,
    /// The host, without which no absolute figure means anything.
    pub host: HostFacts,
    /// The runs.
    pub points: Vec<PointData>,
}

/// What one run came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PointData {
    /// Its settings in words.
    pub label: String,
    /// The digest of its plan.
    pub digest: String,
    /// Its settings.
    pub at: Settings,
    /// The load, as the plan writes it.
    pub rate: String,
    /// Whether the client's own figures may be believed.
    pub valid: bool,
    /// Whether the kernel was watched.
    pub probed: bool,
    /// What should be known before its figures are believed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Disturbances that failed or did not begin.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undone: Vec<String>,
    /// Figures by name; the unit is in the name.
    pub figures: BTreeMap<String, f64>,
    /// Words by name.
    #[serde(default)]
    pub words: BTreeMap<String, String>,
    /// How the run went over time.
    #[serde(rename = "course", default, skip_serializing_if = "TimeSeries::is_empty")]
    pub time_series: TimeSeries,
}

/// The word that has what made a run invalid.
pub const INVALID: &str = "invalid";

/// A run over time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TimeSeries {
    /// The names of the columns; the first is the time in seconds.
    pub columns: Vec<String>,
    /// A row for each stretch of time.
    pub rows: Vec<Vec<f64>>,
    /// Disturbances.
    pub marks: Vec<Mark>,
}

/// A disturbance on the time axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// The action.
    pub action: String,
    /// Its begin in seconds.
    pub begin_s: f64,
    /// Its end in seconds.
    pub end_s: f64,
}

impl TimeSeries {
    fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Time and value of each row of a column.
    #[must_use]
    pub fn column(&self, name: &str) -> Vec<(f64, f64)> {
        let Some(at) = self.columns.iter().position(|column| column == name) else {
            return Vec::new();
        };
        let pairs = self.rows.iter().filter_map(|row| Some((*row.first()?, *row.get(at)?)));
        pairs.filter(|(_, value)| value.is_finite()).collect()
    }
}

impl Data {
    /// What a claim is about: its figure in each run that it applies to.
    #[must_use]
    pub fn claimed(&self, claim: &Claim, filter: &Settings) -> Vec<(f64, &PointData)> {
        let points = self.points.iter().filter(|point| point.matches(filter));
        let figure = |point: &PointData| {
            let value = point.claimed(claim)?;
            match &claim.of {
                None => Some(value),
                Some(name) => {
                    let base = self.base(point, name)?.claimed(claim)?;
                    (base != 0.0).then_some(value / base)
                }
            }
        };
        points.filter_map(|point| Some((figure(point)?, point))).collect()
    }

    /// The other run that differs in one setting, which has this value there.
    fn base(&self, point: &PointData, name: &str) -> Option<&PointData> {
        self.points.iter().find(|other| {
            let mut differ = point.at.keys().filter(|at| point.at.get(*at) != other.at.get(*at));
            differ.next().is_some_and(|at| other.word(at) == name) && differ.next().is_none()
        })
    }
}

impl PointData {
    /// The swept setting whose last name is one of these: an argument of a fault had another name in
    /// older results. Empty where none is swept.
    #[must_use]
    pub fn setting(&self, names: &[&str]) -> &str {
        let found = self
            .at
            .keys()
            .find(|setting| setting.rsplit('.').next().is_some_and(|last| names.contains(&last)));
        found.map_or("", String::as_str)
    }

    /// What made the client call its own figures invalid, in the words before its reasons' colons.
    #[must_use]
    pub fn reasons(&self) -> Vec<&str> {
        let told = self.words.get(INVALID).map(String::as_str);
        told.map_or_else(Vec::new, |told| told.split(", ").collect())
    }

    /// Whether its rates and times say nothing of the servers. A rate that the server, the link or the
    /// number of connections cannot take is no such case: these are what was asked about.
    #[must_use]
    pub fn is_doubtful(&self) -> bool {
        const ASKED: [&str; 2] = ["rate-missed", "network-bound"];
        let reasons = self.reasons();
        !self.valid && (reasons.is_empty() || reasons.iter().any(|reason| !ASKED.contains(reason)))
    }

    /// Whether the client was late or the bottleneck, which may be otherwise another time.
    #[must_use]
    pub fn is_spoilt(&self) -> bool {
        let reasons = self.reasons();
        !self.valid && (reasons.is_empty() || reasons.contains(&"generator-bound"))
    }

    /// A figure by its name.
    #[must_use]
    pub fn figure(&self, name: &str) -> Option<f64> {
        self.figures.get(name).copied()
    }

    /// A setting as a number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<f64> {
        self.at.get(name).and_then(Value::as_f64)
    }

    /// A setting as text; empty when it is not swept.
    #[must_use]
    pub fn word(&self, name: &str) -> String {
        self.at.get(name).map(crate::sweep::word).unwrap_or_default()
    }

    /// Whether its settings have these values.
    #[must_use]
    pub fn matches(&self, filter: &Settings) -> bool {
        filter.iter().all(|(name, value)| self.at.get(name) == Some(value))
    }

    /// What a claim's figure is here; none where it does not apply.
    #[must_use]
    pub fn claimed(&self, claim: &Claim) -> Option<f64> {
        match claim.at.as_deref() {
            None => self.figure(&claim.figure),
            Some(at) if same_rate(at, &self.rate) => self.figure(&claim.figure),
            Some(at) => self
                .figure(&format!("phase.{at}.{}", claim.figure))
                .or_else(|| self.figure(&format!("{at}.{}", claim.figure))),
        }
    }
}

/// `80 % of ceiling` is `80% of ceiling`.
fn same_rate(one: &str, other: &str) -> bool {
    let rate = |text: &str| serde_json::from_value::<Rate>(Value::String(text.to_owned())).ok();
    rate(one).is_some() && rate(one) == rate(other)
}

/// To five digits: more is noise, and makes the data large.
#[must_use]
pub fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let digits = 4 - value.abs().log10().floor() as i32;
    let text = if digits >= 0 {
        format!("{value:.*}", digits.unsigned_abs() as usize)
    } else {
        let step = 10f64.powi(-digits);
        format!("{}", (value / step).round() * step)
    };
    text.parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_rounded_and_claims_find_theirs() {
        assert_eq!(rounded(123_456.0), 123_460.0);
        assert_eq!(
            (rounded(0.012_345_678), rounded(0.0), rounded(f64::NAN)),
            (0.012_346, 0.0, 0.0)
        );
        let point = PointData {
            rate: "80% of ceiling".to_owned(),
            figures: BTreeMap::from([
                ("p99_us".to_owned(), 700.0),
                ("phase.BGSAVE.p99_us".to_owned(), 9_000.0),
            ]),
            ..PointData::default()
        };
        let claimed = |text: &str| point.claimed(&Claim::parse(text).unwrap());
        assert_eq!(claimed("p99 < 1ms at 80 % of ceiling"), Some(700.0));
        assert_eq!(claimed("p99 < 1ms at 90 % of ceiling"), None);
        assert_eq!(claimed("p99 < 1ms at BGSAVE"), Some(9_000.0));
    }

    #[test]
    fn a_rate_that_the_server_cannot_take_is_no_fault_of_the_client() {
        let run = |reasons: &str| PointData {
            words: BTreeMap::from([(INVALID.to_owned(), reasons.to_owned())]),
            ..PointData::default()
        };
        for (reasons, is_doubtful, is_spoilt) in [
            ("rate-missed", false, false),
            ("network-bound", false, false),
            ("generator-bound", true, true),
            ("rate-missed, generator-bound", true, true),
            ("rate-missed, refused", true, false),
        ] {
            let run = run(reasons);
            assert_eq!((run.is_doubtful(), run.is_spoilt()), (is_doubtful, is_spoilt), "{reasons}");
            let valid = PointData { valid: true, ..run };
            assert!(!valid.is_doubtful() && !valid.is_spoilt());
        }
        assert!(PointData::default().is_doubtful(), "nothing is known of it");
    }

    #[test]
    fn a_figure_may_be_a_multiple_of_that_of_another_run() {
        let run = |case: &str, depth: u64, ops: f64| PointData {
            at: Settings::from([
                ("case".to_owned(), Value::from(case)),
                ("drive.pipeline".to_owned(), Value::from(depth)),
            ]),
            figures: BTreeMap::from([("ops_per_sec".to_owned(), ops)]),
            ..PointData::default()
        };
        let points = vec![
            run("direct", 1, 100.0),
            run("direct", 8, 500.0),
            run("proxy", 1, 50.0),
            run("proxy", 8, 400.0),
        ];
        let data = Data { points, ..Data::default() };
        let claim = Claim::parse("ops_per_sec > 60% of direct").unwrap();
        let found = data.claimed(&claim, &Settings::new());
        let found: Vec<f64> = found.iter().map(|(value, _)| *value).collect();
        assert_eq!(found, [0.5, 0.8]);
    }
}
