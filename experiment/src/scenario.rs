//! A scenario: one question, and everything that has to run to answer it, as a TOML file.

mod rate;

mod tables;

mod fault_plan;

pub mod claim;

mod experiment;

mod check;

use std::fs;
use std::io;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use thiserror::Error;

pub use self::claim::Claim;
pub use self::experiment::{
    CasePlan, CeilingPlan, ClaimPlan, PlotKind, PlotPlan, PublishedPlan, Settings,
};
pub use self::fault_plan::FaultPlan;
pub use self::rate::Rate;
pub use self::tables::{DrivePlan, LoadPlan, PhasePlan, ProbePlan, QuickPlan};
use stallion_stack::StackPlan;

/// Files of `experiment/scenarios/`, by their names.
macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../scenarios/", $name, ".toml")))),*]
    };
}

/// The scenarios that every binary carries: name and text. A new one is its file, and its name here.
pub const EMBEDDED: [(&str, &str); 35] = embedded![
    "demo",
    "ceiling",
    "pipelining",
    "hot-key",
    "eviction",
    "fsync",
    "fork",
    "big-key",
    "live-reshard",
    "expiry",
    "stampede",
    "cold-start",
    "pool",
    "churn",
    "connections",
    "client-cache",
    "atomicity",
    "long-script",
    "proxy",
    "growth",
    "growth-live",
    "sharding",
    "failover-timeout",
    "partition",
    "replica-reads",
    "replica-lag",
    "resync",
    "lost-writes",
    "memory",
    "guard-rail",
    "durability",
    "io-threads",
    "vertical",
    "reshard",
    "failover",
];

/// What can make sentences of data, by name: that of which an embedded scenario is made.
pub(crate) fn findings() -> impl Iterator<Item = &'static str> {
    let line = |text: &'static str| text.lines().find_map(|line| line.strip_prefix("finding = "));
    EMBEDDED.iter().filter_map(move |(_, text)| line(text)).map(|name| name.trim_matches('"'))
}

/// Why a scenario could not be read.
#[derive(Debug, Error)]
pub enum ScenarioError {
    /// Neither a scenario's name nor a file.
    #[error(
        "there is no scenario `{name}`; there are: {}; or give the path of a .toml file",
        names()
    )]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The file cannot be read.
    #[error("cannot read {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: io::Error,
    },
    /// The text is no scenario: the parser names line and field.
    #[error("{file}: {error}")]
    Syntax {
        /// The file.
        file: String,
        /// What the parser found, with line, column and field.
        error: Box<toml::de::Error>,
    },
    /// A field's value makes no sense.
    #[error("{file} line {line}: `{field}`: {text}")]
    Value {
        /// The file.
        file: String,
        /// The line, counted from 1.
        line: usize,
        /// The field.
        field: String,
        /// What is wrong, and what is right.
        text: String,
    },
    /// What was set from outside of the text makes no sense.
    #[error("{file}: setting `{name}`: {text}")]
    Setting {
        /// The file.
        file: String,
        /// The setting.
        name: String,
        /// What is wrong, and what is right.
        text: String,
    },
}

fn names() -> String {
    let names: Vec<&str> = EMBEDDED.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

/// One question.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name, and that of its results' folder.
    pub name: String,
    /// What it asks, in a sentence.
    pub question: String,
    /// What makes sentences of its data; by default plots and claims are told.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub finding: Option<toml::Spanned<String>>,
    /// The servers.
    #[serde(default)]
    pub stack: StackPlan,
    /// What they hold.
    pub load: LoadPlan,
    /// The highest rate that meets an objective, searched before the measured load.
    #[serde(default)]
    pub ceiling: Option<CeilingPlan>,
    /// The measured load.
    pub drive: DrivePlan,
    /// The probes.
    #[serde(default)]
    pub probe: ProbePlan,
    /// What the stretches of the run are about.
    #[serde(default, rename = "phase")]
    pub phases: Vec<PhasePlan>,
    /// The faults that disturb it, and when.
    #[serde(default)]
    pub chaos: Vec<FaultPlan>,
    /// What is measured besides the load, and when.
    #[serde(default, rename = "task")]
    pub tasks: Vec<FaultPlan>,
    /// Settings with the values that are tried, all with all: `"drive.pipeline" = [1, 8]`.
    #[serde(default)]
    pub sweep: Settings,
    /// Several settings at once, each tried with all of the sweep.
    #[serde(default, rename = "case")]
    pub cases: Vec<CasePlan>,
    /// What is drawn.
    #[serde(default, rename = "plot")]
    pub plots: Vec<PlotPlan>,
    /// What is claimed and checked.
    #[serde(default, rename = "claim")]
    pub claims: Vec<ClaimPlan>,
    /// What others have published of it.
    #[serde(default)]
    pub published: Vec<PublishedPlan>,
    /// What `--scale small` sets instead.
    #[serde(default)]
    pub small: Settings,
    /// What `--quick` does to it.
    #[serde(default)]
    pub quick: QuickPlan,
}

