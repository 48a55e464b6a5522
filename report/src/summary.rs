//! The drive verb's own summary and plan, read leniently: a missing field is unknown, never an
//! error, because old and foreign-built timelines shall be readable, too.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::Value;
use stallion_timeline::AtLeast;

/// Percentiles of one distribution, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// Median.
    pub p50_ns: u64,
    /// 90 of 100 are at most this.
    pub p90_ns: u64,
    /// 99 of 100 are at most this.
    pub p99_ns: u64,
    /// 999 of 1 000 are at most this.
    pub p999_ns: u64,
    /// 9 999 of 10 000 are at most this.
    pub p9999_ns: u64,
    /// The largest.
    pub max_ns: u64,
    /// Those of them that are lower bounds, because requests without an answer lie among them.
    #[serde(skip_serializing_if = "AtLeast::is_empty")]
    pub at_least: AtLeast,
}

impl Percentiles {
    /// Reads them off a histogram; none when it is empty.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Option<Self> {
        let at = |quantile: f64| histogram.value_at_quantile(quantile);
        (!histogram.is_empty()).then(|| Self {
            p50_ns: at(0.5),
            p90_ns: at(0.9),
            p99_ns: at(0.99),
            p999_ns: at(0.999),
            p9999_ns: at(0.9999),
            max_ns: histogram.max(),
            at_least: AtLeast::default(),
        })
    }

    /// The same of a histogram of which `unanswered` is the part that has no answer.
    #[must_use]
    pub fn with_unanswered(
        histogram: &Histogram<u64>,
        unanswered: &Histogram<u64>,
    ) -> Option<Self> {
        let at_least = AtLeast::of(histogram, unanswered);
        Self::of(histogram).map(|percentiles| Self { at_least, ..percentiles })
    }

    /// Name and value of each, in order.
    #[must_use]
    pub fn rows(&self) -> [(&'static str, u64); 6] {
        [
            ("p50", self.p50_ns),
            ("p90", self.p90_ns),
            ("p99", self.p99_ns),
            ("p99.9", self.p999_ns),
            ("p99.99", self.p9999_ns),
            ("max", self.max_ns),
        ]
    }
}

/// Whether a run's figures may be believed, as the client itself judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The run is valid.
    pub valid: bool,
    /// Why not.
    pub reasons: Vec<String>,
    /// What does not spoil the run, and should be known.
    pub warnings: Vec<String>,
}

/// What the footer of a drive timeline says. Unknown figures are none.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    /// `open` or `closed`.
    pub model: Option<String>,
    /// The client's verdict on itself.
    pub verdict: Option<Verdict>,
    /// Client CPU per operation.
    pub client_cpu_ns_per_op: Option<f64>,
    /// Busy share of the busiest client thread, 0 to 1.
    pub client_busy_max: Option<f64>,
    /// Error replies by kind.
    pub errors: BTreeMap<String, u64>,
    /// Redirects by kind.
    pub redirects: BTreeMap<String, u64>,
    /// `due, sent, answered, failed, timeouts, lost, unsent`, those that were given.
    pub accounting: BTreeMap<String, u64>,
    /// Nodes and slots, as the client wrote them; null with a single server.
    #[serde(skip)]
    pub cluster: Value,
}

impl Summary {
    /// Reads the footer's summary object.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        Self {
            model: text(&value["model"]),
            verdict: value["verdict"]["valid"].as_bool().map(|valid| Verdict {
                valid,
                reasons: strings(&value["verdict"]["reasons"]),
                warnings: strings(&value["verdict"]["warnings"]),
            }),
            client_cpu_ns_per_op: value["client"]["cpu_ns_per_op"].as_f64(),
            client_busy_max: value["client"]["busy_max"].as_f64(),
            errors: counts(&value["errors"]),
            redirects: counts(&value["redirects"]),
            accounting: counts(&value["accounting"]),
            cluster: value["cluster"].clone(),
        }
    }
}

/// The fields of a plan that a reader wants to see, in this order, as name and text.
#[must_use]
pub fn plan_rows(plan: &Value) -> Vec<(String, String)> {
    let Some(object) = plan.as_object() else {
        return Vec::new();
    };
    object
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), plan_text(name, value)?)))
        .collect()
}

fn plan_text(name: &str, value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Number(number) if name.ends_with("_ns") => {
            number.as_u64().map(crate::words::duration)
        }
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn strings(value: &Value) -> Vec<String> {
    let items = value.as_array().map_or(&[][..], Vec::as_slice);
    items.iter().filter_map(text).collect()
}

fn counts(value: &Value) -> BTreeMap<String, u64> {
    let Some(object) = value.as_object() else {
        return BTreeMap::new();
    };
    object.iter().filter_map(|(name, count)| Some((name.clone(), count.as_u64()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_empty_summary_is_all_unknown() {
        assert_eq!(Summary::of(&Value::Null), Summary::default());
        assert_eq!(Summary::of(&json!({"verdict": 3, "errors": []})), Summary::default());
        assert!(plan_rows(&json!("text")).is_empty());
    }

    #[test]
    fn what_is_there_is_read() {
        let summary = Summary::of(&json!({
            "model": "open",
            "verdict": {"valid": false, "reasons": ["rate missed"]},
            "client": {"busy_max": 0.4},
            "accounting": {"due": 7, "note": "x"},
        }));
        assert_eq!(summary.model.as_deref(), Some("open"));
        assert_eq!(summary.verdict.unwrap().reasons, ["rate missed"]);
        assert_eq!(summary.accounting, BTreeMap::from([("due".to_owned(), 7)]));
    }
}
