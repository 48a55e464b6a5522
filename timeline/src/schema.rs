//! The records of a timeline. Units are in the names; times are CLOCK_MONOTONIC nanoseconds.

mod cluster;

mod store;

mod stall;

mod interval;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::host::HostFacts;

pub use cluster::{ClusterInterval, DividedRequests, NodeShare, Outage, Redirects, SlotShare};
pub use interval::{Interval, OpCounts};
pub use stall::{Stall, StallClass, ThreadRole};
pub use store::StoreInterval;

/// The version of this schema. A reader refuses a file of another one.
pub const SCHEMA_VERSION: u32 = 1;

/// One line of a timeline.
#[expect(
    clippy::large_enum_variant,
    reason = "most lines of a client's timeline are intervals: a box would save no memory"
)]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// First line: who wrote the file, on what host, with which plan.
    Header(Header),
    /// From here on the run is in this phase.
    Phase(Phase),
    /// What the client saw in one interval.
    Interval(Interval),
    /// What the server said of itself (INFO, SLOWLOG, LATENCY).
    Server(Server),
    /// A disturbance that Stallion itself made.
    Chaos(Chaos),
    /// Time in which the server, or one of its threads, could not go on.
    Stall(Stall),
    /// One request that was slow.
    SlowOp(SlowOp),
    /// Something was not recorded.
    Loss(Loss),
    /// The client had something to do and did not run.
    ClientLate(ClientLate),
    /// Slots of a cluster failed for a while.
    Outage(Outage),
    /// Another host's clock, as it was measured.
    PeerClock(PeerClock),
    /// Last line: the totals. Without it the run was cut off.
    Footer(Footer),
}

/// Which verb wrote a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The loader.
    Load,
    /// The measured client.
    Drive,
    /// The eBPF probes on the Redis host.
    Probe,
    /// Chaos actions on their own.
    Chaos,
    /// The search for the highest rate.
    Ceiling,
}

/// A stretch in which a thread of the client had something to do and did not run: it was stopped,
/// descheduled, or its core was stolen by the hypervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClientLate {
    /// When it was meant to go on.
    pub start_ns: u64,
    /// When it did.
    pub end_ns: u64,
    /// Which of the client's rings, counted from 0.
    pub ring: u32,
}

/// Another host's clock against that of the file: from the fastest of many exchanges of four
/// timestamps, at the start and at the end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PeerClock {
    /// When, on the file's own clock.
    pub at_ns: u64,
    /// Who was asked, as address and port.
    pub peer: String,
    /// The peer's boot id, which its own timeline carries in its header.
    pub boot_id: String,
    /// Add this to a time of the peer to get a time of this file.
    pub offset_ns: i64,
    /// Right to within plus or minus this.
    pub error_ns: u64,
}

/// The first line of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Header {
    /// [`SCHEMA_VERSION`] of the writer.
    pub schema: u32,
    /// Name and version of the program, for example `stallion 0.1.0`.
    pub tool: String,
    /// The verb that wrote the file.
    pub role: Role,
    /// The host that wrote it.
    pub host: HostFacts,
    /// The clock of every time in it.
    pub clock: Clock,
    /// What was asked for, as the verb's own object.
    pub plan: serde_json::Value,
    /// The server, for example `redis://127.0.0.1:6379`; passwords never appear.
    #[serde(default)]
    pub target: String,
    /// State of each probe; empty for other roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<ProbeState>,
}

/// Whether one probe watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProbeState {
    /// Name of the probe: the stem of its file in `probes/stalls`.
    pub name: String,
    /// The kernel hooks it uses, for people.
    pub hook: String,
    /// Whether it is attached.
    pub status: ProbeStatus,
    /// Why it is disabled or failed, and what to do; of an active one, what it lacks on this host.
    #[serde(default)]
    pub reason: String,
}

/// Whether a probe is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProbeStatus {
    /// Attached and reporting.
    Active,
    /// Not wanted, or needless here.
    Disabled,
    /// Wanted, and refused by the host.
    Failed,
}

