//! The tables of a scenario that say what one run is.

use std::num::NonZeroU64;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::rate::Rate;
use stallion_server::duration;

/// Longer runs than this are a slip of the pen.
const LONGEST_RUN: Duration = Duration::from_secs(24 * 3600);

/// The keys before the run: `[load]`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoadPlan {
    /// How many.
    pub keys: NonZeroU64,
    /// Bytes of each value.
    pub value_size: u64,
    /// Seed of keys and values.
    #[serde(default)]
    pub seed: Option<u64>,
    /// Share of the keys that expire, 0 to 1.
    #[serde(default)]
    pub ttl_frac: Option<f64>,
    /// Time to live of those in seconds, as `60-3600`.
    #[serde(default)]
    pub ttl_range: Option<String>,
}

/// The measured load: `[drive]`, with the names of the flags of `stallion drive`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DrivePlan {
    /// Requests per second over all connections, `max` for the closed model, or a share of the
    /// ceiling that `[ceiling]` found, as `80% of ceiling`.
    #[schemars(with = "serde_json::Value")]
    pub rate: Rate,
    /// When they are due: `constant` or `poisson`.
    #[serde(default)]
    pub arrivals: Option<String>,
    /// Connections in all.
    pub conns: u64,
    /// Requests in flight on each connection; 0 is one, too: what is not pipelined.
    #[serde(default)]
    pub pipeline: Option<u64>,
    /// So many commands at a time between MULTI and EXEC; 0 is none.
    #[serde(default)]
    pub tx: Option<u64>,
    /// Reads to writes, `R:W`.
    #[serde(default)]
    pub rw_ratio: Option<String>,
    /// Commands by weight, such as `get=80,set=15`, instead of `rw_ratio`.
    #[serde(default)]
    pub mix: Option<String>,
    /// One command of this Lua script, by EVALSHA, instead of `rw_ratio`.
    #[serde(default)]
    pub lua: Option<String>,
    /// What follows the script's number of keys.
    #[serde(default)]
    pub lua_args: Option<String>,
    /// `uniform`, `zipfian`, `hotspot`, `gaussian` or `sequential`.
    #[serde(default)]
    pub dist: Option<String>,
    /// Exponent of the Zipf law.
    #[serde(default)]
    pub zipf_s: Option<f64>,
    /// What is done for hot keys: `measure`, `local-cache`, `key-split`, `coalesce`.
    #[serde(default)]
    pub mitigation: Option<String>,
    /// How the client waits: `block`, `adaptive` or `spin` (least late, a whole core).
    #[serde(default)]
    pub wait: Option<String>,
    /// Traffic that the report leaves out.
    #[serde(default, deserialize_with = "duration::deserialize")]
    #[schemars(with = "String")]
    pub warmup: Duration,
    /// Traffic that counts.
    #[serde(deserialize_with = "length_of_run")]
    #[schemars(with = "String")]
    pub duration: Duration,
    /// Length of an interval of the timeline.
    #[serde(default, deserialize_with = "duration::optional::deserialize")]
    #[schemars(with = "Option<String>")]
    pub interval: Option<Duration>,
    /// Requests slower than this are told one by one.
    #[serde(default, deserialize_with = "duration::optional::deserialize")]
    #[schemars(with = "Option<String>")]
    pub slow_threshold: Option<Duration>,
    /// Whether each value read is compared with what was written.
    #[serde(default)]
    pub verify: bool,
    /// Any further flags of `stallion drive`, word by word.
    #[serde(default)]
    pub args: Vec<String>,
}

/// The probes: `[probe]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PhasePlan {
    /// Its start, from the end of the warm-up.
    #[schemars(with = "String")]
    pub at: Spanned<String>,
    /// The words that the report shows.
    pub label: String,
    #[serde(skip)]
    pub(super) start: Duration,
}

/// How `--quick` shortens a scenario that has no `[small]` table: `[quick]`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
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

fn length_of_run<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
    let length = duration::deserialize(input)?;
    if length.is_zero() || length > LONGEST_RUN {
        let text = "`duration` must be more than 0s and at most a day";
        return Err(serde::de::Error::custom(text));
    }
    Ok(length)
}
