//! What TLS costs the client: one server that speaks it at one port and the clear at another, driven
//! both ways in turn; and what a connection costs that is opened again and again.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::effort::Effort;
use super::figures::{Sample, ratio, tenth, whole};
use super::programs::{CONNECTIONS, KEYS, Programs, Server, free_port};
use super::publish::{Table, publish};
use crate::{child, install, shell};

const PIPELINES: [usize; 2] = [1, 16];

/// What is measured in turn.
const STEADY: [&str; 2] = ["tls", "clear"];

/// Requests of a connection that is opened again and again.
const REQUESTS: u64 = 10;

/// The ways in which it is opened.
const CHURN: [&str; 3] = ["clear", "tls", "tls-resume"];

const PASSWORD: &str = "bench";

#[derive(Default)]
struct Measured {
    ns_per_op: Sample,
    ops_per_sec: Sample,
    connect_p50_us: Sample,
    connect_p99_us: Sample,
    server_busy: Sample,
}

impl Measured {
    fn json(&self) -> Value {
        let mut value = json!({
            "cpu_ns_per_op": self.ns_per_op.json(),
            "ops_per_sec": self.ops_per_sec.json(),
            "server_busy": self.server_busy.json(),
        });
        if !self.connect_p50_us.is_empty() {
            value["connect_p50_us"] = self.connect_p50_us.json();
            value["connect_p99_us"] = self.connect_p99_us.json();
        }
        value
    }
}

pub(super) fn run(effort: Effort) -> anyhow::Result<()> {
    let programs = Programs::build()?;
    let bench = Bench::start(&programs)?;
    let (steady, mut data) = steady(&bench, effort)?;
    let (churn, more) = churn(&bench, effort)?;
    data.extend(more);
    let note = format!(
        "GET of 100 B in the closed model, {CONNECTIONS} connections, one client core, one \
         redis-server on another, at its TLS port (TLS 1.3, AES-256-GCM) and at its other one in turn; \
         CPU of the client's ring thread; median [least..most] of {} runs of {} s, ratios by pairs. \
         Below, each connection is closed after {REQUESTS} requests and opened again, with AUTH, \
         SELECT and CLIENT SETNAME; the price of a connection is what it adds to the CPU of its \
         requests, hand-shakes and system calls included.",
        effort.rounds, effort.seconds
    );
    publish("tls", effort, Value::Array(data), &[steady, churn], &note)
}

fn steady(bench: &Bench<'_>, effort: Effort) -> anyhow::Result<(Table, Vec<Value>)> {
    let mut table = Table::new(&[
        "pipeline",
        "TLS ns/op",
        "clear ns/op",
        "TLS/clear",
        "TLS ops/s",
        "clear ops/s",
        "TLS/clear",
    ]);
    let mut data = Vec::new();
    for pipeline in PIPELINES {
        let flags = format!("--pipeline {pipeline}");
        let [tls, clear] = in_turn(bench, effort, STEADY, &flags)?;
        let cpu = tls.ns_per_op.ratio_to(&clear.ns_per_op);
        let rate = tls.ops_per_sec.ratio_to(&clear.ops_per_sec);
        table.rows.push(vec![
            pipeline.to_string(),
            tls.ns_per_op.text(tenth),
            clear.ns_per_op.text(tenth),
            cpu.text(ratio),
            tls.ops_per_sec.text(whole),
            clear.ops_per_sec.text(whole),
            rate.text(ratio),
        ]);
        data.push(json!({
            "pipeline": pipeline,
            "tls": tls.json(),
            "clear": clear.json(),
            "tls_over_clear_cpu": cpu.json(),
            "tls_over_clear_ops": rate.json(),
        }));
    }
    Ok((table, data))
}

fn churn(bench: &Bench<'_>, effort: Effort) -> anyhow::Result<(Table, Vec<Value>)> {
    let mut table = Table::new(&[
        "opened again by",
        "connections/s",
        "client CPU each, us",
        "connect p50, us",
        "connect p99, us",
        "server busy",
    ]);
    let kept = in_turn(bench, effort, CHURN, "--pipeline 1")?;
    let flags = format!("--pipeline 1 --reconnect-every {REQUESTS}");
    let opened = in_turn(bench, effort, CHURN, &flags)?;
    let mut data = Vec::new();
    for ((name, kept), opened) in CHURN.into_iter().zip(kept).zip(opened) {
        let requests = REQUESTS as f64;
        let each_us = |opened: f64| (opened - kept.ns_per_op.median()) * requests / 1e3;
        table.rows.push(vec![
            name.to_owned(),
            opened.ops_per_sec.text(|ops| whole(ops / requests)),
            opened.ns_per_op.text(|ns| tenth(each_us(ns))),
            opened.connect_p50_us.text(whole),
            opened.connect_p99_us.text(whole),
            opened.server_busy.text(ratio),
        ]);
        data.push(json!({
            "opened_again_by": name,
            "requests_of_a_connection": REQUESTS,
            "kept": kept.json(),
            "opened": opened.json(),
        }));
    }
    Ok((table, data))
}

