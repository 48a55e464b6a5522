//! A hundred million keys into a real redis-server: is the server the bound, does the loader keep
//! its memory, and does it go on where it was stopped?

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::effort::Effort;
use super::figures::whole;
use super::programs::{Programs, client_cpu, number};
use super::publish::{Table, publish};
use crate::child;

/// Bytes of a value: with its key some 90 bytes of Redis's memory.
const VALUE_BYTES: &str = "8";

/// When the loader is stopped, as a share of the time that all of it should take.
const STOPPED_AFTER: f64 = 0.3;

/// Writes a second that the first part is planned by; only the moment of the stop hangs on it.
const ROUGHLY_PER_S: f64 = 600_000.0;

/// What one part of a load came to.
struct Part {
    json: Value,
    seconds: f64,
    /// Resident memory of the loader at a tenth of its time, and at its end.
    early_bytes: u64,
    late_bytes: u64,
}

pub(super) fn run(effort: Effort) -> anyhow::Result<()> {
    let keys: u64 = if effort.publish { 100_000_000 } else { 2_000_000 };
    let programs = Programs::build()?;
    let server = Programs::empty_redis()?;
    let (port, cpu, count) = (server.port.to_string(), client_cpu()?.to_string(), keys.to_string());
    let flags = [
        "load",
        "--port",
        &port,
        "--cores",
        &cpu,
        "--keys",
        &count,
        "--value-size",
        VALUE_BYTES,
        "--pipeline",
        "128",
        "--json",
        "-",
    ];
    let words = programs.words("stallion", &flags);
    let stop_after = Duration::from_secs_f64(keys as f64 / ROUGHLY_PER_S * STOPPED_AFTER);
    println!("loading {keys} keys, stopped by SIGINT after {:.1} s", stop_after.as_secs_f64());
    let first = part(&words, Some(stop_after))?;
    println!("going on with --resume");
    let second = part(&[&words[..], &["--resume".to_owned()]].concat(), None)?;
    let (written, again) = (at(&first, "/fill/written")?, at(&second, "/fill/written")?);
    let found = at(&second, "/fill/found")?;
    let dbsize = at(&second, "/fill/dbsize_after")?;
    ensure!(dbsize as u64 == keys, "DBSIZE is {dbsize}, not {keys}");
    let wrong = at(&second, "/fill/wrong")? + at(&second, "/fill/absent")?;
    ensure!(wrong < 0.5, "{wrong} of the keys read back were absent or wrong");
    let table = table(&[("until Ctrl-C", &first), ("--resume", &second)])?;
    let note = format!(
        "{keys} keys of 16 bytes with values of {VALUE_BYTES}, into one redis-server on another core. \
         Stopped once by SIGINT; the second part found {} keys there and wrote {} of {} again, which \
         could have been in flight. At the end DBSIZE was {}, {:.2} GB were used, and of {} keys read \
         back none was absent or wrong.",
        whole(found),
        whole(written + again - keys as f64),
        whole(written),
        whole(dbsize),
        at(&second, "/fill/used_memory_bytes")? / 1e9,
        at(&second, "/fill/sampled")?
    );
    let object = |part: &Part| {
        json!({
            "load": part.json,
            "seconds": part.seconds,
            "loader_early_bytes": part.early_bytes,
            "loader_late_bytes": part.late_bytes,
        })
    };
    let data =
        json!({ "keys": keys, "until_interrupted": object(&first), "resumed": object(&second) });
    publish("load", effort, data, &[table], &note)
}

fn table(parts: &[(&str, &Part)]) -> anyhow::Result<Table> {
    let mut table = Table::new(&[
        "part",
        "keys written",
        "seconds",
        "keys/s",
        "server's main thread busy",
        "client core busy",
        "loader's memory early, late (MB)",
    ]);
    for (name, part) in parts {
        let busy = |pointer: &str| part.json.pointer(pointer).and_then(Value::as_f64);
        let percent = |share: Option<f64>| {
            share.map_or("-".to_owned(), |share| format!("{:.0} %", share * 100.0))
        };
        table.rows.push(vec![
            (*name).to_owned(),
            whole(at(part, "/fill/written")?),
            format!("{:.1}", part.seconds),
            whole(at(part, "/fill/ops_per_sec")?),
            percent(busy("/run/server_busy")),
            percent(busy("/run/client/busy_max")),
            format!("{:.1}, {:.1}", part.early_bytes as f64 / 1e6, part.late_bytes as f64 / 1e6),
        ]);
    }
    Ok(table)
}

fn at(part: &Part, pointer: &str) -> anyhow::Result<f64> {
    number(&part.json, pointer)
}

/// Runs a load, stopping it after a while if asked; it then ends with 1, and its JSON all the same.
fn part(words: &[String], stop_after: Option<Duration>) -> anyhow::Result<Part> {
    let begun = Instant::now();
    let process = child::spawn(words)?;
    let pid = process.id();
    let watcher = std::thread::spawn(move || watch(pid, begun));
    if let Some(after) = stop_after {
        std::thread::sleep(after);
        child::signal(&process, libc::SIGINT)?;
    }
    let stdout = child::output_of(process)?;
    let seconds = begun.elapsed().as_secs_f64();
    let readings = watcher.join().unwrap_or_default();
    let early = readings.get(readings.len() / 10).copied().unwrap_or(0);
    Ok(Part {
        json: serde_json::from_str(&stdout)
            .with_context(|| format!("the load printed {stdout}"))?,
        seconds,
        early_bytes: early,
        late_bytes: readings.last().copied().unwrap_or(0),
    })
}

/// Resident memory of a process each 100 ms until it ends.
fn watch(pid: u32, begun: Instant) -> Vec<u64> {
    let mut readings = Vec::new();
    while begun.elapsed() < Duration::from_secs(3_600) {
        match resident_bytes(pid) {
            Some(bytes) => readings.push(bytes),
            None => break,
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    readings
}

/// VmRSS of /proc/PID/status; none when the process has ended (a zombie has no memory).
fn resident_bytes(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1_024)
}
