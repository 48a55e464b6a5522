//! A scenario: one question, and everything that has to run to answer it, as a TOML file.

mod check;

mod rate;

use std::fs;
use std::io;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use thiserror::Error;
use toml::Spanned;

pub use self::rate::Rate;
use crate::chaos::Parameters;
use crate::duration;
use crate::stack::StackPlan;

/// The scenarios that every binary carries: name and text.
pub const EMBEDDED: [(&str, &str); 3] = [
    ("demo", include_str!("../../scenarios/demo.toml")),
    ("reshard", include_str!("../../scenarios/reshard.toml")),
    ("failover", include_str!("../../scenarios/failover.toml")),
];

/// Longer runs than this are a slip of the pen.
const LONGEST_RUN: Duration = Duration::from_secs(24 * 3600);

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
}

fn names() -> String {
    let names: Vec<&str> = EMBEDDED.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

/// One experiment.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name, and that of its results' folder.
    pub name: String,
    /// What it asks, in a sentence.
    pub question: String,
    /// The servers.
    #[serde(default)]
    pub stack: StackPlan,
    /// What they hold.
    pub load: LoadPlan,
    /// The measured load.
    pub drive: DrivePlan,
    /// The probes.
    #[serde(default)]
    pub probe: ProbePlan,
    /// What the stretches of the run are about.
    #[serde(default, rename = "phase")]
    pub phases: Vec<PhasePlan>,
    /// What disturbs it, and when.
    #[serde(default)]
    pub chaos: Vec<ChaosPlan>,
    /// What `--quick` does to it.
    #[serde(default)]
    pub quick: QuickPlan,
}

/// The keys before the run: `[load]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadPlan {
    /// How many.
    pub keys: NonZeroU64,
    /// Bytes of each value.
    pub value_size: u64,
    /// Seed of keys and values.
    #[serde(default)]
    pub seed: Option<u64>,
}

/// The measured load: `[drive]`, with the names of the flags of `stallion drive`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrivePlan {
    /// Requests per second over all connections, or `max` for the closed model.
    pub rate: Rate,
    /// When they are due: `constant` or `poisson`.
    #[serde(default)]
    pub arrivals: Option<String>,
    /// Connections in all.
    pub conns: u64,
    /// Requests in flight on each connection.
    #[serde(default)]
    pub pipeline: Option<u64>,
    /// Reads to writes, `R:W`.
    #[serde(default)]
    pub rw_ratio: Option<String>,
    /// `uniform` or `zipfian`.
    #[serde(default)]
    pub dist: Option<String>,
    /// Exponent of the Zipf law.
    #[serde(default)]
    pub zipf_s: Option<f64>,
    /// Traffic that the report leaves out.
    #[serde(default, deserialize_with = "duration::deserialize")]
    pub warmup: Duration,
    /// Traffic that counts.
    #[serde(deserialize_with = "length_of_run")]
    pub duration: Duration,
    /// Length of an interval of the timeline.
    #[serde(default, deserialize_with = "duration::optional::deserialize")]
    pub interval: Option<Duration>,
    /// Requests slower than this are told one by one.
    #[serde(default, deserialize_with = "duration::optional::deserialize")]
    pub slow_threshold: Option<Duration>,
    /// Whether each value read is compared with what was written.
    #[serde(default)]
    pub verify: bool,
}

/// The probes: `[probe]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbePlan {
    /// Whether the server is probed.
    pub enabled: bool,
}

impl Default for ProbePlan {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// What a stretch of the run is about: `[[phase]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhasePlan {
    /// Its start, from the end of the warm-up.
    pub at: Spanned<String>,
    /// The words that the report shows.
    pub label: String,
    #[serde(skip)]
    start: Duration,
}

/// A disturbance: `[[chaos]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChaosPlan {
    /// Its time, from the end of the warm-up.
    pub at: Spanned<String>,
    /// The action's name, as `stallion chaos --action` takes it.
    pub action: Spanned<String>,
    /// How long it lasts.
    #[serde(default, rename = "for", deserialize_with = "duration::optional::deserialize")]
    pub lasts: Option<Duration>,
    /// A word of redis.conf.
    #[serde(default)]
    pub policy: Option<String>,
    /// Fields of the hash it makes.
    #[serde(default)]
    pub fields: Option<u64>,
    /// Slots of a cluster that it moves, as `0-999`.
    #[serde(default)]
    pub slots: Option<String>,
    /// The node of a cluster that it moves them to, as `host:port`.
    #[serde(default)]
    pub to: Option<String>,
    #[serde(skip)]
    start: Duration,
}

/// How `--quick` shortens a scenario: `[quick]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuickPlan {
    /// The number of keys is multiplied by this.
    pub keys: f64,
    /// All times are multiplied by this.
    pub time: f64,
}

impl Default for QuickPlan {
    fn default() -> Self {
        Self { keys: 0.2, time: 0.4 }
    }
}

impl PhasePlan {
    /// Its start, from the end of the warm-up.
    #[must_use]
    pub fn start(&self) -> Duration {
        self.start
    }
}

impl ChaosPlan {
    /// Its time, from the end of the warm-up.
    #[must_use]
    pub fn start(&self) -> Duration {
        self.start
    }

    /// What the action is told.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        Parameters {
            lasts: self.lasts,
            policy: self.policy.clone(),
            fields: self.fields,
            slots: self.slots.clone(),
            to: self.to.clone(),
        }
    }
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
        for chaos in &mut self.chaos {
            chaos.start = scaled(chaos.start, time);
            chaos.lasts = chaos.lasts.map(|lasts| scaled(lasts, time));
        }
        self
    }
}

fn length_of_run<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
    let length = duration::deserialize(input)?;
    if length.is_zero() || length > LONGEST_RUN {
        let text = "`duration` must be more than 0s and at most a day";
        return Err(serde::de::Error::custom(text));
    }
    Ok(length)
}

/// To the millisecond: flags and labels shall stay readable.
fn scaled(duration: Duration, factor: f64) -> Duration {
    Duration::from_millis((duration.as_secs_f64() * factor * 1e3).round() as u64)
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|b| **b == b'\n').count()
}
