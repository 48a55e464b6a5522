//! What the client measured, and the ceiling that it found.

use serde_json::Value;

use super::Sink;
use crate::data::INVALID;

const PERCENTILES: [&str; 6] = ["p50", "p90", "p99", "p999", "p9999", "max"];

pub(super) fn summary(sink: &mut Sink<'_>, drive: &Value) {
    let number = |value: &Value| value.as_f64();
    for name in ["ops_per_sec", "rate_asked", "duration_s", "server_busy", "unsent", "timeouts"] {
        sink.maybe(name, number(&drive[name]));
    }
    for name in PERCENTILES {
        sink.maybe(format!("{name}_us"), number(&drive["response_us"][name]));
        sink.maybe(format!("service_{name}_us"), number(&drive["service_us"][name]));
    }
    sink.maybe("lag_p99_us", number(&drive["schedule_lag_us"]["p99"]));
    sink.maybe("client_cpu_ns_per_op", number(&drive["client"]["cpu_ns_per_op"]));
    sink.maybe("client_busy", number(&drive["client"]["busy_max"]));
    for name in ["moved", "ask", "tryagain"] {
        sink.maybe(name, number(&drive["redirects"][name]));
    }
    if let Some(errors) = drive["errors"].as_object() {
        sink.put("errors", errors.values().filter_map(number).sum());
        for (kind, count) in errors {
            sink.maybe(format!("errors.{kind}"), number(count));
        }
    }
    if let (Some(hits), Some(misses)) = (number(&drive["hits"]), number(&drive["misses"])) {
        sink.put("client_hits", hits);
        sink.put("client_misses", misses);
        if hits + misses > 0.0 {
            sink.put("client_hit_rate", hits / (hits + misses));
        }
    }
    if let (Some(busy), Some(ops)) = (number(&drive["server_busy"]), number(&drive["ops_per_sec"]))
    {
        sink.put("server_cpu_ns_per_op", busy * 1e9 / ops);
    }
    sink.0.valid = drive["verdict"]["valid"].as_bool().unwrap_or(false);
    sink.word("bound", drive["verdict"]["bound"].as_str());
    let reasons = drive["verdict"]["reasons"].as_array().into_iter().flatten();
    let kinds: Vec<&str> =
        reasons.filter_map(|reason| reason.as_str()?.split(':').next()).collect();
    sink.word(INVALID, Some(kinds.join(", ").as_str()).filter(|kinds| !kinds.is_empty()));
    cluster(sink, &drive["cluster"]);
    // What was sent again and answered then is an error, and no loss.
    let unanswered = ["failed", "timeouts", "lost"].map(|name| number(&drive["accounting"][name]));
    sink.maybe("unanswered", unanswered.into_iter().sum::<Option<f64>>());
    sink.maybe("reconnects", number(&drive["reconnects"]));
    sink.maybe("connect_p50_us", number(&drive["connect_us"]["p50"]));
    sink.maybe("connect_p99_us", number(&drive["connect_us"]["p99"]));
    behind(sink, "mitigation", &drive["mitigation"]);
    behind(sink, "store", &drive["store"]);
    ring(sink, &drive["ring"]);
    let mitigation = &drive["mitigation"];
    for name in ["offload", "write_amplification", "stale_share"] {
        sink.maybe(name, number(&mitigation[name]));
    }
    sink.maybe("stale_behind_p99_us", number(&mitigation["behind_us"]["p99"]));
    sink.maybe("invalidation_p99_us", number(&mitigation["invalidation_us"]["p99"]));
}

/// What stood between the clients and the server, or behind it: all its numbers by their names.
fn behind(sink: &mut Sink<'_>, name: &str, value: &Value) {
    for (field, value) in value.as_object().into_iter().flatten() {
        let name = format!("{name}.{field}");
        match value {
            Value::Object(_) => behind(sink, &name, value),
            _ => sink.maybe(name, value.as_f64()),
        }
    }
}

fn ring(sink: &mut Sink<'_>, ring: &Value) {
    sink.maybe("moved_without_last", ring["moved_without_last"].as_f64());
    sink.maybe("moved_to_compared", ring["moved_to_compared"].as_f64());
    let nodes = ring["nodes"].as_array().map_or(&[][..], Vec::as_slice);
    let shares = nodes.iter().filter_map(|node| node["ops_share"].as_f64());
    let Some(most) = shares.clone().reduce(f64::max) else { return };
    sink.put("hottest_server_share", most);
    sink.maybe("coldest_server_share", shares.reduce(f64::min));
    sink.put("hottest_server_by_fair", most * nodes.len() as f64);
}

fn cluster(sink: &mut Sink<'_>, cluster: &Value) {
    let nodes = cluster["nodes"].as_array().map_or(&[][..], Vec::as_slice);
    let shares = nodes.iter().filter_map(|node| node["ops_share"].as_f64());
    let Some(most) = shares.clone().reduce(f64::max) else { return };
    sink.put("hottest_master_share", most);
    sink.maybe("coldest_master_share", shares.reduce(f64::min));
    sink.put("masters", nodes.len() as f64);
    let busy = nodes.iter().filter_map(|node| node["server_busy"].as_f64());
    sink.maybe("hottest_master_busy", busy.reduce(f64::max));
    for (number, node) in nodes.iter().enumerate() {
        sink.maybe(format!("master.{number}.share"), node["ops_share"].as_f64());
        sink.maybe(format!("master.{number}.busy"), node["server_busy"].as_f64());
        sink.maybe(format!("master.{number}.ops"), node["ops"].as_f64());
    }
    let hottest = &cluster["hot_slots"][0];
    sink.maybe("hottest_slot", hottest["slot"].as_f64());
    sink.maybe("hottest_slot_share", hottest["ops_share"].as_f64());
    sink.maybe("second_slot_share", cluster["hot_slots"][1]["ops_share"].as_f64());
    let outages = cluster["outages"].as_array().map_or(&[][..], Vec::as_slice);
    sink.put("outages", outages.len() as f64);
    let recovered = outages.iter().filter_map(|outage| outage["recovery_ms"].as_f64());
    sink.maybe("outage_ms", recovered.reduce(f64::max));
}

pub(super) fn ceiling(sink: &mut Sink<'_>, ceiling: &Value) {
    let closed = ceiling["closed_ops_per_sec"].as_f64();
    sink.maybe("ceiling_ops_per_sec", ceiling["ceiling_ops_per_sec"].as_f64());
    sink.maybe("ceiling_plus_minus", ceiling["plus_minus"].as_f64());
    sink.maybe("closed_ops_per_sec", closed);
    sink.word("ceiling_bound", ceiling["bound"].as_str());
    sink.word("ceiling_evidence", ceiling["evidence"].as_str());
    sink.word("slo", ceiling["slo"].as_str());
    let rival = ceiling["redis_benchmark_ops_per_sec"].as_f64();
    sink.maybe("redis_benchmark_ops_per_sec", rival);
    if let (Some(ours), Some(theirs)) = (closed, rival) {
        sink.put("redis_benchmark_ratio", ours / theirs);
    }
}
