//! Does the engine send when it should? Its lag beside that of a loop that waits for the same
//! times and sends nothing, and of one that sends the same bytes each time; what it sent against the
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
    let (seconds, counted) = (effort.seconds * 2, effort.counted_seconds);
    // Three things in turn, four ways: more rounds would take ten minutes.
    let effort = Effort { rounds: effort.rounds.min(3), ..effort };
    let rounds = effort.rounds;
    let programs = Programs::build()?;
    let server = programs.null()?;
    let mut lags = Table::new(&[
        "wait",
        "connections",
        "lag p50 us",
        "timer p50 us",
        "ratio",
        "ratio to a bare sender",
        "lag p99 us",
        "timer p99 us",
        "ratio",
        "ratio to a bare sender",
    ]);
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
        "{RATE} requests a second, constant, against `stallion null` on another core; the timer loop \
         is the same ring waiting for the same times without sending, the bare sender the same ring \
         sending one prepared request at each of them; median [least..most] of \
         {rounds} alternating runs of {seconds} s, ratios by pairs. Below: requests sent against \
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

#[derive(Default)]
struct Lag {
    p50_us: Sample,
    p99_us: Sample,
}

/// The engine, the timer loop that sends nothing, and the one that sends.
const TURNS: usize = 3;

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
            let (p50_us, p99_us) = one_lag(programs, server, turn, (wait, connections), effort)?;
            found[turn].p50_us.add(p50_us);
            found[turn].p99_us.add(p99_us);
        }
    }
    let [engine, timer, sender] = &found;
    let mut cells = vec![wait.to_owned(), connections.to_string()];
    let mut data = json!({ "wait": wait, "connections": connections });
    for (name, engine, timer, sender) in [
        ("p50", &engine.p50_us, &timer.p50_us, &sender.p50_us),
        ("p99", &engine.p99_us, &timer.p99_us, &sender.p99_us),
    ] {
        let (to_timer, to_sender) = (engine.ratio_to(timer), engine.ratio_to(sender));
        let lags = [engine.text(ratio), timer.text(ratio)];
        cells.extend(lags.into_iter().chain([to_timer.text(ratio), to_sender.text(ratio)]));
        data[format!("engine_{name}_us")] = engine.json();
        data[format!("timer_{name}_us")] = timer.json();
        data[format!("bare_sender_{name}_us")] = sender.json();
        data[format!("{name}_ratio_to_timer")] = to_timer.json();
        data[format!("{name}_ratio_to_bare_sender")] = to_sender.json();
    }
    table.rows.push(cells);
    Ok(data)
}

/// Median and 99th percentile of one run's lag in microseconds.
fn one_lag(
    programs: &Programs,
    server: &Server,
    turn: usize,
    (wait, connections): (&str, usize),
    effort: Effort,
) -> anyhow::Result<(f64, f64)> {
    let seconds = effort.seconds * 2;
    let (found, at) = if turn == 0 {
        let driven = programs.drive(server.port, &flags(wait, connections, seconds))?;
        (driven.summary, "/schedule_lag_us")
    } else {
        let (rate, seconds) = (RATE.to_string(), seconds.to_string());
        let (cpu, port) = (client_cpu()?.to_string(), server.port.to_string());
        let connections = connections.to_string();
        let words = ["uring", wait, &rate, &seconds, &cpu, &port, &connections];
        let words = if turn == 1 { &words[..5] } else { &words[..] };
        (programs.example("timer", words)?, "/lag_us")
    };
    Ok((number(&found, &format!("{at}/p50"))?, number(&found, &format!("{at}/p99"))?))
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