impl Scenario {
    /// The text of an embedded scenario by its name, or of a file by its path, and how errors
    /// shall call it.
    ///
    /// # Errors
    /// [`ScenarioError::Unknown`] or [`ScenarioError::Io`].
    pub fn source(name: &str) -> Result<(String, String), ScenarioError> {
        if let Some((_, text)) = EMBEDDED.iter().find(|(embedded, _)| *embedded == name) {
            return Ok((format!("{name}.toml"), (*text).to_owned()));
        }
        let path = Path::new(name);
        if !path.exists() && path.extension().is_none() {
            return Err(ScenarioError::Unknown { name: name.to_owned() });
        }
        match fs::read_to_string(path) {
            Ok(text) => Ok((name.to_owned(), text)),
            Err(error) => Err(ScenarioError::Io { path: path.to_owned(), error }),
        }
    }

    /// Reads a scenario; `file` is what errors call it.
    ///
    /// # Errors
    /// [`ScenarioError::Syntax`] or [`ScenarioError::Value`], with line and field.
    pub fn parse(file: &str, text: &str) -> Result<Self, ScenarioError> {
        let mut scenario: Self = toml::from_str(text).map_err(|error| ScenarioError::Syntax {
            file: file.to_owned(),
            error: Box::new(error),
        })?;
        check::check(&mut scenario).map_err(|wrong| ScenarioError::Value {
            file: file.to_owned(),
            line: line_of(text, wrong.at),
            field: wrong.field,
            text: wrong.text,
        })?;
        Ok(scenario)
    }

    /// Whether it is more than one run with its report: several runs, or a finding from one.
    #[must_use]
    pub fn is_experiment(&self) -> bool {
        let nothing = self.finding.is_none() && self.plots.is_empty() && self.claims.is_empty();
        !(nothing && self.sweep.is_empty() && self.cases.is_empty() && self.ceiling.is_none())
    }

    /// The same scenario, smaller and shorter, as its `[quick]` table says.
    #[must_use]
    pub fn quick(mut self) -> Self {
        let QuickPlan { keys, time } = self.quick;
        let fewer = (self.load.keys.get() as f64 * keys) as u64;
        self.load.keys = NonZeroU64::new(fewer).unwrap_or(NonZeroU64::MIN);
        self.drive.warmup = scaled(self.drive.warmup, time);
        self.drive.duration = scaled(self.drive.duration, time);
        for phase in &mut self.phases {
            phase.start = scaled(phase.start, time);
        }
        for plan in self.chaos.iter_mut().chain(&mut self.tasks) {
            plan.shorten(|length| scaled(length, time));
        }
        self
    }

    /// Its faults and its tasks.
    #[must_use]
    pub fn injections(&self) -> Vec<&FaultPlan> {
        self.chaos.iter().chain(&self.tasks).collect()
    }
}

/// To the millisecond: flags and labels shall stay readable.
fn scaled(duration: Duration, factor: f64) -> Duration {
    Duration::from_millis((duration.as_secs_f64() * factor * 1e3).round() as u64)
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|b| **b == b'\n').count()
}

/// The JSON Schema of scenarios, as committed in `experiment/scenarios/schema.json`.
#[must_use]
pub fn json_schema() -> String {
    let schema = schemars::schema_for!(Scenario);
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}
