//! What the servers counted, and what disturbances say of themselves.

use serde_json::Value;
use stallion_timeline::Chaos;

use super::{Sink, named};
use crate::run::snapshot::Snapshots;

/// Counters of INFO whose growth over the run is kept.
const COUNTERS: [&str; 26] = [
    "evicted_keys",
    "expired_keys",
    "keyspace_hits",
    "keyspace_misses",
    "aof_delayed_fsync",
    "total_commands_processed",
    "total_error_replies",
    "errorstat_MOVED.count",
    "errorstat_ASK.count",
    "errorstat_TRYAGAIN.count",
    "errorstat_OOM.count",
    "expire_cycle_cpu_milliseconds",
    "expired_time_cap_reached_count",
    "used_cpu_user_main_thread",
    "used_cpu_sys_main_thread",
    "cmdstat_get.calls",
    "cmdstat_set.calls",
    "cmdstat_evalsha.calls",
    "cmdstat_auth.calls",
    "db0.keys",
    "rejected_connections",
    "total_connections_received",
    "total_net_input_bytes",
    "total_net_output_bytes",
    "sync_full",
    "sync_partial_ok",
];

/// Gauges that are kept as they are at the end, summed over the servers.
const GAUGES: [&str; 8] = [
    "tracking_total_keys",
    "tracking_total_prefixes",
    "used_memory",
    "maxmemory",
    "used_memory_rss",
    "latest_fork_usec",
    "rdb_last_cow_size",
    "allocator_frag_bytes",
];

pub(super) fn counters(sink: &mut Sink<'_>, snapshots: &Snapshots, duration_s: Option<f64>) {
    for name in COUNTERS {
        let Some(growth) = snapshots.growth(name) else { continue };
        sink.put(name, growth);
        if let Some(seconds) = duration_s.filter(|seconds| *seconds > 0.0) {
            sink.put(format!("{name}_per_s"), growth / seconds);
        }
    }
    for name in GAUGES {
        let values = snapshots.after.values().filter_map(|numbers| numbers.get(name));
        sink.maybe(name, values.copied().reduce(|sum, value| sum + value));
    }
    let (user, kernel) = (
        snapshots.growth("used_cpu_user_main_thread"),
        snapshots.growth("used_cpu_sys_main_thread"),
    );
    if let (Some(user), Some(kernel)) = (user, kernel)
        && user + kernel > 0.0
    {
        sink.put("main_thread_kernel_share", kernel / (user + kernel));
    }
    let (hits, misses) = (snapshots.growth("keyspace_hits"), snapshots.growth("keyspace_misses"));
    if let (Some(hits), Some(misses)) = (hits, misses)
        && hits + misses > 0.0
    {
        sink.put("hit_rate", hits / (hits + misses));
    }
}

/// The figures of each disturbance.
pub(super) fn actions(sink: &mut Sink<'_>, all: &[Chaos]) {
    for (name, chaos) in named(all) {
        let took_ms = chaos.end_ns.saturating_sub(chaos.begin_ns) as f64 / 1e6;
        sink.put(format!("chaos.{name}.took_ms"), took_ms);
        sink.word(&format!("chaos.{name}.outcome"), Some(&chaos.outcome));
        numbers(sink, &format!("chaos.{name}"), &chaos.detail);
        let number = |field: &str| chaos.detail[field].as_f64().filter(|value| *value > 0.0);
        if let (Some(us), Some(bytes)) = (number("latest_fork_usec"), number("used_memory")) {
            sink.put(format!("chaos.{name}.fork_ms_per_gb"), us / 1e3 / (bytes / 1e9));
        }
    }
}

/// All numbers of an object, and of those within. Times on the clock mean nothing later.
fn numbers(sink: &mut Sink<'_>, name: &str, value: &Value) {
    for (field, value) in value.as_object().into_iter().flatten() {
        let name = format!("{name}.{field}");
        match value {
            Value::Object(_) => numbers(sink, &name, value),
            Value::String(text) => sink.word(&name, Some(text)),
            _ if field.ends_with("_ns") => {}
            _ => sink.maybe(name, value.as_f64()),
        }
    }
}
