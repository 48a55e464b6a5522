//! What one shard carries, by what was measured, and what it holds, by arithmetic.

use crate::measured::{Measured, Tried};
use crate::need::Need;

/// A page of memory: what is copied when a child lives and one byte of it is written.
pub const PAGE: f64 = 4_096.0;
/// Memory that the allocator has from the kernel, for each byte that it gave away. Assumed: INFO's
/// mem_fragmentation_ratio tells it of a server that has run for a while.
pub const FRAGMENTATION: f64 = 1.1;
/// RESP around key and value of a write, in the backlog.
pub const FRAMING: f64 = 60.0;
/// A measured value size is taken for another one within this factor.
const SAME_SIZE: f64 = 2.0;
/// A measured share of reads is taken for another one within so much.
const SAME_MIX: f64 = 0.05;

/// Seconds of a server's time that one request costs, such that its objective is met.
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    /// Of a read.
    pub read_s: f64,
    /// Of a write.
    pub write_s: f64,
    /// The run by which it was measured, and in what way.
    pub source: String,
    /// Median and 99th percentile of the response time that was measured near the rate, in
    /// microseconds.
    pub latency_us: (f64, f64),
    /// What differs between what was measured and what is needed.
    pub cautions: Vec<String>,
}

impl Cost {
    /// Requests a second that one primary meets the objective with.
    #[must_use]
    pub fn ceiling(&self, reads: f64) -> f64 {
        1.0 / (reads * self.read_s + (1.0 - reads) * self.write_s)
    }
}

/// The cost of a request by the runs that are nearest to what is needed.
///
/// # Errors
/// A sentence for people: nothing that was measured meets the objective, or nothing is of this kind.
pub fn cost(need: &Need, measured: &Measured) -> Result<Cost, String> {
    let mut cautions = Vec::new();
    let rates = of_size(
        need,
        of_depth(need, measured.rates.iter().collect(), &mut cautions),
        &mut cautions,
    );
    if rates.is_empty() {
        return Err(format!(
            "no rate was measured with a pipeline of at most {}: run `stallion ceiling --pipeline {}` and \
             give its ceiling.json by --ceiling",
            need.pipeline, need.pipeline
        ));
    }
    let near = |tried: &&Tried, reads: f64| {
        tried.reads.is_none_or(|measured| (measured - reads).abs() <= SAME_MIX)
    };
    let direct: Vec<&Tried> = rates.iter().copied().filter(|one| near(one, need.reads)).collect();
    if !direct.is_empty() {
        let (rate, source, latency_us) = best(need, &direct)?;
        let cost = 1.0 / rate;
        return Ok(Cost { read_s: cost, write_s: cost, source, latency_us, cautions });
    }
    let of = |reads: f64| -> Vec<&Tried> {
        rates.iter().copied().filter(|one| near(one, reads)).collect()
    };
    let (reads, writes) = (of(1.0), of(0.0));
    if reads.is_empty() || writes.is_empty() {
        return Err(format!(
            "nothing was measured with {:.0} % reads: run `stallion ceiling --rw-ratio {:.0}:{:.0}` and give \
             its ceiling.json by --ceiling",
            need.reads * 100.0,
            need.reads * 100.0,
            100.0 - need.reads * 100.0
        ));
    }
    let (read, read_source, read_us) = best(need, &reads)?;
    let (write, write_source, write_us) = best(need, &writes)?;
    Ok(Cost {
        read_s: 1.0 / read,
        write_s: 1.0 / write,
        source: format!("reads: {read_source}; writes: {write_source}"),
        latency_us: (read_us.0.max(write_us.0), read_us.1.max(write_us.1)),
        cautions,
    })
}

/// Runs with the wanted pipeline, else with the deepest one that is not deeper.
fn of_depth<'a>(need: &Need, rates: Vec<&'a Tried>, cautions: &mut Vec<String>) -> Vec<&'a Tried> {
    let depths = rates.iter().filter_map(|one| one.pipeline);
    let deepest = depths.filter(|depth| *depth <= need.pipeline).max();
    if let Some(depth) = deepest.filter(|depth| *depth != need.pipeline) {
        let wanted = need.pipeline;
        cautions
            .push(format!("measured with a pipeline of {depth}, not {wanted}: that is too little"));
    }
    rates.into_iter().filter(|one| one.pipeline.is_none() || one.pipeline == deepest).collect()
}

