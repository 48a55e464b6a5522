//! What it costs the engine to be looked at: scraped each second, and shown on a terminal, against
//! neither, in turn.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::effort::Effort;
use super::figures::{Sample, ratio, tenth, whole};
use super::programs::{CONNECTIONS, KEYS, Programs, Server, client_cpu, free_port, number};
use super::publish::{Table, publish};
use crate::child;

/// How a run is looked at.
const LOOKS: [&str; 3] = ["nobody", "--metrics, scraped each second", "--tui"];

/// Rounds of all three: the differences are small, and runs differ by some per cent.
const ROUNDS: usize = 9;

/// Long enough for several scrapes.
const SECONDS: u64 = 5;

#[derive(Default)]
struct Measured {
    ops_per_sec: Sample,
    shard_ns_per_op: Sample,
    p99_us: Sample,
}

pub(super) fn run(effort: Effort) -> anyhow::Result<()> {
    let programs = Programs::build()?;
    let server = programs.null()?;
    let (rounds, seconds) =
        if effort.publish { (ROUNDS, SECONDS) } else { (effort.rounds, effort.seconds + 1) };
    let mut found: [Measured; LOOKS.len()] = Default::default();
    for round in 0..rounds {
        println!("round {} of {rounds}", round + 1);
        for step in 0..LOOKS.len() {
            let look = (round + step) % LOOKS.len();
            let summary = measure(&programs, &server, look, seconds)?;
            found[look].ops_per_sec.add(number(&summary, "/ops_per_sec")?);
            found[look].shard_ns_per_op.add(number(&summary, "/client/cpu_ns_per_op")?);
            found[look].p99_us.add(number(&summary, "/service_us/p99")?);
        }
    }
    let mut table = Table::new(&[
        "who looks",
        "requests/s",
        "against nobody",
        "shard's CPU ns a request",
        "against nobody",
        "service p99 against nobody",
    ]);
    let data =
        LOOKS.iter().zip(&found).map(|(name, measured)| row(&mut table, name, measured, &found[0]));
    let data = data.collect();
    let note = format!(
        "GET of 100 B over {KEYS} keys, {CONNECTIONS} connections, pipeline 16, closed model against the \
         null server, client pinned to one core and server to another; median [least..most] of {rounds} \
         runs of {seconds} s each, in turn, ratios within a round. The terminal is script(1)'s."
    );
    publish("metrics", effort, Value::Array(data), &[table], &note)
}

/// One run; its summary.
fn measure(
    programs: &Programs,
    server: &Server,
    look: usize,
    seconds: u64,
) -> anyhow::Result<Value> {
    let file = std::env::temp_dir().join(format!("stallion-bench-{}.json", std::process::id()));
    let (port, cpu, metrics) = (server.port, client_cpu()?, free_port()?);
    let mut line = format!(
        "drive --port {port} --cores {cpu} --keys {KEYS} --conns {CONNECTIONS} --pipeline 16 --warmup \
         300ms --duration {seconds}s --allow-invalid --json {}",
        file.display()
    );
    match look {
        1 => line += &format!(" --metrics {metrics}"),
        2 => line += " --tui",
        _ => {}
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut words = programs.words("stallion", &words);
    if look == 2 {
        // A shell takes the words apart again: no path of ours has a space or a quote. A terminal of
        // script's own has no size.
        let line = format!("stty rows 40 columns 120; exec {}", words.join(" "));
        let script = ["script", "--quiet", "--return", "--command", &line, "/dev/null"];
        let terminal = ["env", "TERM=xterm-256color"];
        words = [&terminal[..], &script[..]].concat().iter().map(ToString::to_string).collect();
    }
    let over = AtomicBool::new(false);
    let ran = std::thread::scope(|scope| {
        if look == 1 {
            scope.spawn(|| scrape(metrics, &over));
        }
        let ran = child::run(&words);
        over.store(true, Ordering::Relaxed);
        ran
    });
    ran?;
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    std::fs::remove_file(&file)?;
    serde_json::from_str(&text).context("what `stallion drive` wrote")
}

/// Asks for the metrics each second, as Prometheus would at its most eager.
fn scrape(port: u16, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(1_000));
        // Before its beginning, and at its end, nobody answers.
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { continue };
        let asked = stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n");
        let mut page = Vec::new();
        let _ = asked.and_then(|()| stream.read_to_end(&mut page));
    }
}

fn row(table: &mut Table, name: &str, measured: &Measured, nobody: &Measured) -> Value {
    let rate = measured.ops_per_sec.ratio_to(&nobody.ops_per_sec);
    let cpu = measured.shard_ns_per_op.ratio_to(&nobody.shard_ns_per_op);
    let p99 = measured.p99_us.ratio_to(&nobody.p99_us);
    table.rows.push(vec![
        name.to_owned(),
        measured.ops_per_sec.text(whole),
        rate.text(ratio),
        measured.shard_ns_per_op.text(tenth),
        cpu.text(ratio),
        p99.text(ratio),
    ]);
    json!({
        "look": name,
        "ops_per_sec": measured.ops_per_sec.json(),
        "shard_cpu_ns_per_op": measured.shard_ns_per_op.json(),
        "service_p99_us": measured.p99_us.json(),
        "throughput_ratio": rate.json(), "cpu_ratio": cpu.json(), "p99_ratio": p99.json(),
    })
}
