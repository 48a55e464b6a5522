//! Does the engine send when it should? Its lag beside that of loops that wait for the same times
//! and send nothing, and of one that sends the same bytes each time; what it sent against the
//! schedule; and what it does after a stall.

use std::path::Path;
use std::process::Child;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::effort::Effort;
use super::figures::{Sample, ratio, whole};
use super::programs::{Driven, Programs, Server, client_cpu, number};
use super::publish::{Table, publish};
use crate::child;

const RATE: u64 = 50_000;

pub(super) fn run(effort: Effort) -> anyhow::Result<()> {
    let (seconds, counted) = (effort.seconds, effort.counted_seconds);
    let rounds = effort.rounds;
    let programs = Programs::build()?;
    let server = programs.null()?;
    let mut heads = vec!["wait", "connections", "lag, us", "engine"];
    heads.extend(LOOPS.iter().flat_map(|other| [other.name, "ratio"]));
    let mut lags = Table::new(&heads);
    let mut data = Vec::new();
    for wait in ["spin", "block"] {
        for connections in [50, 1] {
            println!("{wait}, {connections} connections: {rounds} pairs");
            data.push(lag(&programs, &server, &mut lags, (wait, connections), effort)?);
        }
    }
    let mut sent = Table::new(&["run", "due", "sent", "difference", "most sent ahead of schedule"]);
    println!("{counted} s against the schedule");
    let undisturbed = schedule(&programs, &server, counted, Stall::None)?;
    println!("the server stalls, then the client");
    let server_stalls = schedule(&programs, &server, seconds, Stall::Server)?;
    let client_stalls = schedule(&programs, &server, seconds, Stall::Client)?;
    for (name, found) in [
        ("undisturbed", &undisturbed),
        ("the server stops for 0.5 s", &server_stalls),
        ("the client stops for 0.5 s", &client_stalls),
    ] {
        let cell = |key: &str| whole(found[key].as_f64().unwrap_or(f64::NAN));
        let cells = [cell("due"), cell("sent"), cell("difference"), cell("most_ahead")];
        sent.rows.push([vec![name.to_owned()], cells.to_vec()].concat());
    }
    let note = format!(
        "{RATE} requests a second, constant, against `stallion null` on another core. The clock loop \
         waits for the same times by the same ring and sends nothing (spinning it only reads the \
         clock); the polling loop asks the kernel in each turn, by epoll; the sender is the clock loop \
         with one prepared request at each time. Median [least..most] of {rounds} alternating runs of \
         {seconds} s, ratios of the engine's lag to theirs by pairs. Below: requests sent against \
         those due, and the most that any moment had sent beyond what was due by then."
    );
    let data = json!({
        "rate": RATE,
        "lag": data,
        "undisturbed": undisturbed,
        "server_stalls": server_stalls,
        "client_stalls": client_stalls,
    });
    publish("pacing", effort, data, &[lags, sent], &note)
}

/// What of a lag is compared.
const QUANTILES: [&str; 2] = ["p50", "p99"];

/// In microseconds.
type Lag = [Sample; QUANTILES.len()];

/// A loop that the engine is held against.
struct Loop {
    name: &'static str,
    io: &'static str,
    sends: bool,
}

const LOOPS: [Loop; 3] = [
    Loop { name: "clock loop", io: "uring", sends: false },
    Loop { name: "polling loop", io: "epoll", sends: false },
    Loop { name: "sender", io: "uring", sends: true },
];

/// The engine and the loops.
const TURNS: usize = LOOPS.len() + 1;

fn lag(
    programs: &Programs,
    server: &Server,
    table: &mut Table,
    (wait, connections): (&str, usize),
    effort: Effort,
) -> anyhow::Result<Value> {
    let mut found: [Lag; TURNS] = Default::default();
    for round in 0..effort.rounds {
        for step in 0..TURNS {
            let turn = (round + step) % TURNS;
            let lag_us = one_lag(programs, server, turn, (wait, connections), effort)?;
            for (sample, lag_us) in found[turn].iter_mut().zip(lag_us) {
                sample.add(lag_us);
            }
        }
    }
    let (engine, loops) = (&found[0], &found[1..]);
    let mut data = json!({ "wait": wait, "connections": connections });
    for (index, name) in QUANTILES.into_iter().enumerate() {
        let ours = &engine[index];
        let mut cells = vec![wait.to_owned(), connections.to_string(), name.to_owned()];
        cells.push(ours.text(ratio));
        data[name] = json!({ "engine_us": ours.json() });
        for (other, lag) in LOOPS.iter().zip(loops) {
            let (theirs, ratios) = (&lag[index], ours.ratio_to(&lag[index]));
            cells.extend([theirs.text(ratio), ratios.text(ratio)]);
            let of_loop = json!({ "lag_us": theirs.json(), "engine_to_it": ratios.json() });
            data[name][other.name.replace(' ', "_")] = of_loop;
        }
        table.rows.push(cells);
    }
    Ok(data)
}

