//! What intervals, servers and stalls become.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use stallion_timeline::{ClusterInterval, OpCounts, Server, Stall};

use crate::board::Board;

/// One second of a client.
#[derive(Debug)]
pub struct Second<'a> {
    /// Its length.
    pub seconds: f64,
    /// Intended.
    pub due: u64,
    /// Sent.
    pub sent: u64,
    /// Answered.
    pub answered: u64,
    /// Given up.
    pub timeouts: u64,
    /// Lost with their connection.
    pub lost: u64,
    /// In flight at its end.
    pub in_flight: u64,
    /// Due and not sent at its end.
    pub backlog: u64,
    /// By command.
    pub ops: BTreeMap<String, OpCounts>,
    /// By kind.
    pub errors: BTreeMap<String, u64>,
    /// Intended time to answer, nanoseconds.
    pub response: &'a Histogram<u64>,
    /// Send to answer.
    pub service: &'a Histogram<u64>,
    /// Intended time to send.
    pub lag: &'a Histogram<u64>,
    /// Bytes sent and received.
    pub bytes: (u64, u64),
    /// Connections opened again.
    pub reconnects: u64,
    /// CPU time of the client's cores.
    pub cpu_ns: u64,
    /// Busy share of the busiest.
    pub busy_max: f64,
    /// By node and slot, of a cluster.
    pub cluster: Option<&'a ClusterInterval>,
}

/// Fields of INFO, and what they become: name, factor.
const COUNTERS: [(&str, &str); 6] = [
    ("total_commands_processed", "stallion_redis_commands"),
    ("keyspace_hits", "stallion_redis_keyspace_hits"),
    ("keyspace_misses", "stallion_redis_keyspace_misses"),
    ("evicted_keys", "stallion_redis_evicted_keys"),
    ("expired_keys", "stallion_redis_expired_keys"),
    ("aof_delayed_fsync", "stallion_redis_aof_delayed_fsyncs"),
];

const GAUGES: [(&str, &str, f64); 10] = [
    ("used_memory", "stallion_redis_used_memory_bytes", 1.0),
    ("maxmemory", "stallion_redis_max_memory_bytes", 1.0),
    ("mem_fragmentation_ratio", "stallion_redis_memory_fragmentation_ratio", 1.0),
    ("connected_clients", "stallion_redis_connected_clients", 1.0),
    ("latest_fork_usec", "stallion_redis_last_fork_seconds", 1e-6),
    ("rdb_bgsave_in_progress", "stallion_redis_rdb_in_progress", 1.0),
    ("rdb_last_bgsave_status", "stallion_redis_rdb_last_ok", 1.0),
    ("aof_rewrite_in_progress", "stallion_redis_aof_rewrite_in_progress", 1.0),
    ("aof_last_write_status", "stallion_redis_aof_last_write_ok", 1.0),
    ("connected_slaves", "stallion_redis_connected_replicas", 1.0),
];

impl Board {
    /// Takes in one second of the client.
    pub fn second(&self, second: &Second<'_>) {
        let none: [(&str, &str); 0] = [];
        for (name, count) in [
            ("stallion_requests_due", second.due),
            ("stallion_requests_sent", second.sent),
            ("stallion_requests_answered", second.answered),
            ("stallion_requests_timed_out", second.timeouts),
            ("stallion_requests_lost", second.lost),
            ("stallion_sent_bytes", second.bytes.0),
            ("stallion_received_bytes", second.bytes.1),
            ("stallion_reconnects", second.reconnects),
        ] {
            self.add(name, &none, count as f64);
        }
        self.add("stallion_client_cpu_seconds", &none, second.cpu_ns as f64 / 1e9);
        self.set("stallion_client_busy_ratio", &none, second.busy_max);
        self.set("stallion_requests_in_flight", &none, second.in_flight as f64);
        self.set("stallion_requests_backlog", &none, second.backlog as f64);
        for (command, counts) in &second.ops {
            let sample = |result| [("command", command.as_str()), ("result", result)];
            self.add("stallion_commands", &sample("ok"), counts.ok as f64);
            self.add("stallion_commands", &sample("error"), counts.errors as f64);
            if counts.hits + counts.misses > 0 {
                self.add("stallion_reads", &sample("hit"), counts.hits as f64);
                self.add("stallion_reads", &sample("miss"), counts.misses as f64);
            }
        }
        for (kind, count) in &second.errors {
            self.add("stallion_errors", &[("kind", kind.as_str())], *count as f64);
        }
        self.observe("stallion_response_seconds", second.response);
        self.observe("stallion_service_seconds", second.service);
        self.observe("stallion_schedule_lag_seconds", second.lag);
        if let Some(cluster) = second.cluster {
            self.cluster(cluster, second.seconds);
        }
    }

    fn cluster(&self, cluster: &ClusterInterval, seconds: f64) {
        let redirects = cluster.redirects;
        for (kind, count) in
            [("moved", redirects.moved), ("ask", redirects.ask), ("tryagain", redirects.tryagain)]
        {
            self.add("stallion_redirects", &[("kind", kind)], count as f64);
        }
        for node in &cluster.nodes {
            self.add("stallion_node_requests", &[("node", node.node.as_str())], node.ops as f64);
        }
        self.clear("stallion_hot_slot_requests_per_second");
        for slot in &cluster.hot_slots {
            let (number, rate) = (slot.slot.to_string(), slot.ops as f64 / seconds.max(1e-9));
            let labels = [("slot", number.as_str())];
            self.set("stallion_hot_slot_requests_per_second", &labels, rate);
        }
    }

    /// Takes in what a server said of itself.
    pub fn server(&self, server: &Server) {
        let labels = [("node", server.target.as_str())];
        for (field, name) in COUNTERS {
            if let Some(value) = server.info.get(field) {
                self.set(name, &labels, *value);
            }
        }
        for (field, name, factor) in GAUGES {
            if let Some(value) = server.info.get(field) {
                self.set(name, &labels, value * factor);
            }
        }
        self.add("stallion_redis_slowlog_entries", &labels, server.slowlog.len() as f64);
        for (field, lag_s) in &server.info {
            let replica = field.strip_prefix("slave").and_then(|rest| rest.strip_suffix("_lag"));
            if let Some(replica) = replica {
                let labels = [("node", server.target.as_str()), ("replica", replica)];
                self.set("stallion_redis_replica_lag_seconds", &labels, *lag_s);
            }
        }
    }

    /// Takes in one stall.
    pub fn stall(&self, stall: &Stall) {
        let class = serde_json::to_value(stall.class).unwrap_or_default();
        let port = stall.port.to_string();
        let labels = [("class", class.as_str().unwrap_or_default()), ("port", port.as_str())];
        self.add("stallion_stall_seconds", &labels, stall.busy_ns as f64 / 1e9);
        self.add("stallion_stalls", &labels, stall.count as f64);
    }
}
