//! The lines of a plan.

use serde::Serialize;
use thiserror::Error;

use crate::entry;
use crate::measured::Measured;
use crate::need::Need;
use crate::shard::{Cost, FRAGMENTATION, FRAMING, Memory, Snapshots, cost, snapshots};

/// More nodes than this are beyond what Redis's own cluster specification aims at.
const MOST_NODES: u64 = 1_000;
/// A cluster needs a majority of its primaries to replace one.
const FEWEST_PRIMARIES: u64 = 3;
/// Connections that servers keep beside those of clients (replicas, monitors, operators).
const OWN_CONNECTIONS: f64 = 32.0;
const ASSUMED: &str = "assumed";
const ARITHMETIC: &str = "arithmetic";

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlanError {
    /// What is asked for makes no sense, or nothing can do it.
    #[error("{0}")]
    Need(String),
    /// It could be, and nothing was measured that shows it.
    #[error("{0}")]
    NotMeasured(String),
}

/// One line: a figure, where it comes from, and what it stands on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// What it is.
    pub what: String,
    /// How much, in its unit.
    pub value: f64,
    /// The unit; empty for numbers of things.
    pub unit: &'static str,
    /// The formula.
    pub formula: &'static str,
    /// The formula with figures.
    pub figures: String,
    /// The measurement behind it.
    pub measured: String,
}

/// The lines, and what should be known before they are believed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// What was asked for.
    pub need: Need,
    /// Primaries.
    pub shards: u64,
    /// Primaries and replicas.
    pub nodes: u64,
    /// Every figure.
    pub lines: Vec<Line>,
    /// What differs from what was measured, and what is only assumed.
    pub cautions: Vec<String>,
    /// Where it was measured.
    pub hosts: Vec<String>,
}

/// Plans for a need, by what was measured.
///
/// # Errors
/// [`PlanError`] with what to do about it.
pub fn plan(need: &Need, measured: &Measured) -> Result<Plan, PlanError> {
    need.check().map_err(PlanError::Need)?;
    let cost = cost(need, measured).map_err(PlanError::NotMeasured)?;
    let snapshots = snapshots(measured).ok_or_else(|| {
        let text = "no snapshot was measured: run `stallion lab run fork` and give its data.json by --ceiling, \
                    too";
        PlanError::NotMeasured(text.to_owned())
    })?;
    let entry = entry::bytes(need.key_bytes, need.value_bytes, need.expires);
    let by_rate = shards_by_rate(need, &cost);
    let by_memory = shards_by_memory(need, entry, &snapshots)?;
    let shards = match by_rate.max(by_memory) {
        1 => 1,
        more => more.max(FEWEST_PRIMARIES),
    };
    let nodes = shards * (1 + need.replicas);
    if nodes > MOST_NODES {
        return Err(PlanError::Need(format!(
            "{shards} primaries with {} replicas each are {nodes} nodes; a Redis Cluster is made for at \
             most {MOST_NODES}: give larger nodes (--node-memory), a looser objective, or shard above it",
            need.replicas
        )));
    }
    let memory = Memory::of(need, shards, entry, &snapshots);
    let mut plan = Plan {
        need: need.clone(),
        shards,
        nodes,
        lines: Vec::new(),
        cautions: cost.cautions.clone(),
        hosts: measured.hosts.clone(),
    };
    plan.rate_lines(need, &cost, by_rate);
    plan.memory_lines(need, entry, by_memory, &memory, &snapshots);
    plan.fork_line(need, &memory, &snapshots);
    plan.count_lines(need, &cost);
    plan.cautions.push(format!(
        "assumed: keys of {} bytes, {FRAGMENTATION} for the allocator's holes, {FRAMING} bytes around a \
         write; evenly spread keys (a hot one bounds its own shard: `stallion lab run hot-key`)",
        need.key_bytes
    ));
    Ok(plan)
}

/// Reads that come to the primaries themselves, as a share of all requests.
fn own_reads(need: &Need) -> f64 {
    let readers = if need.replica_reads { 1.0 + need.replicas as f64 } else { 1.0 };
    need.reads / readers
}

/// The primaries' time that is asked for a second, over what each may give.
fn demand(need: &Need, cost: &Cost) -> f64 {
    let reads = need.ops_per_s * own_reads(need);
    let writes = need.ops_per_s * (1.0 - need.reads);
    reads * cost.read_s + writes * cost.write_s
}