/// Runs with values of the wanted size, else with the nearest.
fn of_size<'a>(need: &Need, rates: Vec<&'a Tried>, cautions: &mut Vec<String>) -> Vec<&'a Tried> {
    let apart = |size: u64| (size.max(1) as f64 / need.value_bytes as f64).ln().abs();
    let sizes = rates.iter().filter_map(|one| one.value_bytes);
    let nearest = sizes.min_by(|one, other| apart(*one).total_cmp(&apart(*other)));
    if let Some(size) = nearest.filter(|size| apart(*size) > SAME_SIZE.ln()) {
        cautions.push(format!(
            "measured with values of {size} bytes, not {}: run `stallion ceiling --value-size {}`",
            need.value_bytes, need.value_bytes
        ));
    }
    rates
        .into_iter()
        .filter(|one| one.value_bytes.is_none() || one.value_bytes == nearest)
        .collect()
}

fn best(need: &Need, rates: &[&Tried]) -> Result<(f64, String, (f64, f64)), String> {
    let objective = &need.objective;
    let found = rates.iter().filter_map(|one| {
        let (rate, why) = one.meets(objective)?;
        Some((rate, why, *one))
    });
    let Some((rate, why, tried)) = found.max_by(|one, other| one.0.total_cmp(&other.0)) else {
        let least = rates.iter().filter_map(|one| one.best_us(objective)).reduce(f64::min);
        let least = least.map_or_else(String::new, |us| {
            format!(" (the lowest {} that was measured is {us:.0} us)", objective.percentile)
        });
        return Err(format!(
            "no measured rate is known to meet {}{least}: run `stallion ceiling --slo '{}'` and give its \
             ceiling.json by --ceiling",
            objective.text, objective.text
        ));
    };
    let used = rate * need.utilisation;
    let latency = tried.latency_us(used).unwrap_or((objective.limit_us, objective.limit_us));
    Ok((rate, format!("{}: {rate:.0}/s, {why}", tried.source), latency))
}

/// What snapshots cost, by those that were taken.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshots {
    /// Milliseconds of a fork for each GB of heap.
    pub fork_ms_per_gb: f64,
    /// Bytes of heap that a child writes a second.
    pub bytes_per_s: f64,
    /// The runs.
    pub source: String,
}

/// From the snapshots that were taken: the slowest writer, and the fork by the largest heap.
#[must_use]
pub fn snapshots(measured: &Measured) -> Option<Snapshots> {
    let largest = measured
        .snapshots
        .iter()
        .max_by(|one, other| one.used_bytes.total_cmp(&other.used_bytes))?;
    let speed = |took: &crate::measured::Snapshot| took.used_bytes / took.took_s.max(0.001);
    let slowest = measured.snapshots.iter().map(speed).reduce(f64::min)?;
    Some(Snapshots {
        fork_ms_per_gb: largest.fork_us / 1e3 / (largest.used_bytes / 1e9),
        bytes_per_s: slowest,
        source: largest.source.clone(),
    })
}

/// Bytes that are copied on write while a child writes the heap down: each write touches some pages at
/// random, and a page is copied once. Of `pages` pages, `touches` leave `exp(-touches/pages)` alone.
#[must_use]
pub fn copied(heap: f64, save_s: f64, writes_per_s: f64, value_bytes: u64) -> f64 {
    let pages = (heap / PAGE).max(1.0);
    // The value's own pages, the entry's, and that of its place in the table.
    let each = (value_bytes as f64 / PAGE).ceil() + 2.0;
    heap * (1.0 - (-writes_per_s * save_s * each / pages).exp())
}

/// The memory of a node that holds one shard of several.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Memory {
    /// Keys, values and what holds them.
    pub data: f64,
    /// What the allocator's holes cost.
    pub holes: f64,
    /// Copied on write during a snapshot.
    pub copied: f64,
    /// How long the snapshot takes, in seconds.
    pub save_s: f64,
    /// The replication backlog, also for what is written while a replica is copied.
    pub backlog: f64,
}

impl Memory {
    /// Of one shard of so many.
    #[must_use]
    pub fn of(need: &Need, shards: u64, entry: f64, snapshots: &Snapshots) -> Self {
        let shards = shards.max(1) as f64;
        let data = need.keys() * entry / shards;
        let writes = need.ops_per_s * (1.0 - need.reads) / shards;
        let save_s = data / snapshots.bytes_per_s;
        let per_write = (need.key_bytes + need.value_bytes) as f64 + FRAMING;
        let least = if need.replicas > 0 { f64::from(1 << 20) } else { 0.0 };
        let away = need.outage_s.max(save_s);
        let backlog = if need.replicas > 0 { writes * per_write * away } else { 0.0 };
        Self {
            data,
            holes: data * (FRAGMENTATION - 1.0),
            copied: copied(data, save_s, writes, need.value_bytes),
            save_s,
            backlog: backlog.max(least),
        }
    }

    /// All of it.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.data + self.holes + self.copied + self.backlog
    }
}
