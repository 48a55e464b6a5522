//! What cluster mode costs the client over node mode: one server that serves all slots, driven both
//! ways in turn, so that only the routing and the counting by slot differ.

use serde_json::{Value, json};

use super::effort::Effort;
use super::figures::{Sample, ratio, tenth, whole};
use super::programs::{CONNECTIONS, Programs, Server};
use super::publish::{Table, publish};
use super::shards::Shards;

const PIPELINES: [usize; 3] = [1, 16, 64];

/// What is measured in turn.
const TOPOLOGIES: [&str; 2] = ["cluster", "node"];

#[derive(Default)]
struct Measured {
    ns_per_op: Sample,
    ops_per_sec: Sample,
}

pub(super) fn run(effort: Effort) -> anyhow::Result<()> {
    let programs = Programs::build()?;
    let cluster = Shards::start(&programs, 1, 0)?;
    let mut table = Table::new(&[
        "pipeline",
        "cluster ns/op",
        "node ns/op",
        "cluster/node",
        "cluster ops/s",
        "node ops/s",
    ]);
    let mut data = Vec::new();
    for pipeline in PIPELINES {
        let mut found: [Measured; 2] = Default::default();
        for round in 0..effort.rounds {
            println!("pipeline {pipeline}, round {} of {}", round + 1, effort.rounds);
            for step in 0..TOPOLOGIES.len() {
                let index = (round + step) % TOPOLOGIES.len();
                turn(
                    &programs,
                    cluster.first(),
                    (pipeline, effort.seconds),
                    index,
                    &mut found[index],
                )?;
            }
        }
        let over = found[0].ns_per_op.ratio_to(&found[1].ns_per_op);
        table.rows.push(vec![
            pipeline.to_string(),
            found[0].ns_per_op.text(tenth),
            found[1].ns_per_op.text(tenth),
            over.text(ratio),
            found[0].ops_per_sec.text(whole),
            found[1].ops_per_sec.text(whole),
        ]);
        let measured = |one: &Measured| -> Value {
            json!({ "cpu_ns_per_op": one.ns_per_op.json(), "ops_per_sec": one.ops_per_sec.json() })
        };
        data.push(json!({
            "pipeline": pipeline,
            "cluster": measured(&found[0]),
            "node": measured(&found[1]),
            "cluster_over_node_cpu": over.json(),
        }));
    }
    let note = format!(
        "GET of 100 B in the closed model, {CONNECTIONS} connections, one client core, one \
         redis-server with cluster-enabled that serves all slots on another, driven with --topology \
         cluster and node in turn; CPU of the client's ring thread; median [least..most] of {} runs of \
         {} s, ratios by pairs.",
        effort.rounds, effort.seconds
    );
    publish("cluster", effort, Value::Array(data), &[table], &note)
}

fn turn(
    programs: &Programs,
    server: &Server,
    (pipeline, seconds): (usize, u64),
    topology: usize,
    measured: &mut Measured,
) -> anyhow::Result<()> {
    let flags = format!(
        "--topology {} --pipeline {pipeline} --conns {CONNECTIONS} --duration {seconds}s --warmup 300ms",
        TOPOLOGIES[topology]
    );
    let flags: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
    let driven = programs.drive(server.port, &flags)?;
    measured.ns_per_op.add(driven.number("/client/cpu_ns_per_op")?);
    measured.ops_per_sec.add(driven.number("/ops_per_sec")?);
    Ok(())
}
