//! The object that memtier_benchmark writes with `--json-out-file`, for what reads those.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};
use stallion_timeline::histogram::{decode, empty, encode};
use stallion_timeline::{Interval, OpCounts, Timeline};

use crate::source::{ExportError, measured, origin_ns};

/// The percentiles that memtier prints by default, and what is asked for most.
const QUANTILES: [(&str, f64); 5] =
    [("p50.00", 0.5), ("p90.00", 0.9), ("p95.00", 0.95), ("p99.00", 0.99), ("p99.90", 0.999)];

/// Latencies are response times in milliseconds, as there; its histogram holds microseconds. Stallion
/// counts operations by command and keeps one histogram for all of them: the percentiles of `Gets` and
/// `Sets` are those of the totals, and say so in `run information`.
///
/// # Errors
/// [`ExportError`] when there are no intervals, or one of them is broken.
pub fn write(timeline: &Timeline) -> Result<Value, ExportError> {
    let intervals = measured(timeline)?;
    let origin_ns = origin_ns(timeline);
    let end_ns = intervals.last().map_or(origin_ns, |interval| interval.end_ns);
    let seconds = ((end_ns - origin_ns) as f64 / 1e9).max(1e-9);
    let wall_ms = |at_ns| timeline.header.clock.wall_ns_of(at_ns) / 1_000_000;
    let mut by_second: BTreeMap<u64, Second> = BTreeMap::new();
    let mut all = Second::default();
    for interval in &intervals {
        let second = by_second.entry((interval.start_ns - origin_ns) / 1_000_000_000).or_default();
        second.add(interval)?;
        all.add(interval)?;
    }
    let part = |chosen: &dyn Fn(&str) -> bool| part(&all, &by_second, seconds, chosen);
    let is = |name: &'static str| move |command: &str| command == name;
    Ok(json!({
        "configuration": timeline.header.plan,
        "run information": {
            "Tool": timeline.header.tool,
            "Target": timeline.header.target,
            "Latency": "response time, from the intended time on; one histogram for all commands",
        },
        "ALL STATS": {
            "Runtime": {
                "Start time": wall_ms(origin_ns),
                "Finish time": wall_ms(end_ns),
                "Total duration": (end_ns - origin_ns) / 1_000_000,
                "Time unit": "MILLISECONDS",
            },
            "Sets": part(&is("set")),
            "Gets": part(&is("get")),
            "Waits": part(&is("wait")),
            "Totals": part(&|_| true),
        },
    }))
}

/// Everything of one second, or of the run.
#[derive(Debug)]
struct Second {
    ops: BTreeMap<String, OpCounts>,
    /// Response times in microseconds.
    response_us: Histogram<u64>,
    bytes_sent: u64,
    bytes_received: u64,
}

impl Default for Second {
    fn default() -> Self {
        let ops = BTreeMap::new();
        Self { ops, response_us: empty(), bytes_sent: 0, bytes_received: 0 }
    }
}

impl Second {
    fn add(&mut self, interval: &Interval) -> Result<(), ExportError> {
        for (name, counts) in &interval.ops {
            let sum = self.ops.entry(name.clone()).or_default();
            sum.ok += counts.ok;
            sum.hits += counts.hits;
            sum.misses += counts.misses;
            sum.errors += counts.errors;
        }
        for step in decode(&interval.response_hdr)?.iter_recorded() {
            let us = step.value_iterated_to().div_ceil(1_000);
            self.response_us.saturating_record_n(us, step.count_since_last_iteration());
        }
        self.bytes_sent += interval.bytes_sent;
        self.bytes_received += interval.bytes_received;
        Ok(())
    }

    fn counts(&self, chosen: &dyn Fn(&str) -> bool) -> OpCounts {
        let mut sum = OpCounts::default();
        for (_, counts) in self.ops.iter().filter(|(name, _)| chosen(name)) {
            sum.ok += counts.ok;
            sum.hits += counts.hits;
            sum.misses += counts.misses;
            sum.errors += counts.errors;
        }
        sum
    }

    /// Bytes of the chosen commands, which are not counted by command: by their share.
    fn share_of_bytes(&self, count: u64) -> (f64, f64) {
        let all = self.counts(&|_| true);
        let share = count as f64 / (all.ok + all.errors).max(1) as f64;
        (self.bytes_sent as f64 * share, self.bytes_received as f64 * share)
    }
}

fn part(
    all: &Second,
    by_second: &BTreeMap<u64, Second>,
    seconds: f64,
    chosen: &dyn Fn(&str) -> bool,
) -> Value {
    let counts = all.counts(chosen);
    let count = counts.ok + counts.errors;
    let (sent, received) = all.share_of_bytes(count);
    let series: Map<String, Value> = by_second
        .iter()
        .map(|(second, found)| (second.to_string(), point(found, chosen)))
        .collect();
    let quiet = empty();
    let histogram = if count == 0 { &quiet } else { &all.response_us };
    let latency = latencies(histogram);
    let mut percentiles = percentiles(histogram);
    percentiles.insert(
        "Histogram log format".to_owned(),
        json!({ "Compressed Histogram": encode(histogram) }),
    );
    json!({
        "Count": count,
        "Ops/sec": count as f64 / seconds,
        "Hits/sec": counts.hits as f64 / seconds,
        "Misses/sec": counts.misses as f64 / seconds,
        "Latency": latency[0],
        "Average Latency": latency[0],
        "Min Latency": latency[1],
        "Max Latency": latency[2],
        "KB/sec": (sent + received) / 1_024.0 / seconds,
        "KB/sec RX/TX": (sent + received) / 1_024.0 / seconds,
        "KB/sec RX": received / 1_024.0 / seconds,
        "KB/sec TX": sent / 1_024.0 / seconds,
        "Time-Serie": series,
        "Percentile Latencies": percentiles,
    })
}

fn point(found: &Second, chosen: &dyn Fn(&str) -> bool) -> Value {
    let counts = found.counts(chosen);
    let count = counts.ok + counts.errors;
    if count == 0 {
        return json!({ "Count": 0, "Bytes RX": 0, "Bytes TX": 0 });
    }
    let (sent, received) = found.share_of_bytes(count);
    let latency = latencies(&found.response_us);
    let mut point = percentiles(&found.response_us);
    for (name, value) in [
        ("Count", json!(count)),
        ("Average Latency", json!(latency[0])),
        ("Min Latency", json!(latency[1])),
        ("Max Latency", json!(latency[2])),
        ("Bytes RX", json!(received as u64)),
        ("Bytes TX", json!(sent as u64)),
    ] {
        point.insert(name.to_owned(), value);
    }
    Value::Object(point)
}

/// Mean, least and greatest in milliseconds.
fn latencies(histogram: &Histogram<u64>) -> [f64; 3] {
    if histogram.is_empty() {
        return [0.0; 3];
    }
    [histogram.mean() / 1e3, histogram.min() as f64 / 1e3, histogram.max() as f64 / 1e3]
}

fn percentiles(histogram: &Histogram<u64>) -> Map<String, Value> {
    let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
    QUANTILES.iter().map(|(name, quantile)| ((*name).to_owned(), json!(at(*quantile)))).collect()
}
