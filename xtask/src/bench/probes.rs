//! What the probes cost a saturated shard: each alone and the default set, against none, in turn.

use std::fs;
use std::process::Child;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::effort::Effort;
use super::figures::{Sample, ratio, whole};
use super::programs::{Programs, Server, client_cpu};
use super::publish::{Table, publish};
use crate::{child, ebpf, prober, shell};

/// Depths of the pipeline, and the share of its throughput that a shard may lose at each.
const PIPELINES: [(usize, f64); 2] = [(1, 0.05), (32, 0.02)];

/// None, the default set, and each probe by itself.
const SETS: [&str; 11] = [
    "none",
    "default",
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

/// One set's figures.
#[derive(Default)]
struct Measured {
    ops_per_sec: Sample,
    p99_us: Sample,
    server_ns_per_op: Sample,
}

pub(super) fn run(effort: Effort) -> anyhow::Result<()> {
    ebpf::run()?;
    let programs = Programs::build()?;
    shell::run(&["cargo", "build", "--release", "--package", "stallion", "--features", "probes"])?;
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
    let mut data = Vec::new();
    for (pipeline, budget) in PIPELINES {
        let mut found: [Measured; SETS.len()] = Default::default();
        for round in 0..effort.rounds {
            println!("pipeline {pipeline}, round {} of {}", round + 1, effort.rounds);
            for step in 0..SETS.len() {
                let index = (round + step) % SETS.len();
                measure(&programs, &server, SETS[index], pipeline, effort, &mut found[index])?;
            }
        }
        for (name, measured) in SETS.iter().zip(&found) {
            data.push(row(&mut table, (pipeline, budget), name, measured, &found[0]));
        }
    }
    let note = format!(
        "GET of 100 B, 50 connections, closed model, one redis-server on a core of its own; client and \
         prober on the other. Median [least..most] of {} runs of {} s each, in turn; ratios within a \
         round. CPU is that of the server's main thread.",
        effort.rounds, effort.seconds
    );
    publish("probes", effort, Value::Array(data), &[table], &note)
}

fn measure(
    programs: &Programs,
    server: &Server,
    set: &str,
    pipeline: usize,
    effort: Effort,
    measured: &mut Measured,
) -> anyhow::Result<()> {
    let prober = if set == "none" { None } else { Some(start(programs, server.port, set)?) };
    let flags =
        format!("--pipeline {pipeline} --conns 50 --duration {}s --warmup 300ms", effort.seconds);
    let flags: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
    let before_ns = cpu_ns(server.process.id())?;
    let driven = programs.drive(server.port, &flags)?;
    let used_ns = cpu_ns(server.process.id())? - before_ns;
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
    (pipeline, budget): (usize, f64),
    name: &str,
    measured: &Measured,
    none: &Measured,
) -> Value {
    let rate = measured.ops_per_sec.ratio_to(&none.ops_per_sec);
    let cpu = measured.server_ns_per_op.ratio_to(&none.server_ns_per_op);
    let p99 = measured.p99_us.ratio_to(&none.p99_us);
    let within = 1.0 - rate.median() <= budget;
    table.rows.push(vec![
        pipeline.to_string(),
        name.to_owned(),
        measured.ops_per_sec.text(whole),
        rate.text(ratio),
        cpu.text(ratio),
        p99.text(ratio),
        match name {
            "default" => {
                format!("{:.0} %: {}", budget * 100.0, if within { "kept" } else { "broken" })
            }
            _ => String::new(),
        },
    ]);
    json!({
        "pipeline": pipeline, "probes": name, "budget": budget,
        "ops_per_sec": measured.ops_per_sec.json(), "p99_us": measured.p99_us.json(),
        "server_cpu_ns_per_op": measured.server_ns_per_op.json(),
        "throughput_ratio": rate.json(), "cpu_ratio": cpu.json(), "p99_ratio": p99.json(),
    })
}
