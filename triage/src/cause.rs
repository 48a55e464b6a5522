//! A cause, how strongly it is shown, and by what.

use serde::{Deserialize, Serialize};

/// What can make a hit rate fall. In the order of what is behind what: a node that is down sends
/// clients away, keys under new names fill the memory, and so on; of two that are shown alike, the
/// first is the cause and the other its consequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A node is down, unreachable, or came back with fewer keys.
    DegradedCluster,
    /// Slots move, or have moved, between nodes.
    Resharding,
    /// The keys that are asked for are not those that are stored.
    RenamedKeys,
    /// Keys live shorter than they did.
    ShorterTtls,
    /// Memory is full, and keys are thrown out (or writes refused).
    Evictions,
}

impl Kind {
    /// All, in their order.
    pub const ALL: [Self; 5] = [
        Self::DegradedCluster,
        Self::Resharding,
        Self::RenamedKeys,
        Self::ShorterTtls,
        Self::Evictions,
    ];

    /// What people call it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::DegradedCluster => "degraded cluster",
            Self::Resharding => "resharding",
            Self::RenamedKeys => "renamed keys",
            Self::ShorterTtls => "shorter times to live",
            Self::Evictions => "evictions",
        }
    }

    /// What to do about it, tonight and tomorrow.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::DegradedCluster => {
                "bring the node back or promote its replica (CLUSTER FAILOVER FORCE on the replica); \
                 if it came back empty, load its snapshot, or protect the store behind it while it \
                 warms"
            }
            Self::Resharding => {
                "see that clients follow MOVED and ASK and read the map anew; end what is under way \
                 (redis-cli --cluster check, then --cluster fix), and move fewer slots at a time"
            }
            Self::RenamedKeys => {
                "find the deploy that changed the names (a prefix, a version, a serialiser); roll it \
                 back, or read both names until the new ones are warm"
            }
            Self::ShorterTtls => {
                "find the deploy or setting that changed the expiry (EX, PX, EXPIRE) and set it back; \
                 with many keys that expire at one moment, jitter the times"
            }
            Self::Evictions => {
                "raise maxmemory or add shards; look for what has grown (redis-cli --bigkeys, \
                 --memkeys); for data that is a cache take allkeys-lru or allkeys-lfu"
            }
        }
    }
}

/// How strongly a cause is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strength {
    /// Something speaks against it, or nothing for it.
    None,
    /// Something of it is there; it does not explain the fall.
    Hint,
    /// What is seen is what it would look like.
    Likely,
    /// It is seen at work, and is large enough.
    Strong,
}

/// One thing that was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// In words and figures.
    pub text: String,
    /// The command and field that told it.
    pub source: String,
}

/// What a rule says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// Which cause.
    pub kind: Kind,
    /// How strongly it is shown.
    pub strength: Strength,
    /// By what; for a cause that is not shown, by what it is not.
    pub evidence: Vec<Evidence>,
}

impl Cause {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, strength: Strength::None, evidence: Vec::new() }
    }

    /// At least so strong.
    pub(crate) fn raise(&mut self, strength: Strength) {
        self.strength = self.strength.max(strength);
    }

    pub(crate) fn add(&mut self, source: &str, text: String) {
        self.evidence.push(Evidence { text, source: source.to_owned() });
    }
}

/// A rate for people.
pub(crate) fn per_second(rate: f64) -> String {
    match rate {
        _ if rate >= 10_000.0 => format!("{:.0} 000/s", rate / 1e3),
        _ if rate >= 10.0 || rate == 0.0 => format!("{rate:.0}/s"),
        _ => format!("{rate:.1}/s"),
    }
}

/// Bytes for people.
pub(crate) fn bytes(count: u64) -> String {
    match count as f64 {
        count if count >= 1e9 => format!("{:.2} GB", count / 1e9),
        count if count >= 1e6 => format!("{:.1} MB", count / 1e6),
        count => format!("{:.0} kB", count / 1e3),
    }
}

/// A time for people.
pub(crate) fn seconds(time: f64) -> String {
    match time {
        _ if time >= 2.0 * 86_400.0 => format!("{:.0} days", time / 86_400.0),
        _ if time >= 2.0 * 3_600.0 => format!("{:.0} h", time / 3_600.0),
        _ if time >= 120.0 => format!("{:.0} min", time / 60.0),
        _ if time >= 10.0 => format!("{time:.0} s"),
        _ => format!("{time:.1} s"),
    }
}

/// A share of 1 in per cent.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}
