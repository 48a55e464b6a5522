//! The tables of a scenario that make an experiment of a run: what is swept, what is plotted, and
//! what is claimed.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stallion_server::duration;
use toml::Spanned;

/// Settings by their dotted names, such as `drive.pipeline`; tables within say the same.
pub type Settings = BTreeMap<String, Value>;

/// One of several things that are tried: `[[case]]`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CasePlan {
    /// What plots and findings call it.
    pub label: String,
    /// What it sets.
    #[serde(default)]
    pub set: Settings,
}

/// The search for the highest rate before the run: `[ceiling]`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CeilingPlan {
    /// The objective that the rate must meet, as `p99<1ms`.
    pub slo: String,
    /// Length of each step.
    #[serde(default = "second", deserialize_with = "duration::deserialize")]
    #[schemars(with = "String")]
    pub step: Duration,
    /// How near to close in, as a share of the rate.
    #[serde(default)]
    pub precision: Option<f64>,
    /// How often to repeat around the result.
    #[serde(default)]
    pub repeats: Option<u64>,
    /// Whether redis-benchmark measures the same before.
    #[serde(default)]
    pub redis_benchmark: bool,
}

fn second() -> Duration {
    Duration::from_secs(1)
}

/// A picture of the results: `[[plot]]`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlotPlan {
    /// The file's name without `.svg`.
    pub name: String,
    /// What stands above it.
    pub title: String,
    /// A swept setting or a figure; `time` for each run over time.
    pub x: String,
    /// What the axis is called, when that is not the name of `x`.
    #[serde(default)]
    pub x_label: Option<String>,
    /// A figure; with `time` a column of the time series (`p99_us`, `ops_per_sec` …).
    pub y: String,
    /// What the axis is called, when that is not the name of `y`.
    #[serde(default)]
    pub y_label: Option<String>,
    /// Swept settings whose values are lines of their own. By default all but `x`.
    #[serde(default)]
    pub series: Option<Vec<String>>,
    /// Only the points whose settings have these values.
    #[serde(default, rename = "where")]
    pub filter: Settings,
    /// Line, bars, or dots.
    #[serde(default)]
    pub kind: PlotKind,
    /// Whether the y axis is logarithmic.
    #[serde(default)]
    pub log_y: bool,
    /// The figures are divided by this, for example 1000 for ms from us.
    #[serde(default)]
    pub divide_y: Option<f64>,
}

/// How a plot is drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PlotKind {
    /// Points joined by lines.
    #[default]
    Line,
    /// Bars beside each other.
    Bar,
}

/// What others have published, and what our figures would have to be if that held here:
/// `[[published]]`. It is confirmed, refined (by the runs in which it does not hold) or contradicted.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishedPlan {
    /// Who says so, and where.
    pub source: String,
    /// What is said, in a sentence.
    pub says: String,
    /// As in `[[claim]]`.
    #[schemars(with = "String")]
    pub holds: Spanned<String>,
    /// As in `[[claim]]`.
    #[serde(default, rename = "where")]
    pub filter: Settings,
    /// Cores of the host that it takes: with fewer it is not judged, as servers that share a core show
    /// nothing of what several do.
    #[serde(default)]
    pub cores: u32,
}

/// What is claimed of the results, and checked: `[[claim]]`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimPlan {
    /// For example `p99 < 1ms at 80% of ceiling`, `hit_rate > 90%`, `p999 < 5ms at BGSAVE`,
    /// `ops_per_sec > 90% of direct` (the run of that case).
    #[schemars(with = "String")]
    pub holds: Spanned<String>,
    /// Only for the points whose settings have these values.
    #[serde(default, rename = "where")]
    pub filter: Settings,
}
