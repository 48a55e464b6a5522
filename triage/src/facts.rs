//! What was seen: counters of every server over a window and over its life, the cluster's map, and a
//! sample of the keys. Written to a file, it is what a later triage compares with.

use serde::{Deserialize, Serialize};

/// Version of this object's form.
pub const FORMAT: u32 = 1;

/// Everything that was asked of the servers at one time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// When, in seconds since 1970.
    pub at_unix_s: f64,
    /// How long the counters were watched, in seconds.
    pub window_s: f64,
    /// The servers that answered.
    pub nodes: Vec<Node>,
    /// Those that should be there and did not answer: address and reason.
    #[serde(default)]
    pub silent: Vec<Silent>,
    /// The cluster, when it is one.
    #[serde(default)]
    pub cluster: Option<Cluster>,
    /// Some of the keys.
    pub sample: Sample,
    /// The newest entries of SLOWLOG.
    #[serde(default)]
    pub slow: Vec<Slow>,
    /// What LATENCY LATEST tells.
    #[serde(default)]
    pub latency: Vec<LatencyEvent>,
    /// What the probes saw of the servers' main threads while the counters were watched.
    #[serde(default)]
    pub stalls: Vec<Stall>,
    /// What could not be asked, and why.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// One server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// `host:port`.
    pub address: String,
    /// It is a primary (or no replica, at least).
    pub primary: bool,
    /// The server's own id of this start; another one after a restart.
    pub run_id: String,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// `maxmemory-policy`.
    pub policy: String,
    /// `used_memory`.
    pub used_memory_bytes: u64,
    /// `maxmemory`; 0 is none.
    pub maxmemory_bytes: u64,
    /// Keys of all databases.
    pub keys: u64,
    /// Those of them that expire some time.
    pub expiring_keys: u64,
    /// What was counted in the window.
    pub window: Counters,
    /// What was counted since the server started (or since CONFIG RESETSTAT) until the window began.
    pub life: Counters,
}

/// Counters of INFO.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// `keyspace_hits`.
    pub hits: u64,
    /// `keyspace_misses`.
    pub misses: u64,
    /// `evicted_keys`.
    pub evicted: u64,
    /// `expired_keys`.
    pub expired: u64,
    /// `total_commands_processed`.
    pub commands: u64,
    /// Errors OOM: a write that the memory limit refused.
    pub oom: u64,
    /// Errors MOVED.
    pub moved: u64,
    /// Errors ASK.
    pub ask: u64,
    /// Errors TRYAGAIN.
    pub tryagain: u64,
    /// Errors CLUSTERDOWN, MASTERDOWN and LOADING.
    pub down: u64,
    /// Calls of MIGRATE and of RESTORE.
    pub migrated: u64,
    /// Calls of RENAME and RENAMENX.
    pub renamed: u64,
    /// Calls of FLUSHALL and FLUSHDB.
    pub flushed: u64,
}

impl Counters {
    /// GETs and their like that came to the keys.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.hits.saturating_add(self.misses)
    }

    /// Answers that sent the client elsewhere or away.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.redirected().saturating_add(self.down)
    }

    /// Answers that sent the client elsewhere.
    #[must_use]
    pub fn redirected(&self) -> u64 {
        self.moved.saturating_add(self.ask).saturating_add(self.tryagain)
    }

    /// The sum of both.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        self.with(other, u64::saturating_add)
    }

    /// What was added since `before`; a counter that was reset has added nothing that is known.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        self.with(before, u64::saturating_sub)
    }

    fn with(&self, other: &Self, join: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            hits: join(self.hits, other.hits),
            misses: join(self.misses, other.misses),
            evicted: join(self.evicted, other.evicted),
            expired: join(self.expired, other.expired),
            commands: join(self.commands, other.commands),
            oom: join(self.oom, other.oom),
            moved: join(self.moved, other.moved),
            ask: join(self.ask, other.ask),
            tryagain: join(self.tryagain, other.tryagain),
            down: join(self.down, other.down),
            migrated: join(self.migrated, other.migrated),
            renamed: join(self.renamed, other.renamed),
            flushed: join(self.flushed, other.flushed),
        }
    }
}

/// A server that did not answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silent {
    /// `host:port`.
    pub address: String,
    /// What happened.
    pub reason: String,
}

/// A cluster as its nodes see it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Every node that answered says `cluster_state:ok`.
    pub ok: bool,
    /// Slots that somebody serves and who is well.
    pub slots_ok: u16,
    /// Slots that are on their way between two nodes.
    pub slots_open: u32,
    /// Its members.
    pub members: Vec<Member>,
}

/// One member of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its id, which it keeps for ever.
    pub id: String,
    /// `host:port`.
    pub address: String,
    /// It is a primary.
    pub primary: bool,
    /// The others say that it has failed.
    pub failed: bool,
    /// The primary that it follows.
    pub follows: Option<String>,
    /// First and last of each run of slots that it serves.
    pub slots: Vec<[u16; 2]>,
}

/// Some of the keys, over all primaries.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// How many were looked at.
    pub keys: u64,
    /// Whether the servers know when a key was last read (with an LFU policy they do not).
    pub idle_known: bool,
    /// They by the pattern of their names, the largest first.
    pub families: Vec<Family>,
}

/// Keys whose names have one pattern.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Family {
    /// Such as `user:#:name`.
    pub pattern: String,
    /// How many of the sample.
    pub keys: u64,
    /// How many of them expire some time.
    pub expiring: u64,
    /// Time to live that is left to those, in seconds: half of them have less.
    pub ttl_p50_s: f64,
    /// Nine of ten have less.
    pub ttl_p90_s: f64,
    /// How many of them somebody has read or written in the window, as OBJECT IDLETIME tells.
    pub touched: u64,
    /// Time since that of the one that was touched last, in seconds.
    pub idle_least_s: f64,
}

/// An entry of SLOWLOG.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Slow {
    /// The server.
    pub address: String,
    /// The command's name.
    pub command: String,
    /// How long it took.
    pub ms: f64,
    /// How long ago it was, in seconds.
    pub ago_s: f64,
}

/// A line of LATENCY LATEST.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencyEvent {
    /// The server.
    pub address: String,
    /// Such as `fork` or `expire-cycle`.
    pub event: String,
    /// How long the newest one took.
    pub latest_ms: f64,
    /// How long the longest took.
    pub longest_ms: f64,
    /// How long ago the newest was, in seconds.
    pub ago_s: f64,
}

/// What the probes saw, summed by class.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Stall {
    /// The class's name, as `fork`.
    pub class: String,
    /// How often.
    pub count: u64,
    /// Together.
    pub total_ms: f64,
    /// The longest.
    pub longest_ms: f64,
}
