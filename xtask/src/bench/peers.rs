//! The same work by this engine and by redis-benchmark, in turn, against a real redis-server and
//! against the null server, and there by the bare ring loop, too: nobody can be below it.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::effort::Effort;
use super::figures::{Sample, ratio, tenth, whole};
use super::programs::{CONNECTIONS, Driven, KEYS, Programs, Server, client_cpu, number};
use super::publish::{Table, publish};
use crate::child;
use crate::{install, shell};

const PIPELINES: [usize; 3] = [1, 16, 64];

#[derive(Default)]
struct Measured {
    ns_per_op: Sample,
    ops_per_sec: Sample,
    server_ns_per_op: Sample,
}

/// One run of one of them.
struct Turn {
    ns_per_op: f64,
    ops_per_sec: f64,
    requests: f64,
}

pub(super) fn run(effort: Effort) -> anyhow::Result<()> {
    let Effort { rounds, seconds, .. } = effort;
    if !shell::installed(&["redis-benchmark"]) {
        install::ensure_apt(&["redis-tools"])?;
    }
    let programs = Programs::build()?;
    let mut data = Vec::new();
    let mut table = Table::new(&[
        "server",
        "pipeline",
        "ours ns/op",
        "redis-benchmark ns/op",
        "ratio",
        "floor ns/op",
        "ours/floor",
        "ours ops/s",
        "redis-benchmark ops/s",
        "ratio",
        "server ns/op, ours/redis-benchmark",
    ]);
    for name in ["redis-server", "null"] {
        let server = match name {
            "null" => programs.null()?,
            _ => programs.redis()?,
        };
        for pipeline in PIPELINES {
            println!("{name}, pipeline {pipeline}: {rounds} pairs");
            let found = rounds_of(&programs, &server, name == "null", pipeline, effort)?;
            data.push(row(&mut table, name, pipeline, &found));
        }
    }
    let note = format!(
        "GET of 100 B over {KEYS} keys, {CONNECTIONS} connections, client pinned to one core, server \
         to another; CPU of the whole client process from its start to its end over all of its \
         requests; median [least..most] of {rounds} alternating runs of about {seconds} s, ratios by \
         pairs. The floor is the bare ring loop (see engine), its process counted likewise; the last column \
         is the CPU of redis-server's main thread for each request."
    );
    publish("peers", effort, Value::Array(data), &[table], &note)
}

/// Ours, redis-benchmark, and the floor.
const TURNS: usize = 3;

fn rounds_of(
    programs: &Programs,
    server: &Server,
    with_floor: bool,
    pipeline: usize,
    effort: Effort,
) -> anyhow::Result<[Measured; TURNS]> {
    let mut found: [Measured; TURNS] = Default::default();
    // How many requests fill the time is found out by a short run.
    let short = benchmark(server, pipeline, 20_000 * pipeline as u64)?;
    let requests = (short.ops_per_sec * effort.seconds as f64) as u64;
    for round in 0..effort.rounds {
        for step in 0..TURNS {
            let turn = (round + step) % TURNS;
            let before_ns = server.main_cpu_ns()?;
            let Turn { ns_per_op, ops_per_sec, requests } = match turn {
                0 => drive(programs, server, pipeline, effort.seconds)?,
                1 => benchmark(server, pipeline, requests)?,
                _ if with_floor => floor(programs, server, pipeline, effort.seconds)?,
                _ => continue,
            };
            found[turn].ns_per_op.add(ns_per_op);
            found[turn].ops_per_sec.add(ops_per_sec);
            let server_ns = server.main_cpu_ns()? - before_ns;
            found[turn].server_ns_per_op.add(server_ns as f64 / requests);
        }
    }
    Ok(found)
}

fn floor(
    programs: &Programs,
    server: &Server,
    pipeline: usize,
    seconds: u64,
) -> anyhow::Result<Turn> {
    let (port, cpu) = (server.port.to_string(), client_cpu()?.to_string());
    let (pipeline, seconds) = (pipeline.to_string(), seconds.to_string());
    let connections = CONNECTIONS.to_string();
    let words = ["uring", &port, &pipeline, &connections, &seconds, &cpu];
    let used = child::run(&programs.words("examples/floor", &words))?;
    let found: Value = serde_json::from_str(&used.stdout).context("what the floor printed")?;
    let requests = number(&found, "/ops")?.max(1.0);
    let ops_per_sec = number(&found, "/ops_per_sec")?;
    Ok(Turn { ns_per_op: used.cpu_ns as f64 / requests, ops_per_sec, requests })
}

