//! A link of one gigabit that is full before client or server are: is it used, and is it named?

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::bed::{Bed, PAYLOAD_SHARE, SERVER};
use super::effort::Effort;
use super::figures::{Sample, ratio, whole};
use super::programs::{CONNECTIONS, Programs, Server, client_cpu, number};
use super::publish::{Table, publish};
use crate::child;

const LINK_BITS_PER_S: f64 = 1e9;

const VALUE_BYTES: usize = 4_096;

/// `$4096`, two line ends.
const REPLY_BYTES: f64 = VALUE_BYTES as f64 + 9.0;

const PORT: u16 = 6_379;

pub(super) fn run(effort: Effort) -> anyhow::Result<()> {
    let programs = Programs::build()?;
    let bed = Bed::new("1gbit")?;
    let words = Programs::redis_words(PORT, SERVER)?;
    let server = Server { process: child::spawn(&bed.on_server(&words))?, port: PORT };
    let value = VALUE_BYTES.to_string();
    let to_server = ["--host", SERVER, "--keys", "20000", "--value-size", &value];
    let load = programs.words("stallion", &[&["load"], &to_server[..]].concat());
    wait_for_server(&bed)?;
    child::run(&bed.on_client(&load))?;
    let cpu = client_cpu()?.to_string();
    let (seconds, conns) = (format!("{}s", effort.seconds * 3), CONNECTIONS.to_string());
    let drive =
        ["drive", "--cores", &cpu, "--conns", &conns, "--duration", &seconds, "--json", "-"];
    let drive = programs.words("stallion", &[&drive[..], &to_server[..]].concat());
    let (mut goodput, mut busy, mut full, mut rate) = Default::default();
    let mut verdicts = Vec::new();
    for round in 0..effort.rounds {
        println!("round {} of {}", round + 1, effort.rounds);
        let used = child::run(&bed.on_client(&drive))?;
        let summary: Value = serde_json::from_str(&used.stdout).context("the summary")?;
        let ops_per_sec = number(&summary, "/ops_per_sec")?;
        let of_link = ops_per_sec * REPLY_BYTES * 8.0 / (LINK_BITS_PER_S * PAYLOAD_SHARE);
        Sample::add(&mut rate, ops_per_sec);
        Sample::add(&mut goodput, of_link);
        Sample::add(&mut busy, number(&summary, "/client/busy_max")?);
        Sample::add(&mut full, number(&summary, "/link/received_bits_per_s")? / LINK_BITS_PER_S);
        verdicts.push(summary["verdict"]["bound"].clone());
    }
    drop(server);
    ensure!(!verdicts.is_empty(), "no round was run");
    let names: Vec<&str> = verdicts.iter().filter_map(Value::as_str).collect();
    let mut table = Table::new(&[
        "GET/s",
        "payload of what the link can carry",
        "link's own counter of its speed",
        "client core busy",
        "bounded by",
    ]);
    table.rows.push(vec![
        rate.text(whole),
        goodput.text(ratio),
        full.text(ratio),
        busy.text(ratio),
        names.join(", "),
    ]);
    let note = format!(
        "GET of {VALUE_BYTES} B over {CONNECTIONS} connections through a veth pair with a token \
         bucket of 1 Gbit/s on either end; {} runs. The link can carry {:.1} % of its rate as payload \
         (frames of 1 514 bytes with 1 448 of it).",
        effort.rounds,
        PAYLOAD_SHARE * 100.0
    );
    let data = json!({
        "ops_per_sec": rate.json(),
        "goodput_share": goodput.json(),
        "link_share": full.json(),
        "client_busy": busy.json(),
        "bound": verdicts,
    });
    publish("link", effort, data, &[table], &note)
}

/// Nothing of this side can connect to the other, so the other is asked from its own.
fn wait_for_server(bed: &Bed) -> anyhow::Result<()> {
    let port = PORT.to_string();
    let ping = ["redis-cli", "-h", SERVER, "-p", &port, "ping"].map(str::to_owned);
    for _ in 0..200 {
        if child::run(&bed.on_client(&ping)).is_ok_and(|used| used.stdout.contains("PONG")) {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    anyhow::bail!("redis-server does not answer over the link")
}
