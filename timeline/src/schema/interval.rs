//! What the client saw in one stretch of time.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClusterInterval, StoreInterval};

/// Operations of one command in one interval.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OpCounts {
    /// Answered without an error.
    pub ok: u64,
    /// Of these, reads that found a value.
    #[serde(default)]
    pub hits: u64,
    /// Of these, reads that found nothing.
    #[serde(default)]
    pub misses: u64,
    /// Answered with an error.
    #[serde(default)]
    pub errors: u64,
}

/// What the client saw between two times. All shards (cores) of one client are merged.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// Start of the interval.
    pub start_ns: u64,
    /// End of the interval.
    pub end_ns: u64,
    /// Requests whose intended time lies in the interval.
    pub due: u64,
    /// Requests sent in it.
    pub sent: u64,
    /// Answers (also error replies) that came in it.
    pub answered: u64,
    /// Requests given up by time-out in it.
    #[serde(default)]
    pub timeouts: u64,
    /// Requests lost with their connection in it.
    #[serde(default)]
    pub lost: u64,
    /// Requests in flight at its end.
    #[serde(default)]
    pub in_flight: u64,
    /// Requests that were due at its end and not yet sent.
    #[serde(default)]
    pub backlog: u64,
    /// How long the oldest request without an answer had waited at its end.
    #[serde(default)]
    pub oldest_wait_ns: u64,
    /// Counts by command name, for example `get`.
    pub ops: BTreeMap<String, OpCounts>,
    /// Error replies and failures by kind (`OOM`, `MOVED`, `verify`, `protocol`, …).
    #[serde(default)]
    pub errors: BTreeMap<String, u64>,
    /// Intended time to answer, HdrHistogram V2 deflate in base64, nanoseconds.
    pub response_hdr: String,
    /// Send to answer, the same encoding.
    pub service_hdr: String,
    /// Of the response times, the part of the requests that never got an answer: what they had waited
    /// when they were given up, lost, or the run ended. The true times are longer. The same encoding;
    /// empty when all were answered.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unanswered_hdr: String,
    /// Intended time to send, the same encoding.
    pub lag_hdr: String,
    /// The part of the lag in which a connection was free: the client's own lateness.
    #[serde(default)]
    pub own_lag_hdr: String,
    /// Bytes sent and received.
    #[serde(default)]
    pub bytes_sent: u64,
    /// Bytes received.
    #[serde(default)]
    pub bytes_received: u64,
    /// CPU time of the client's shard threads.
    #[serde(default)]
    pub client_cpu_ns: u64,
    /// Busy share of the busiest shard thread, 0 to 1.
    #[serde(default)]
    pub client_busy_max: f64,
    /// Busy share of each shard thread by its number, 0 to 1; empty in files of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub client_busy: Vec<f64>,
    /// Time the shard threads were runnable but not running (schedstat).
    #[serde(default)]
    pub client_runqueue_ns: u64,
    /// System calls the shard threads made.
    #[serde(default)]
    pub client_syscalls: u64,
    /// Connections opened again after a loss.
    #[serde(default)]
    pub reconnects: u64,
    /// Requests slower than the plan's threshold, whether or not they have a `slow_op` record.
    #[serde(default)]
    pub slow_count: u64,
    /// Sum of their response times.
    #[serde(default)]
    pub slow_sum_ns: u64,
    /// What was counted by node and slot; none with a single server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterInterval>,
    /// What the store behind the cache was asked; none without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreInterval>,
}
