//! What was measured: rates with their latencies, forks and snapshots.

use serde::Serialize;
use serde_json::Value;

use crate::need::{Objective, PERCENTILES};

/// Everything from some files.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Measured {
    /// Rates that were tried.
    pub rates: Vec<Tried>,
    /// Snapshots that were taken.
    pub snapshots: Vec<Snapshot>,
    /// Where each file was measured.
    pub hosts: Vec<String>,
}

/// One load on one server, and how fast it could be.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Tried {
    /// File and run.
    pub source: String,
    /// Share of the requests that read; none when the file does not say.
    pub reads: Option<f64>,
    /// Requests in flight on each connection; none when the file does not say.
    pub pipeline: Option<u64>,
    /// Bytes of a value; none when the file does not say.
    pub value_bytes: Option<u64>,
    /// The objective of the search, and the highest rate that met it.
    pub ceiling: Option<(Objective, f64)>,
    /// Rates with the response time at them, in microseconds, in the order of [`PERCENTILES`].
    pub steps: Vec<(f64, [Option<f64>; 6])>,
    /// What bounded it.
    pub bound: String,
}

/// One snapshot by a forked child.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Snapshot {
    /// File and run.
    pub source: String,
    /// `used_memory`, in bytes.
    pub used_bytes: f64,
    /// `latest_fork_usec`.
    pub fork_us: f64,
    /// How long the child wrote, in seconds.
    pub took_s: f64,
}

impl Measured {
    /// Adds a file: `ceiling.json` of `stallion ceiling --out`, or `data.json` of `stallion lab run`.
    /// `objective` reads `p99<1ms`.
    ///
    /// # Errors
    /// A sentence for people.
    pub fn add(
        &mut self,
        name: &str,
        text: &[u8],
        objective: &dyn Fn(&str) -> Option<Objective>,
    ) -> Result<(), String> {
        let value: Value =
            serde_json::from_slice(text).map_err(|error| format!("{name}: no JSON ({error})"))?;
        let before = self.rates.len() + self.snapshots.len();
        if value["steps"].is_array() {
            self.rates.push(search(name, &value, objective));
            self.hosts.push(format!("{name}: the host of that run"));
        } else {
            for point in items(&value["points"]) {
                self.rates.extend(rate(name, point, objective));
                self.snapshots.extend(snapshots(name, point));
            }
            self.hosts.push(format!("{name}: {}", host(&value)));
        }
        if self.rates.len() + self.snapshots.len() > before {
            return Ok(());
        }
        Err(format!(
            "{name}: no rate and no snapshot is in it; give ceiling.json of `stallion ceiling --out \
             DIR`, or data.json of `stallion lab run ceiling` or `fork`"
        ))
    }
}

impl Tried {
    /// The highest rate that is known to meet an objective, with what shows it.
    #[must_use]
    pub fn meets(&self, wanted: &Objective) -> Option<(f64, String)> {
        let found = self.ceiling.iter().filter(|(objective, _)| objective.implies(wanted));
        let found = found.map(|(objective, rate)| {
            (*rate, format!("the highest rate that met {}", objective.text))
        });
        let place = PERCENTILES.iter().position(|name| *name == wanted.percentile)?;
        let steps = self.steps.iter().filter_map(|(rate, percentiles)| {
            let us =
                percentiles.get(place).copied().flatten().filter(|us| *us < wanted.limit_us)?;
            Some((*rate, format!("{} was {us:.0} us at that rate", wanted.percentile)))
        });
        found.chain(steps).max_by(|one, other| one.0.total_cmp(&other.0))
    }

    /// The lowest latency of an objective's percentile, in microseconds, over all rates.
    #[must_use]
    pub fn best_us(&self, wanted: &Objective) -> Option<f64> {
        let place = PERCENTILES.iter().position(|name| *name == wanted.percentile)?;
        let all = self.steps.iter().filter_map(|(_, percentiles)| percentiles.get(place)?.as_ref());
        all.copied().reduce(f64::min)
    }

