//! What a request costs the client as keys, connections and cores grow: it should not grow with
//! them.

use std::process::Child;

use serde_json::{Value, json};

use super::effort::Effort;
use super::figures::{Sample, tenth, whole};
use super::programs::{Programs, client_cpu, number};
use super::publish::{Table, publish};
use crate::child;

const KEYS: [u64; 6] = [10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];

const CONNECTIONS: [usize; 5] = [1, 10, 100, 1_000, 10_000];

/// Rounds over all points: each takes more than a minute.
const ROUNDS: usize = 3;

/// One point of a curve: the drive's flags.
struct Point {
    curve: &'static str,
    x: String,
    flags: String,
    /// The null server is in the client's process, on these CPUs; otherwise it is one of its own:
    /// both ends of 10 000 connections are more files than one process may open.
    null_cores: Option<&'static str>,
    /// Pipeline and connections with which the bare ring loop is run beside it.
    floor: Option<(usize, usize)>,
}

pub(super) fn run(effort: Effort) -> anyhow::Result<()> {
    let programs = Programs::build()?;
    let points = points();
    let mut found: Vec<[Sample; 4]> = points.iter().map(|_| Default::default()).collect();
    for round in 0..effort.rounds.min(ROUNDS) {
        println!("round {} of {}: {} points", round + 1, effort.rounds.min(ROUNDS), points.len());
        // Every other round backwards: what drifts with time does not lean on one end.
        for step in 0..points.len() {
            let index = if round % 2 == 0 { step } else { points.len() - 1 - step };
            // A server of its own each time: one that ten thousand clients have just left is busy
            // with their farewells.
            let server = programs.null()?;
            let summary = measure(&programs, server.port, &points[index], effort)?;
            let [cost, rate, lost, floor] = &mut found[index];
            cost.add(number(&summary, "/client/cpu_ns_per_op")?);
            rate.add(number(&summary, "/ops_per_sec")?);
            lost.add(number(&summary, "/lost")? + number(&summary, "/timeouts")?);
            if let Some(load) = points[index].floor {
                floor.add(bare(&programs, server.port, load, effort)?);
            }
        }
    }
    let mut table = Table::new(&[
        "curve",
        "point",
        "client ns/op",
        "bare ring loop ns/op",
        "requests/s",
        "lost or timed out",
    ]);
    let mut data = Vec::new();
    for (point, [cost, rate, lost, floor]) in points.iter().zip(&found) {
        table.rows.push(vec![
            point.curve.to_owned(),
            point.x.clone(),
            cost.text(tenth),
            if point.floor.is_some() { floor.text(tenth) } else { String::new() },
            rate.text(whole),
            whole(lost.median()),
        ]);
        data.push(json!({
            "curve": point.curve, "x": point.x, "flags": point.flags,
            "cpu_ns_per_op": cost.json(), "floor_ns_per_op": point.floor.map(|_| floor.json()), "ops_per_sec": rate.json(), "lost": lost.json(),
        }));
    }
    let note = format!(
        "GET of 100 B against `stallion null` ({} s a point, {} rounds, median [least..most]); CPU of \
         the ring threads, and of the bare ring loop with as many connections: what it costs more with \
         more of them is the kernel's. One connection sleeps after each request. With two cores each \
         ring shares its core with one of the null server's, as there are no four.",
        effort.seconds,
        effort.rounds.min(ROUNDS)
    );
    publish("scale", effort, Value::Array(data), &[table], &note)
}

fn points() -> Vec<Point> {
    let mut points = Vec::new();
    for (curve, law) in [("keys, uniform", "uniform"), ("keys, Zipf 0.99", "zipfian")] {
        for keys in KEYS {
            points.push(Point {
                curve,
                x: format!("{:.0e}", keys as f64),
                flags: format!("--dist {law} --keys {keys} --pipeline 16 --conns 50 --cores 1"),
                null_cores: None,
                floor: None,
            });
        }
    }
    for (curve, pipeline) in [("connections, pipeline 1", 1), ("connections, pipeline 16", 16)] {
        for conns in CONNECTIONS {
            points.push(Point {
                curve,
                x: conns.to_string(),
                flags: format!("--conns {conns} --pipeline {pipeline} --cores 1"),
                null_cores: None,
                floor: Some((pipeline, conns)),
            });
        }
    }
    for (x, cores, null_cores) in [("1", "1", "0"), ("2", "0,1", "0,1")] {
        points.push(Point {
            curve: "cores, pipeline 16",
            x: x.to_owned(),
            flags: format!("--conns 50 --pipeline 16 --cores {cores}"),
            null_cores: Some(null_cores),
            floor: None,
        });
    }
    points
}

/// What the bare ring loop costs.
fn bare(
    programs: &Programs,
    port: u16,
    (pipeline, conns): (usize, usize),
    effort: Effort,
) -> anyhow::Result<f64> {
    let text = format!("uring {port} {pipeline} {conns} {} {}", effort.seconds, client_cpu()?);
    let words: Vec<&str> = text.split(' ').collect();
    number(&programs.example("floor", &words)?, "/cpu_ns_per_op")
}

fn measure(programs: &Programs, port: u16, point: &Point, effort: Effort) -> anyhow::Result<Value> {
    let server = match point.null_cores {
        Some(cores) => format!("--target null --null-cores {cores}"),
        None => format!("--port {port}"),
    };
    let flags = format!(
        "drive {server} --duration {}s --warmup 500ms --json - --allow-invalid {}",
        effort.seconds, point.flags
    );
    let words: Vec<&str> = flags.split_whitespace().collect();
    let process: Child = child::spawn(&programs.words("stallion", &words))?;
    Ok(serde_json::from_str(&child::finish(process)?.stdout)?)
}