fn drive(
    programs: &Programs,
    server: &Server,
    pipeline: usize,
    seconds: u64,
) -> anyhow::Result<Turn> {
    let flags =
        format!("--pipeline {pipeline} --conns {CONNECTIONS} --duration {seconds}s --warmup 0s");
    let flags: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
    // All of it on one core, as redis-benchmark is: left to itself, what it does beside its requests
    // goes to the other cores, and with two of them that is the server's (0.8 % of it here).
    let pinned = ["taskset", "-c", &client_cpu()?.to_string()].map(str::to_owned);
    let words = [&pinned[..], &programs.drive_words(server.port, &flags)?].concat();
    let driven = Driven::of(&child::run(&words)?)?;
    Ok(Turn {
        ns_per_op: driven.process_ns_per_op,
        ops_per_sec: driven.number("/ops_per_sec")?,
        requests: driven.number("/accounting/answered")?.max(1.0),
    })
}

fn benchmark(server: &Server, pipeline: usize, requests: u64) -> anyhow::Result<Turn> {
    let words = format!(
        "taskset -c {} redis-benchmark -p {} -t get -d 100 -r {KEYS} -P {pipeline} -c {CONNECTIONS} \
         -n {requests} --csv",
        client_cpu()?,
        server.port
    );
    let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    let used = child::run(&words)?;
    let ops_per_sec = requests_per_second(&used.stdout)
        .with_context(|| format!("redis-benchmark printed {:?}", used.stdout))?;
    let requests = requests as f64;
    Ok(Turn { ns_per_op: used.cpu_ns as f64 / requests, ops_per_sec, requests })
}

/// The second column of the row for GET.
fn requests_per_second(csv: &str) -> Option<f64> {
    let row = csv.lines().find(|line| line.starts_with("\"GET\""))?;
    row.split(',').nth(1)?.trim_matches('"').parse().ok()
}

fn row(
    table: &mut Table,
    server: &str,
    pipeline: usize,
    [ours, theirs, floor]: &[Measured; TURNS],
) -> Value {
    let cpu = ours.ns_per_op.ratio_to(&theirs.ns_per_op);
    let above = ours.ns_per_op.ratio_to(&floor.ns_per_op);
    let rate = ours.ops_per_sec.ratio_to(&theirs.ops_per_sec);
    let served = ours.server_ns_per_op.ratio_to(&theirs.server_ns_per_op);
    let measured = server == "null";
    let if_measured = |text: String| if measured { text } else { String::new() };
    table.rows.push(vec![
        server.to_owned(),
        pipeline.to_string(),
        ours.ns_per_op.text(tenth),
        theirs.ns_per_op.text(tenth),
        cpu.text(ratio),
        if_measured(floor.ns_per_op.text(tenth)),
        if_measured(above.text(ratio)),
        ours.ops_per_sec.text(whole),
        theirs.ops_per_sec.text(whole),
        rate.text(ratio),
        if measured { String::new() } else { served.text(ratio) },
    ]);
    json!({
        "server": server,
        "pipeline": pipeline,
        "ours_cpu_ns_per_op": ours.ns_per_op.json(),
        "redis_benchmark_cpu_ns_per_op": theirs.ns_per_op.json(),
        "cpu_ratio": cpu.json(),
        "floor_cpu_ns_per_op": measured.then(|| floor.ns_per_op.json()),
        "ours_over_floor": measured.then(|| above.json()),
        "ours_ops_per_sec": ours.ops_per_sec.json(),
        "redis_benchmark_ops_per_sec": theirs.ops_per_sec.json(),
        "rate_ratio": rate.json(),
        "ours_server_ns_per_op": (!measured).then(|| ours.server_ns_per_op.json()),
        "redis_benchmark_server_ns_per_op": (!measured).then(|| theirs.server_ns_per_op.json()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_benchmarks_table_is_read() {
        let csv = "\"test\",\"rps\",\"avg_latency_ms\"\n\"GET\",\"78125.00\",\"0.337\"\n";
        assert_eq!(requests_per_second(csv), Some(78_125.0));
        assert_eq!(requests_per_second("nothing"), None);
    }
}