fn shards_by_rate(need: &Need, cost: &Cost) -> u64 {
    whole(demand(need, cost) / need.utilisation)
}

/// Rounded up; a hair above a whole number is that number.
fn whole(value: f64) -> u64 {
    ((value - 1e-9).ceil() as u64).max(1)
}

/// The fewest shards of which each fits into a node.
fn shards_by_memory(need: &Need, entry: f64, snapshots: &Snapshots) -> Result<u64, PlanError> {
    let fits = |shards: &u64| {
        Memory::of(need, *shards, entry, snapshots).total() <= need.node_bytes as f64
    };
    (1..=MOST_NODES).find(fits).ok_or_else(|| {
        PlanError::Need(format!(
            "{} of data do not fit into {MOST_NODES} nodes of {}: give larger ones by --node-memory",
            bytes(need.keys() * entry),
            bytes(need.node_bytes as f64)
        ))
    })
}

impl Plan {
    fn line(
        &mut self,
        what: &str,
        (value, unit): (f64, &'static str),
        formula: &'static str,
        figures: String,
        measured: &str,
    ) {
        let (what, measured) = (what.to_owned(), measured.to_owned());
        self.lines.push(Line { what, value, unit, formula, figures, measured });
    }

    fn rate_lines(&mut self, need: &Need, cost: &Cost, shards: u64) {
        let ceiling = cost.ceiling(need.reads);
        let (reads, writes) = (1.0 / cost.read_s, 1.0 / cost.write_s);
        let figures =
            format!("1 / ({:.2} / {reads:.0} + {:.2} / {writes:.0})", need.reads, 1.0 - need.reads);
        let formula = "1 / (reads / ceiling of reads + writes / ceiling of writes)";
        self.line("a primary carries", (ceiling, "requests/s"), formula, figures, &cost.source);
        let formula = "requests/s x time of one / share of the ceiling in use";
        let figures = format!(
            "{:.0}/s need {:.2} primaries' whole time / {:.2}{}",
            need.ops_per_s,
            demand(need, cost),
            need.utilisation,
            if need.replica_reads { ", reads shared with the replicas" } else { "" }
        );
        self.line("shards by rate", (shards as f64, ""), formula, figures, ARITHMETIC);
    }

    fn memory_lines(
        &mut self,
        need: &Need,
        entry: f64,
        by_memory: u64,
        memory: &Memory,
        snapshots: &Snapshots,
    ) {
        let formula = "table entry + place + name + value, in the allocator's sizes";
        let figures = format!(
            "key of {} bytes, value of {}{}",
            need.key_bytes,
            need.value_bytes,
            if need.expires { ", twice in tables: it expires" } else { "" }
        );
        let source = "Redis 7.0's structures; held against a real server in a test";
        self.line("one key takes", (entry, "bytes"), formula, figures, source);
        let figures = format!("{:.0} x {entry:.0} bytes", need.keys());
        let all = need.keys() * entry;
        self.line("all keys take", (all, "bytes"), "keys x bytes of one", figures, ARITHMETIC);
        let figures =
            format!("nodes of {}, with holes, copies and backlog", bytes(need.node_bytes as f64));
        let formula = "fewest whose nodes hold their memory (below)";
        self.line("shards by memory", (by_memory as f64, ""), formula, figures, ARITHMETIC);
        let figures = format!("{} / {} shards", bytes(all), self.shards);
        let formula = "all keys / shards; the least maxmemory";
        self.line("data of a shard", (memory.data, "bytes"), formula, figures, ARITHMETIC);
        let figures = format!("{} / {}/s", bytes(memory.data), bytes(snapshots.bytes_per_s));
        let formula = "data / bytes that a child writes a second";
        let source = snapshots.source.as_str();
        self.line("a snapshot takes", (memory.save_s, "s"), formula, figures, source);
        let writes = need.ops_per_s * (1.0 - need.reads) / self.shards as f64;
        let figures = format!(
            "{writes:.0} writes/s for {:.1} s over {:.0} pages of 4 KB",
            memory.save_s,
            memory.data / crate::shard::PAGE
        );
        let formula = "data x (1 - exp(-writes x time x pages of one / pages))";
        self.line("copied on write", (memory.copied, "bytes"), formula, figures, source);
        let figures = format!(
            "{writes:.0}/s x {} bytes x {:.0} s",
            (need.key_bytes + need.value_bytes) as f64 + FRAMING,
            need.outage_s.max(memory.save_s)
        );
        let formula = "writes/s x bytes x the longer of outage and snapshot";
        self.line("repl-backlog-size", (memory.backlog, "bytes"), formula, figures, ARITHMETIC);
        let figures = format!(
            "{} + {} + {} + {}",
            bytes(memory.data),
            bytes(memory.holes),
            bytes(memory.copied),
            bytes(memory.backlog)
        );
        let formula = "data + allocator's holes + copies + backlog";
        self.line("memory of a node", (memory.total(), "bytes"), formula, figures, ASSUMED);
    }

    fn fork_line(&mut self, need: &Need, memory: &Memory, snapshots: &Snapshots) {
        let fork_ms = snapshots.fork_ms_per_gb * memory.data / 1e9;
        let figures =
            format!("{:.2} GB x {:.1} ms/GB", memory.data / 1e9, snapshots.fork_ms_per_gb);
        let formula = "data x time of a fork for each GB";
        self.line("a fork takes", (fork_ms, "ms"), formula, figures, &snapshots.source);
        let limit_ms = need.objective.limit_us / 1e3;
        if fork_ms > limit_ms {
            self.cautions.push(format!(
                "a fork of {fork_ms:.0} ms is longer than the {limit_ms} ms of {}: whoever asks meanwhile waits \
                 for it; snapshots on a replica, or more shards, spare the primary",
                need.objective.text
            ));
        }
    }

    fn count_lines(&mut self, need: &Need, cost: &Cost) {
        let shards = self.shards as f64;
        let figures = format!("{} x (1 + {})", self.shards, need.replicas);
        let nodes = self.nodes as f64;
        self.line("nodes", (nodes, ""), "shards x (1 + replicas)", figures, ARITHMETIC);
        if need.replicas == 0 {
            let text = "without a replica the death of one node is the loss of its keys";
            self.cautions.push(text.to_owned());
        }
        let latency_us = cost.latency_us.1 + need.round_trip_us;
        let in_flight = need.ops_per_s / shards * latency_us / 1e6;
        let figures = format!(
            "{:.0}/s x {latency_us:.0} us (p99 of {:.0} and the network's {:.0})",
            need.ops_per_s / shards,
            cost.latency_us.1,
            need.round_trip_us
        );
        let formula = "Little's law: rate x time in the system";
        self.line("in flight at a shard", (in_flight, "requests"), formula, figures, &cost.source);
        let each = (in_flight / need.pipeline as f64 / need.clients as f64).ceil().max(1.0);
        let figures =
            format!("{in_flight:.1} / {} in each / {} clients", need.pipeline, need.clients);
        let formula = "in flight / pipeline / clients, at least 1";
        self.line("pool of a client for each shard", (each, ""), formula, figures, ARITHMETIC);
        let all = each * need.clients as f64 + OWN_CONNECTIONS;
        let figures = format!("{} x {each:.0} + {OWN_CONNECTIONS:.0}", need.clients);
        let formula = "clients x pool + the servers' own; the least maxclients";
        self.line("connections of a shard", (all, ""), formula, figures, ARITHMETIC);
        let per_s = need.ops_per_s / shards;
        let (reads, copies) = (own_reads(need), (1.0 - need.reads) * need.replicas as f64);
        // Whoever reads knows the name; a replica has to be told it.
        let answer = need.value_bytes as f64 + FRAMING;
        let copy = answer + need.key_bytes as f64;
        let out = per_s * (reads * answer + copies * copy) * 8.0 / 1e6;
        let figures = format!(
            "{per_s:.0}/s x ({reads:.2} reads x {answer} bytes + {copies:.2} copies x \
             {copy} bytes) x 8{}",
            if need.replica_reads { ", reads shared with the replicas" } else { "" }
        );
        let formula = "(own reads x bytes of an answer + writes x replicas x bytes of a copy) x 8";
        self.line("a primary sends", (out, "Mbit/s"), formula, figures, ARITHMETIC);
    }
}

/// Bytes for people.
#[must_use]
pub fn bytes(count: f64) -> String {
    match count {
        _ if count >= 1e12 => format!("{:.2} TB", count / 1e12),
        _ if count >= 1e9 => format!("{:.2} GB", count / 1e9),
        _ if count >= 1e6 => format!("{:.1} MB", count / 1e6),
        _ if count >= 1e4 => format!("{:.0} kB", count / 1e3),
        _ => format!("{count:.0} bytes"),
    }
}