/// Each way in turn, beginning with another one each round.
fn in_turn<const WAYS: usize>(
    bench: &Bench<'_>,
    effort: Effort,
    ways: [&str; WAYS],
    flags: &str,
) -> anyhow::Result<[Measured; WAYS]> {
    let mut found = ways.map(|_| Measured::default());
    for round in 0..effort.rounds {
        println!("{flags}, round {} of {}", round + 1, effort.rounds);
        for step in 0..WAYS {
            let index = (round + step) % WAYS;
            bench.turn(ways[index], flags, effort.seconds, &mut found[index])?;
        }
    }
    Ok(found)
}

/// A server with both ports, filled; its certificates go with it.
struct Bench<'a> {
    programs: &'a Programs,
    clear: Server,
    tls_port: u16,
    folder: PathBuf,
}

impl<'a> Bench<'a> {
    fn start(programs: &'a Programs) -> anyhow::Result<Self> {
        let (port, tls_port) = (free_port()?, free_port()?);
        let folder = std::env::temp_dir().join(format!("stallion-tls-{port}"));
        fs::create_dir_all(&folder)?;
        certificates(&folder)?;
        let file = |name: &str| folder.join(name).display().to_string();
        let mut words = Programs::redis_words(port, "127.0.0.1")?;
        let settings = [
            ("--requirepass", PASSWORD.to_owned()),
            ("--tls-port", tls_port.to_string()),
            ("--tls-cert-file", file("server.pem")),
            ("--tls-key-file", file("server.key")),
            ("--tls-ca-cert-file", file("ca.pem")),
            ("--tls-auth-clients", "no".to_owned()),
        ];
        words.extend(settings.into_iter().flat_map(|(name, value)| [name.to_owned(), value]));
        let clear = Server { process: child::spawn(&words)?, port };
        clear.wait_until_open()?;
        let (port, keys) = (port.to_string(), KEYS.to_string());
        let load = ["load", "--port", &port, "-a", PASSWORD, "--db", "1", "--keys", &keys];
        child::run(&programs.words("stallion", &load))?;
        Ok(Self { programs, clear, tls_port, folder })
    }

    fn turn(
        &self,
        way: &str,
        flags: &str,
        seconds: u64,
        measured: &mut Measured,
    ) -> anyhow::Result<()> {
        let ca = self.folder.join("ca.pem").display().to_string();
        let (port, tls) = match way {
            "tls" => (self.tls_port, format!("--tls --tls-ca {ca}")),
            "tls-resume" => (self.tls_port, format!("--tls --tls-ca {ca} --tls-resume")),
            _ => (self.clear.port, String::new()),
        };
        let flags = format!(
            "{flags} {tls} -a {PASSWORD} --db 1 --client-name bench --conns {CONNECTIONS} \
             --duration {seconds}s --warmup 300ms"
        );
        let flags: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
        let driven = self.programs.drive(port, &flags)?;
        measured.ns_per_op.add(driven.number("/client/cpu_ns_per_op")?);
        measured.ops_per_sec.add(driven.number("/ops_per_sec")?);
        if let Ok(busy) = driven.number("/server_busy") {
            measured.server_busy.add(busy);
        }
        if let Ok(p50) = driven.number("/connect_us/p50") {
            measured.connect_p50_us.add(p50);
            measured.connect_p99_us.add(driven.number("/connect_us/p99")?);
        }
        Ok(())
    }
}

impl Drop for Bench<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// An authority, and a certificate of it for loopback: elliptic curves, as new certificates have.
fn certificates(folder: &Path) -> anyhow::Result<()> {
    if !shell::installed(&["openssl"]) {
        install::ensure_apt(&["openssl"])?;
    }
    let file = |name: &str| folder.join(name).display().to_string();
    fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1\n")?;
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    for line in [
        format!(
            "openssl req -x509 {key} -days 30 -subj /CN=bench -keyout {} -out {}",
            file("ca.key"),
            file("ca.pem")
        ),
        format!(
            "openssl req {key} -subj /CN=server -keyout {} -out {}",
            file("server.key"),
            file("server.csr")
        ),
        format!(
            "openssl x509 -req -days 30 -in {} -CA {} -CAkey {} -CAcreateserial -extfile {} -out {}",
            file("server.csr"),
            file("ca.pem"),
            file("ca.key"),
            file("names"),
            file("server.pem")
        ),
    ] {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        child::run(&words)?;
    }
    Ok(())
}
