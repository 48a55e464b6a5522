//! What the probes cost a saturated shard: each alone and the default set, against none, in turn.

use std::fs;
use std::process::Child;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::effort::Effort;
use super::figures::{Sample, ratio, whole};
use super::programs::{Driven, Programs, Server, client_cpu};
use super::publish::{Table, publish};
use crate::{child, prober, shell};

/// Depths of the pipeline, and the share of its throughput that a shard may lose at each.
const PIPELINES: [(usize, f64); 2] = [(1, 0.05), (32, 0.02)];

/// Each probe by itself.
const SINGLE: [&str; 9] = [
    "fork",
    "page_fault",
    "fsync",
    "block_io",
    "scheduler",
    "command",
    "reclaim",
    "network",
    "softirq",
];

/// Pairs with and without the default set: the budget is its, and runs differ by some per cent.
const PAIRS: usize = 15;

/// Rounds of each probe by itself, which has no budget of its own.
const ROUNDS: usize = 3;

/// Figures of a set of probes, and of runs without any beside them.
#[derive(Default)]
struct Pair {
    with: Measured,
    without: Measured,
}

/// One set's figures.
#[derive(Default)]
struct Measured {
    ops_per_sec: Sample,
    p99_us: Sample,
    server_ns_per_op: Sample,
}

pub(super) fn run(effort: Effort) -> anyhow::Result<()> {
    let programs = Programs::build()?;
    shell::run(&["cargo", "build", "--release", "--package", "stallion"])?;
    let server = programs.redis()?;
    let mut table = Table::new(&[
        "pipeline",
        "probes",
        "requests/s",
        "throughput against none",
        "server CPU a request against none",
        "p99 against none",
        "budget",
    ]);
    let bench = Bench { programs: &programs, server: &server, effort };
    let mut data = Vec::new();
    for (pipeline, budget) in PIPELINES {
        let pairs = if effort.publish { PAIRS } else { effort.rounds };
        let default = bench.pairs(pipeline, pairs)?;
        data.push(row(&mut table, (pipeline, None), "none", &default.without, &default.without));
        data.push(row(
            &mut table,
            (pipeline, Some(budget)),
            "default",
            &default.with,
            &default.without,
        ));
        let (none, single) = bench.single(pipeline)?;
        for (name, measured) in SINGLE.iter().zip(&single) {
            data.push(row(&mut table, (pipeline, None), name, measured, &none));
        }
    }
    let note = format!(
        "GET of 100 B, 50 connections, closed model, one redis-server on a core of its own; client and \
         prober on the other. Runs of {} s. The default set: median [least..most] of {PAIRS} pairs, one \
         run without and one with it, first the one, then the other; each probe by itself: {} rounds \
         of all, ratios within a round. CPU is that of the server's main thread.",
        effort.seconds,
        effort.rounds.min(ROUNDS)
    );
    publish("probes", effort, Value::Array(data), &[table], &note)
}

/// What all runs have in common.
struct Bench<'a> {
    programs: &'a Programs,
    server: &'a Server,
    effort: Effort,
}

impl Bench<'_> {
    /// The default set against none, side by side.
    fn pairs(&self, pipeline: usize, pairs: usize) -> anyhow::Result<Pair> {
        let mut pair = Pair::default();
        for round in 0..pairs {
            println!("pipeline {pipeline}, pair {} of {pairs}", round + 1);
            if round % 2 == 0 {
                self.measure("none", pipeline, &mut pair.without)?;
                self.measure("default", pipeline, &mut pair.with)?;
            } else {
                self.measure("default", pipeline, &mut pair.with)?;
                self.measure("none", pipeline, &mut pair.without)?;
            }
        }
        Ok(pair)
    }

    /// Each probe by itself, and none, in turn.
    fn single(&self, pipeline: usize) -> anyhow::Result<(Measured, [Measured; SINGLE.len()])> {
        let mut none = Measured::default();
        let mut found: [Measured; SINGLE.len()] = Default::default();
        let rounds = self.effort.rounds.min(ROUNDS);
        for round in 0..rounds {
            println!("pipeline {pipeline}, round {} of {rounds}", round + 1);
            self.measure("none", pipeline, &mut none)?;
            for step in 0..SINGLE.len() {
                let index = (round + step) % SINGLE.len();
                self.measure(SINGLE[index], pipeline, &mut found[index])?;
            }
        }
        Ok((none, found))
    }

    fn measure(&self, set: &str, pipeline: usize, measured: &mut Measured) -> anyhow::Result<()> {
        let prober = match set {
            "none" => None,
            set => Some(start(self.programs, self.server.port, set)?),
        };
        let seconds = self.effort.seconds;
        let flags =
            format!("--pipeline {pipeline} --conns 50 --duration {seconds}s --warmup 300ms");
        let flags: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
        let before_ns = cpu_ns(self.server.process.id())?;
        // Its recorder, too, stays off the server's core, where it would be noise.
        let place = ["taskset", "-c", &client_cpu()?.to_string()].map(str::to_owned);
        let words = [&place[..], &self.programs.drive_words(self.server.port, &flags)?].concat();
        let driven = Driven::of(&child::run(&words)?)?;
        let used_ns = cpu_ns(self.server.process.id())? - before_ns;
        if let Some(mut prober) = prober {
            child::signal(&prober, libc::SIGINT)?;
            prober.wait()?;
        }
        measured.ops_per_sec.add(driven.number("/ops_per_sec")?);
        measured.p99_us.add(driven.number("/response_us/p99")?);
        let answered = driven.number("/accounting/answered")?;
        measured.server_ns_per_op.add(used_ns as f64 / answered.max(1.0));
        Ok(())
    }
}

/// Starts the prober on the client's core, and waits until it is attached.
fn start(programs: &Programs, port: u16, set: &str) -> anyhow::Result<Child> {
    let port = port.to_string();
    let mut words = vec!["probe", "--port", &port];
    if set != "default" {
        words.extend(["--probes", set]);
    }
    prober::start(&programs.words("stallion", &words), client_cpu()?)
}

/// CPU time of a process's main thread: the first number of schedstat.
fn cpu_ns(pid: u32) -> anyhow::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/schedstat"))?;
    text.split_whitespace().next().context("no CPU time")?.parse().context("no CPU time")
}

fn row(
    table: &mut Table,
    (pipeline, budget): (usize, Option<f64>),
    name: &str,
    measured: &Measured,
    none: &Measured,
) -> Value {
    let rate = measured.ops_per_sec.ratio_to(&none.ops_per_sec);
    let cpu = measured.server_ns_per_op.ratio_to(&none.server_ns_per_op);
    let p99 = measured.p99_us.ratio_to(&none.p99_us);
    let kept = |budget: f64| if 1.0 - rate.median() <= budget { "kept" } else { "broken" };
    table.rows.push(vec![
        pipeline.to_string(),
        name.to_owned(),
        measured.ops_per_sec.text(whole),
        rate.text(ratio),
        cpu.text(ratio),
        p99.text(ratio),
        budget.map_or_else(String::new, |budget| {
            format!("{:.0} %: {}", budget * 100.0, kept(budget))
        }),
    ]);
    json!({
        "pipeline": pipeline, "probes": name, "budget": budget,
        "ops_per_sec": measured.ops_per_sec.json(), "p99_us": measured.p99_us.json(),
        "server_cpu_ns_per_op": measured.server_ns_per_op.json(),
        "throughput_ratio": rate.json(), "cpu_ratio": cpu.json(), "p99_ratio": p99.json(),
    })
}