    /// The response time that half and nearly all requests had at the highest rate up to one.
    #[must_use]
    pub fn latency_us(&self, rate: f64) -> Option<(f64, f64)> {
        let below = self.steps.iter().filter(|(tried, _)| *tried <= rate * 1.05);
        let nearest = below.max_by(|one, other| one.0.total_cmp(&other.0));
        let lowest = self.steps.iter().min_by(|one, other| one.0.total_cmp(&other.0));
        let (_, percentiles) = nearest.or(lowest)?;
        Some((percentiles[0]?, percentiles[2]?))
    }
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

fn host(data: &Value) -> String {
    let host = &data["host"];
    let text = |value: &Value| value.as_str().unwrap_or("unknown").to_owned();
    let kind =
        if host["virtualised"] == Value::Bool(true) { "a virtual machine" } else { "a machine" };
    format!(
        "{kind} with {} cores of {} and {:.0} GiB, Linux {}; {}",
        host["cpus"],
        text(&host["cpu"]),
        host["memory_bytes"].as_f64().unwrap_or(0.0) / f64::from(1 << 30),
        text(&host["kernel"]),
        text(&data["server"]),
    )
}

/// All steps of a search but for the closed model, whose requests wait for each other.
fn search(name: &str, value: &Value, objective: &dyn Fn(&str) -> Option<Objective>) -> Tried {
    let steps = items(&value["steps"]).iter().filter(|step| step["stage"] != "closed");
    let steps = steps.filter_map(|step| {
        let summary = &step["summary"];
        let percentiles = PERCENTILES.map(|name| summary["response_us"][name].as_f64());
        Some((summary["ops_per_sec"].as_f64()?, percentiles))
    });
    let slo = value["slo"].as_str().and_then(objective);
    Tried {
        source: name.to_owned(),
        ceiling: slo.zip(value["ceiling_ops_per_sec"].as_f64()),
        steps: steps.collect(),
        bound: value["evidence"].as_str().unwrap_or_default().to_owned(),
        ..Tried::default()
    }
}

/// The ceiling of a run of the lab, and the latency at the share of it that was driven.
fn rate(name: &str, point: &Value, objective: &dyn Fn(&str) -> Option<Objective>) -> Option<Tried> {
    let figure = |name: &str| point["figures"][name].as_f64();
    let found = figure("ceiling_ops_per_sec")?;
    let slo = point["words"]["slo"].as_str().and_then(objective);
    let at = &point["at"];
    let percentiles = PERCENTILES.map(|name| figure(&format!("{name}_us")));
    Some(Tried {
        source: source(name, point),
        reads: at["drive.rw_ratio"].as_str().and_then(share_of_reads),
        pipeline: at["drive.pipeline"].as_u64().map(|depth| depth.max(1)),
        value_bytes: at["load.value_size"].as_u64(),
        ceiling: slo.map(|slo| (slo, found)),
        steps: figure("ops_per_sec").map(|rate| (rate, percentiles)).into_iter().collect(),
        bound: point["words"]["ceiling_evidence"].as_str().unwrap_or_default().to_owned(),
    })
}

fn source(name: &str, point: &Value) -> String {
    match point["label"].as_str() {
        Some(label) if !label.is_empty() => format!("{name} ({label})"),
        _ => name.to_owned(),
    }
}

/// The share of reads in a ratio: `3:1` is 0.75.
#[must_use]
pub fn share_of_reads(ratio: &str) -> Option<f64> {
    let (reads, writes) = ratio.split_once(':')?;
    let (reads, writes): (f64, f64) = (reads.trim().parse().ok()?, writes.trim().parse().ok()?);
    (reads >= 0.0 && writes >= 0.0 && reads + writes > 0.0).then(|| reads / (reads + writes))
}

/// Snapshots with the pages that servers have unless they are told otherwise.
fn snapshots(name: &str, point: &Value) -> Option<Snapshot> {
    if point["at"]["stack.huge_pages"] == Value::Bool(true) {
        return None;
    }
    let figure = |name: &str| point["figures"][format!("chaos.bgsave.{name}")].as_f64();
    Some(Snapshot {
        source: source(name, point),
        used_bytes: figure("used_memory")?,
        fork_us: figure("latest_fork_usec")?,
        took_s: figure("duration_ms")? / 1e3,
    })
}