/// One run's lag in microseconds.
fn one_lag(
    programs: &Programs,
    server: &Server,
    turn: usize,
    (wait, connections): (&str, usize),
    effort: Effort,
) -> anyhow::Result<[f64; QUANTILES.len()]> {
    let (found, at) = match turn.checked_sub(1) {
        None => {
            let driven = programs.drive(server.port, &flags(wait, connections, effort.seconds))?;
            (driven.summary, "/schedule_lag_us")
        }
        Some(index) => {
            let other = &LOOPS[index];
            let (rate, seconds) = (RATE.to_string(), effort.seconds.to_string());
            let (cpu, port) = (client_cpu()?.to_string(), server.port.to_string());
            let connections = connections.to_string();
            let words = [other.io, wait, &rate, &seconds, &cpu, &port, &connections];
            let words = if other.sends { &words[..] } else { &words[..5] };
            (programs.example("timer", words)?, "/lag_us")
        }
    };
    let [p50, p99] = QUANTILES.map(|name| number(&found, &format!("{at}/{name}")));
    Ok([p50?, p99?])
}

/// The flags of a paced run.
fn flags(wait: &str, connections: usize, seconds: u64) -> Vec<String> {
    // So many in flight that 20 ms without an answer fill no connection: what is late then is the
    // client's own doing, which is what the timer loop is held against.
    let pipeline = RATE as usize / 50 / connections;
    let text = format!(
        "--rate {RATE} --wait {wait} --conns {connections} --pipeline {pipeline} \
         --duration {seconds}s --warmup 0s"
    );
    text.split_whitespace().map(str::to_owned).collect()
}

/// Who stands still for half a second in the middle of a run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stall {
    None,
    Server,
    Client,
}

const STALL: Duration = Duration::from_millis(500);

fn schedule(
    programs: &Programs,
    server: &Server,
    seconds: u64,
    stall: Stall,
) -> anyhow::Result<Value> {
    let folder = std::env::temp_dir().join(format!("stallion-pacing-{}", std::process::id()));
    let out = folder.display().to_string();
    std::fs::create_dir_all(&folder)?;
    let mut words = programs.drive_words(server.port, &flags("block", 50, seconds))?;
    // Short intervals, so that a burst of a few milliseconds cannot hide in one.
    words.extend(["--interval", "10ms", "--out"].map(str::to_owned));
    words.push(out);
    let client = child::spawn(&words)?;
    match stall {
        Stall::None => {}
        Stall::Server => stop_for_a_while(&server.process, seconds)?,
        Stall::Client => stop_for_a_while(&client, seconds)?,
    }
    let driven = Driven::of(&child::finish(client)?)?;
    let most_ahead = most_ahead(&folder.join("drive.jsonl"))?;
    std::fs::remove_dir_all(&folder)?;
    let (due, sent) = (driven.number("/accounting/due")?, driven.number("/accounting/sent")?);
    let difference = (RATE * seconds) as f64 - sent;
    Ok(json!({ "due": due, "sent": sent, "difference": difference, "most_ahead": most_ahead }))
}

fn stop_for_a_while(process: &Child, seconds: u64) -> anyhow::Result<()> {
    std::thread::sleep(Duration::from_secs(seconds) / 2);
    child::signal(process, libc::SIGSTOP)?;
    std::thread::sleep(STALL);
    child::signal(process, libc::SIGCONT)
}

/// The most by which what was sent up to the end of any interval was above what was due by then;
/// 0 when no burst ever owed less than it sent.
fn most_ahead(timeline: &Path) -> anyhow::Result<f64> {
    let text = std::fs::read_to_string(timeline).with_context(|| timeline.display().to_string())?;
    let (mut start_ns, mut sent, mut most) = (None, 0.0, 0.0_f64);
    for line in text.lines() {
        let record: Value = serde_json::from_str(line)?;
        if record["record"] != "interval" {
            continue;
        }
        let start_ns = *start_ns.get_or_insert(number(&record, "/start_ns")?);
        sent += number(&record, "/sent")?;
        let elapsed_s = (number(&record, "/end_ns")? - start_ns) / 1e9;
        // The request of time zero is due at once, so one more than the product.
        let owed = (elapsed_s * RATE as f64).floor() + 1.0;
        most = most.max(sent - owed);
    }
    Ok(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_beyond_the_schedule_is_seen() {
        let folder = std::env::temp_dir().join(format!("most-ahead-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("drive.jsonl");
        let lines = |sent: [u64; 3]| -> String {
            let interval = |(index, sent): (u64, u64)| {
                let (start_ns, end_ns) = (index * 10_000_000, (index + 1) * 10_000_000);
                let record = json!({
                    "record": "interval", "start_ns": start_ns, "end_ns": end_ns, "sent": sent,
                });
                format!("{record}\n")
            };
            (0..).zip(sent).map(interval).collect()
        };
        for (sent, ahead) in
            [([500, 500, 500], 0.0), ([500, 0, 1_000], 0.0), ([700, 300, 500], 199.0)]
        {
            std::fs::write(&file, lines(sent)).unwrap();
            assert!((most_ahead(&file).unwrap() - ahead).abs() < 1e-9, "{sent:?}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
