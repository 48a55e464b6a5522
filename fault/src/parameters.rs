//! What actions are told.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stallion_server::duration;

/// The name of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    /// [`Parameters::lasts`].
    For,
    /// [`Parameters::policy`].
    Policy,
    /// [`Parameters::fields`].
    Fields,
    /// [`Parameters::kind`].
    Kind,
    /// [`Parameters::keys`].
    Keys,
    /// [`Parameters::count`].
    Count,
    /// [`Parameters::memory`].
    Memory,
    /// [`Parameters::slots`].
    Slots,
    /// [`Parameters::to`].
    To,
    /// [`Parameters::delay`].
    Delay,
    /// [`Parameters::loss`].
    Loss,
    /// [`Parameters::device`].
    Device,
}

impl Parameter {
    /// The name in scenarios, and the flag without its dashes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::For => "for",
            Self::Policy => "policy",
            Self::Fields => "fields",
            Self::Kind => "kind",
            Self::Keys => "keys",
            Self::Count => "count",
            Self::Memory => "memory",
            Self::Slots => "slots",
            Self::To => "to",
            Self::Delay => "delay",
            Self::Loss => "loss",
            Self::Device => "device",
        }
    }
}

/// What an action may be told; each takes only those that it names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// How long the disturbance lasts.
    #[serde(rename = "for", with = "duration::optional", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Duration>,
    /// A word that the action knows, such as one of redis.conf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Elements of the big key it creates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fields: Option<u64>,
    /// Which command on which kind of big key, as `lrange`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Keys that it creates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<u64>,
    /// Connections that it opens, or processes that it starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// A limit of memory, as `100mb`, or as a share of what is used, `80%`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Slots of a cluster, as `0-999`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slots: Option<String>,
    /// A node, as `host:port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// How much later packets arrive.
    #[serde(with = "duration::optional", skip_serializing_if = "Option::is_none")]
    pub delay: Option<Duration>,
    /// Share of the packets that is lost, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// The network device that it acts on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

impl Parameters {
    /// Those that are given.
    pub(crate) fn given(&self) -> impl Iterator<Item = Parameter> {
        [
            (Parameter::For, self.lasts.is_some()),
            (Parameter::Policy, self.policy.is_some()),
            (Parameter::Fields, self.fields.is_some()),
            (Parameter::Kind, self.kind.is_some()),
            (Parameter::Keys, self.keys.is_some()),
            (Parameter::Count, self.count.is_some()),
            (Parameter::Memory, self.memory.is_some()),
            (Parameter::Slots, self.slots.is_some()),
            (Parameter::To, self.to.is_some()),
            (Parameter::Delay, self.delay.is_some()),
            (Parameter::Loss, self.loss.is_some()),
            (Parameter::Device, self.device.is_some()),
        ]
        .into_iter()
        .filter_map(|(parameter, given)| given.then_some(parameter))
    }
}
