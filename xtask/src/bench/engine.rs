//! The engine on one core against the null server on another: io_uring and epoll, each beside its
//! floor, which is the same ring with nothing around it.

use serde_json::{Value, json};

use super::effort::Effort;
use super::figures::{Sample, ratio, tenth, whole};
use super::programs::{CONNECTIONS, Programs, Server, client_cpu, number};
use super::publish::{Table, publish};

const PIPELINES: [usize; 3] = [1, 16, 64];

/// What is measured in turn.
const TURNS: [(&str, bool); 4] =
    [("uring", true), ("uring", false), ("epoll", true), ("epoll", false)];

#[derive(Default)]
struct Measured {
    ns_per_op: Sample,
    ops_per_sec: Sample,
}

pub(super) fn run(effort: Effort) -> anyhow::Result<()> {
    let Effort { rounds, seconds, .. } = effort;
    let programs = Programs::build()?;
    let server = programs.null()?;
    let mut table = Table::new(&[
        "pipeline",
        "ring",
        "engine ns/op",
        "floor ns/op",
        "engine/floor",
        "engine ops/s",
        "floor ops/s",
    ]);
    let mut data = Vec::new();
    for pipeline in PIPELINES {
        let mut found: [Measured; 4] = Default::default();
        for round in 0..rounds {
            println!("pipeline {pipeline}, round {} of {rounds}", round + 1);
            // Each round begins with another, so that none always follows the same one.
            for step in 0..TURNS.len() {
                let index = (round + step) % TURNS.len();
                let (ns_per_op, ops_per_sec) =
                    turn(&programs, &server, TURNS[index], pipeline, seconds)?;
                found[index].ns_per_op.add(ns_per_op);
                found[index].ops_per_sec.add(ops_per_sec);
            }
        }
        for (pair, name) in found.chunks(2).zip(["io_uring", "epoll"]) {
            data.push(row(&mut table, pipeline, name, &pair[0], &pair[1]));
        }
        let gain = found[0].ns_per_op.ratio_to(&found[2].ns_per_op);
        data.push(json!({ "pipeline": pipeline, "uring_over_epoll": gain.json() }));
        let mut cells = vec![pipeline.to_string(), "io_uring/epoll".to_owned()];
        cells.push(gain.text(ratio));
        cells.resize(table.heads.len(), String::new());
        table.rows.push(cells);
    }
    let note = format!(
        "GET of 100 B, {CONNECTIONS} connections, one client core, `stallion null` on another; CPU \
         of the client's ring thread; median [least..most] of {rounds} alternating runs of \
         {seconds} s, ratios by pairs."
    );
    publish("engine", effort, Value::Array(data), &[table], &note)
}

fn turn(
    programs: &Programs,
    server: &Server,
    (io, engine): (&str, bool),
    pipeline: usize,
    seconds: u64,
) -> anyhow::Result<(f64, f64)> {
    let (pipeline, connections) = (pipeline.to_string(), CONNECTIONS.to_string());
    if engine {
        let flags = format!(
            "--io {io} --pipeline {pipeline} --conns {CONNECTIONS} --duration {seconds}s --warmup 300ms"
        );
        let flags: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
        let driven = programs.drive(server.port, &flags)?;
        return Ok((driven.number("/client/cpu_ns_per_op")?, driven.number("/ops_per_sec")?));
    }
    let (port, cpu) = (server.port.to_string(), client_cpu()?.to_string());
    let seconds = seconds.to_string();
    let words = [io, &port, &pipeline, &connections, &seconds, &cpu];
    let floor = programs.example("floor", &words)?;
    Ok((number(&floor, "/cpu_ns_per_op")?, number(&floor, "/ops_per_sec")?))
}

fn row(
    table: &mut Table,
    pipeline: usize,
    ring: &str,
    engine: &Measured,
    floor: &Measured,
) -> Value {
    let over = engine.ns_per_op.ratio_to(&floor.ns_per_op);
    table.rows.push(vec![
        pipeline.to_string(),
        ring.to_owned(),
        engine.ns_per_op.text(tenth),
        floor.ns_per_op.text(tenth),
        over.text(ratio),
        engine.ops_per_sec.text(whole),
        floor.ops_per_sec.text(whole),
    ]);
    json!({
        "pipeline": pipeline,
        "ring": ring,
        "engine_cpu_ns_per_op": engine.ns_per_op.json(),
        "floor_cpu_ns_per_op": floor.ns_per_op.json(),
        "engine_over_floor": over.json(),
        "engine_ops_per_sec": engine.ops_per_sec.json(),
        "floor_ops_per_sec": floor.ops_per_sec.json(),
    })
}
