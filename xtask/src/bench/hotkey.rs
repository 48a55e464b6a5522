//! Zipf with s = 1.2 on three primaries: how hot the hottest is, what each mitigation takes off it, and
//! what that costs in writes and in truth.

use serde_json::{Value, json};

use super::effort::Effort;
use super::figures::{Sample, ratio, tenth};
use super::programs::{Driven, Programs, number};
use super::publish::{Table, publish};
use super::shards::Shards;

const PRIMARIES: usize = 3;

const RATE: u64 = 12_000;

/// Names, and the flags that follow `--mitigation`.
const MITIGATIONS: [(&str, &str); 6] = [
    ("none", "measure"),
    ("local cache", "local-cache"),
    ("local cache, BCAST", "local-cache --tracking bcast"),
    ("key split, 20 keys x 6", "key-split --split-keys 20 --split-copies 6"),
    ("coalesce", "coalesce"),
    ("replica read", "replica-read"),
];

/// Only where replicas are read.
const REPLICAS_BEHIND: &str = "/mitigation/replica_lag/mean_bytes";

/// What is read off each run, and where in its summary.
const FIGURES: [(&str, &str); 8] = [
    ("reads that reached no server", "/mitigation/offload"),
    ("writes for each one", "/mitigation/write_amplification"),
    ("stale reads", "/mitigation/stale_share"),
    ("behind, p99 us", "/mitigation/behind_us/p99"),
    ("replicas behind, mean bytes", REPLICAS_BEHIND),
    ("invalidated after, p99 us", "/mitigation/invalidation_us/p99"),
    ("p50 us", "/response_us/p50"),
    ("p99 us", "/response_us/p99"),
];

#[derive(Default)]
struct Measured {
    hot_share: Sample,
    hot_busy: Sample,
    figures: [Sample; FIGURES.len()],
}

pub(super) fn run(effort: Effort) -> anyhow::Result<()> {
    let programs = Programs::build()?;
    let shards = Shards::start(&programs, PRIMARIES, 1)?;
    let mut found: [Measured; MITIGATIONS.len()] = Default::default();
    for round in 0..effort.rounds {
        println!("round {} of {}", round + 1, effort.rounds);
        for step in 0..MITIGATIONS.len() {
            let index = (round + step) % MITIGATIONS.len();
            turn(&programs, &shards, MITIGATIONS[index].1, effort, &mut found[index])?;
        }
    }
    let mut heads = vec!["mitigation", "hottest node's share", "its main thread busy"];
    heads.extend(FIGURES.map(|(name, _)| name));
    let mut table = Table::new(&heads);
    let mut data = Vec::new();
    for ((name, flags), measured) in MITIGATIONS.iter().zip(&found) {
        let mut cells = vec![(*name).to_owned()];
        cells.extend([measured.hot_share.text(ratio), measured.hot_busy.text(ratio)]);
        let mut row = json!({
            "mitigation": flags,
            "hottest_share": measured.hot_share.json(),
            "hottest_busy": measured.hot_busy.json(),
        });
        for ((_, pointer), sample) in FIGURES.iter().zip(&measured.figures) {
            let write =
                if pointer.contains("_us/") || *pointer == REPLICAS_BEHIND { tenth } else { share };
            cells.push(if sample.is_empty() { "-".to_owned() } else { sample.text(write) });
            if !sample.is_empty() {
                row[pointer.trim_start_matches('/').replace('/', "_")] = sample.json();
            }
        }
        table.rows.push(cells);
        data.push(row);
    }
    let note = format!(
        "{RATE} requests a second (19 reads to a write, 100 B, Zipf s = 1.2) to {PRIMARIES} \
         primaries with a replica each, which share one CPU; median [least..most] of {} runs of {} s \
         in turn. A read is stale when a newer value of its key had been acknowledged before it was \
         sent.",
        effort.rounds,
        effort.seconds * 2
    );
    publish("hotkey", effort, Value::Array(data), &[table], &note)
}

fn share(value: f64) -> String {
    format!("{value:.4}")
}

fn turn(
    programs: &Programs,
    shards: &Shards,
    mitigation: &str,
    effort: Effort,
    measured: &mut Measured,
) -> anyhow::Result<()> {
    let flags = format!(
        "--topology cluster --mitigation {mitigation} --dist zipfian --zipf-s 1.2 --rw-ratio 19:1 \
         --rate {RATE} --conns 12 --pipeline 16 --duration {}s --warmup 500ms",
        effort.seconds * 2
    );
    let flags: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
    let driven = programs.drive(shards.first().port, &flags)?;
    let (share, busy) = hottest(&driven)?;
    measured.hot_share.add(share);
    measured.hot_busy.add(busy);
    for ((_, pointer), sample) in FIGURES.iter().zip(&mut measured.figures) {
        if *pointer != REPLICAS_BEHIND || mitigation == "replica-read" {
            sample.add(driven.number(pointer)?);
        }
    }
    Ok(())
}

/// The share of the requests that the busiest node got, and how busy its main thread was.
fn hottest(driven: &Driven) -> anyhow::Result<(f64, f64)> {
    let nodes = driven.summary["cluster"]["nodes"].as_array().cloned().unwrap_or_default();
    let mut hottest = (0.0, 0.0);
    for node in &nodes {
        let share = number(node, "/ops_share")?;
        if share > hottest.0 {
            hottest = (share, number(node, "/server_busy")?);
        }
    }
    Ok(hottest)
}
