//! Every metric with its kind and its help. A test holds the dashboards and the rules against it.

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; its samples end in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets in seconds.
    Histogram,
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name, without the `_total` of counters.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// In a sentence.
    pub help: &'static str,
}

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, help }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, help }
}

const fn histogram(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Histogram, help }
}

/// Upper bounds of the buckets in seconds.
pub const BOUNDS_S: [f64; 21] = [
    25e-6, 50e-6, 100e-6, 200e-6, 300e-6, 500e-6, 750e-6, 1e-3, 1.5e-3, 2e-3, 3e-3, 5e-3, 10e-3,
    20e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1.0, 2.5, 10.0,
];

/// All of them.
pub const METRICS: [Metric; 41] = [
    histogram("stallion_response_seconds", "From the intended time to the answer."),
    histogram("stallion_service_seconds", "From the sending to the answer."),
    histogram("stallion_schedule_lag_seconds", "From the intended time to the sending."),
    counter("stallion_requests_due", "Requests whose intended time has come."),
    counter("stallion_requests_sent", "Requests handed to the kernel."),
    counter("stallion_requests_answered", "Answers, errors among them."),
    counter("stallion_requests_timed_out", "Requests given up."),
    counter("stallion_requests_lost", "Requests lost with their connection."),
    counter("stallion_commands", "Answers by command and result: ok or error."),
    counter("stallion_reads", "Reads by command and result: hit or miss."),
    counter("stallion_errors", "Errors by kind."),
    gauge("stallion_requests_in_flight", "Requests sent and not yet answered."),
    gauge("stallion_requests_backlog", "Requests that are due and not yet sent."),
    counter("stallion_sent_bytes", "Bytes sent."),
    counter("stallion_received_bytes", "Bytes received."),
    counter("stallion_reconnects", "Connections opened again."),
    counter("stallion_client_cpu_seconds", "CPU time of the client's own cores."),
    gauge("stallion_client_busy_ratio", "Busy share of the busiest of the client's cores, 0 to 1."),
    counter("stallion_redirects", "Answers of a cluster that sent a request elsewhere, by kind."),
    counter("stallion_node_requests", "Answers by node of a cluster."),
    gauge(
        "stallion_hot_slot_requests_per_second",
        "Answers a second of the busiest hash slots in the last interval; only those are there.",
    ),
    counter(
        "stallion_stall_seconds",
        "Time in which the server's threads could not go on, by class.",
    ),
    counter("stallion_stalls", "Stalls by class."),
    counter("stallion_redis_commands", "Commands that the server has processed (INFO)."),
    counter("stallion_redis_keyspace_hits", "Lookups that found a key (INFO)."),
    counter("stallion_redis_keyspace_misses", "Lookups that found none (INFO)."),
    counter("stallion_redis_evicted_keys", "Keys evicted for maxmemory (INFO)."),
    counter("stallion_redis_expired_keys", "Keys that expired (INFO)."),
    counter("stallion_redis_slowlog_entries", "Entries of SLOWLOG that came while watching."),
    counter("stallion_redis_aof_delayed_fsyncs", "Fsyncs that the main thread waited for (INFO)."),
    gauge("stallion_redis_used_memory_bytes", "Memory that the server has allocated (INFO)."),
    gauge("stallion_redis_max_memory_bytes", "Its maxmemory, 0 for none (INFO)."),
    gauge("stallion_redis_memory_fragmentation_ratio", "Resident over allocated memory (INFO)."),
    gauge("stallion_redis_connected_clients", "Clients of the server (INFO)."),
    gauge("stallion_redis_last_fork_seconds", "How long the last fork took (INFO)."),
    gauge("stallion_redis_rdb_in_progress", "1 while an RDB is written (INFO)."),
    gauge("stallion_redis_rdb_last_ok", "1 when the last RDB was written whole (INFO)."),
    gauge("stallion_redis_aof_rewrite_in_progress", "1 while the AOF is rewritten (INFO)."),
    gauge("stallion_redis_aof_last_write_ok", "1 when the last AOF write succeeded (INFO)."),
    gauge("stallion_redis_connected_replicas", "Replicas of the server (INFO)."),
    gauge(
        "stallion_redis_replica_lag_seconds",
        "Age of a replica's last word, as its primary has it (INFO).",
    ),
];

/// A metric by the name of one of its samples, if there is one.
#[must_use]
pub fn of_sample(sample: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| match metric.kind {
        Kind::Gauge => sample == metric.name,
        Kind::Counter => sample.strip_suffix("_total") == Some(metric.name),
        Kind::Histogram => ["_bucket", "_sum", "_count"]
            .iter()
            .any(|suffix| sample.strip_suffix(suffix) == Some(metric.name)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_samples_find_them() {
        for (index, metric) in METRICS.iter().enumerate() {
            assert!(METRICS[..index].iter().all(|other| other.name != metric.name));
        }
        assert_eq!(of_sample("stallion_errors_total").unwrap().kind, Kind::Counter);
        assert_eq!(of_sample("stallion_response_seconds_bucket").unwrap().kind, Kind::Histogram);
        assert!(of_sample("stallion_errors").is_none() && of_sample("stallion_x_total").is_none());
    }
}