/// Start of a phase of a run. It ends where the next one starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Phase {
    /// Which phase begins.
    pub name: PhaseName,
    /// When it begins.
    pub start_ns: u64,
    /// What this stretch is about, in the scenario's words ("appendfsync always"); may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
}

/// The phases of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PhaseName {
    /// Filling keys.
    Fill,
    /// Traffic that the report leaves out.
    Warmup,
    /// Traffic that counts.
    Measure,
    /// Nothing new is sent; answers still due are awaited.
    Drain,
}

/// What the server said of itself at one time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Server {
    /// When it was asked (midpoint of the exchange).
    pub at_ns: u64,
    /// Which server, as `host:port`.
    pub target: String,
    /// Fields of INFO as they are named there, those that are numbers; of a replica that is read also
    /// `replica_lag_bytes`: by how much its replication offset is behind its primary's.
    #[serde(default)]
    pub info: BTreeMap<String, f64>,
    /// New entries of SLOWLOG since the last record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slowlog: Vec<SlowlogEntry>,
    /// Newest sample of each LATENCY event: name to milliseconds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub latency_ms: BTreeMap<String, f64>,
}

/// One entry of SLOWLOG.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SlowlogEntry {
    /// The server's running id of the entry.
    pub id: i64,
    /// Wall time of the start in seconds since the epoch (the server's resolution).
    pub unix_s: i64,
    /// Duration in microseconds.
    pub duration_us: i64,
    /// The command and its first arguments, shortened.
    pub command: String,
}

/// A disturbance made by Stallion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Chaos {
    /// The action's name, as `--action` takes it.
    pub action: String,
    /// Which server.
    pub target: String,
    /// When it began.
    pub begin_ns: u64,
    /// When it ended.
    pub end_ns: u64,
    /// `ok`, or what went wrong.
    pub outcome: String,
    /// What it did, in figures, for example `{"latest_fork_usec": 44743}`.
    #[serde(default)]
    pub detail: serde_json::Value,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Answered: a value, OK or a number.
    Ok,
    /// A read that found nothing.
    Miss,
    /// An error reply.
    Error,
    /// No answer in time.
    Timeout,
    /// The connection was lost.
    Lost,
}

/// One slow request.
///
/// Intervals keep a bounded, uniformly drawn sample of their slow requests; `Interval::slow_count`
/// over the number of records of that interval is the weight of each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SlowOp {
    /// Intended time.
    pub due_ns: u64,
    /// Time of sending.
    pub sent_ns: u64,
    /// Time of the answer.
    pub done_ns: u64,
    /// Command name, for example `get`.
    pub command: String,
    /// Number of the key.
    pub key: u64,
    /// Hash slot of the key (CRC16 modulo 16384).
    pub slot: u16,
    /// Connection, counted over the whole client.
    pub connection: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// How many requests stood before it on the same connection when it was sent.
    #[serde(default)]
    pub ahead: u32,
    /// The part of `sent_ns - due_ns`, at its end, in which a connection was free: the client's
    /// own lateness.
    #[serde(default)]
    pub own_lag_ns: u64,
    /// The node of a cluster that answered it, or was to answer it, as address and port; none of a
    /// single server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

/// Something that could not be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Loss {
    /// When it was noticed.
    pub at_ns: u64,
    /// Who lost it, for example `ring buffer` or `slow_op`.
    pub source: String,
    /// How many.
    pub count: u64,
}

/// The last line of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Footer {
    /// When the run ended.
    pub end_ns: u64,
    /// Why it ended: `complete`, `interrupted`, or an error in words.
    pub reason: String,
    /// The verb's own summary (for `drive` the object that `--json` prints).
    pub summary: serde_json::Value,
}

/// The JSON Schema of one line, as committed in `timeline/schema.json`.
#[must_use]
pub fn json_schema() -> String {
    let schema = schemars::schema_for!(Record);
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}
