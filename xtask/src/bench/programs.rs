//! The programs that are measured: built once, started on CPUs of their own.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::child;
use crate::{install, shell};

/// Connections of every benchmark that does not say otherwise.
pub(super) const CONNECTIONS: usize = 50;

/// Where the server runs and where the client.
pub(super) const SERVER_CPU: usize = 0;

/// Keys that are asked for.
pub(super) const KEYS: u64 = 100_000;

/// The CPU for the client: the last one.
pub(super) fn client_cpu() -> anyhow::Result<usize> {
    match std::thread::available_parallelism()?.get() {
        1 => bail!("one CPU for client and server measures neither: two are needed"),
        cpus => Ok(cpus - 1),
    }
}

/// The programs of this workspace.
pub(super) struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Builds them, optimised.
    pub(super) fn build() -> anyhow::Result<Self> {
        let release = ["cargo", "build", "--release"];
        shell::run(&[&release[..], &["--package", "stallion"]].concat())?;
        let examples = ["--package", "stallion-rings", "--example", "floor", "--example", "timer"];
        shell::run(&[&release[..], &examples].concat())?;
        let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
        Ok(Self { folder: shell::root().join(target).join("release") })
    }

    /// A command line of the program itself, or of an example.
    pub(super) fn words(&self, program: &str, arguments: &[&str]) -> Vec<String> {
        let program = self.folder.join(program).display().to_string();
        let arguments = arguments.iter().map(ToString::to_string);
        std::iter::once(program).chain(arguments).collect()
    }

    /// `stallion drive` with its summary as JSON, and the process's own usage.
    pub(super) fn drive(&self, port: u16, flags: &[String]) -> anyhow::Result<Driven> {
        let used = child::run(&self.drive_words(port, flags)?)?;
        Driven::of(&used)
    }

    pub(super) fn drive_words(&self, port: u16, flags: &[String]) -> anyhow::Result<Vec<String>> {
        let (port, cpu) = (port.to_string(), client_cpu()?.to_string());
        let keys = KEYS.to_string();
        let common = [
            "drive",
            "--port",
            &port,
            "--cores",
            &cpu,
            "--keys",
            &keys,
            "--json",
            "-",
            "--allow-invalid",
        ];
        let mut words = self.words("stallion", &common);
        words.extend_from_slice(flags);
        Ok(words)
    }

    /// An example's JSON.
    pub(super) fn example(&self, name: &str, arguments: &[&str]) -> anyhow::Result<Value> {
        let used = child::run(&self.words(&format!("examples/{name}"), arguments))?;
        serde_json::from_str(&used.stdout).with_context(|| format!("what {name} printed"))
    }

    /// `stallion null` on the server's CPU.
    pub(super) fn null(&self) -> anyhow::Result<Server> {
        let cpu = SERVER_CPU.to_string();
        let mut process = child::spawn(
            &self.words("stallion", &["null", "-p", "0", "--cores", &cpu, "--conns", "10100"]),
        )?;
        let mut line = String::new();
        let pipe = process.stdout.as_mut().context("no pipe")?;
        BufReader::new(pipe).read_line(&mut line)?;
        let port = line
            .split_once("redis://")
            .and_then(|(_, rest)| rest.split_whitespace().next()?.rsplit_once(':')?.1.parse().ok());
        Ok(Server {
            process,
            port: port.with_context(|| format!("`stallion null` said {line:?}"))?,
        })
    }

    /// A redis-server on the server's CPU, filled with the keys.
    pub(super) fn redis(&self) -> anyhow::Result<Server> {
        let server = Self::empty_redis()?;
        let (port, keys) = (server.port.to_string(), KEYS.to_string());
        child::run(&self.words("stallion", &["load", "--port", &port, "--keys", &keys]))?;
        Ok(server)
    }

    /// A redis-server on the server's CPU without a key.
    pub(super) fn empty_redis() -> anyhow::Result<Server> {
        let port = free_port()?;
        let process = child::spawn(&Self::redis_words(port, "127.0.0.1")?)?;
        let server = Server { process, port };
        server.wait_until_open()?;
        Ok(server)
    }

    /// The words that start a redis-server on the server's CPU.
    pub(super) fn redis_words(port: u16, address: &str) -> anyhow::Result<Vec<String>> {
        if !shell::installed(&["redis-server"]) {
            install::ensure_apt(&["redis-server"])?;
        }
        let folder = std::env::temp_dir();
        let text = format!(
            "taskset -c {SERVER_CPU} redis-server --port {port} --bind {address} --appendonly no \
             --protected-mode no --logfile /dev/null --dir {}",
            folder.display()
        );
        let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        words.extend(["--save".to_owned(), String::new()]);
        Ok(words)
    }
}

pub(super) fn free_port() -> anyhow::Result<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    Ok(listener.local_addr()?.port())
}

/// A server of ours; ends with this value.
pub(super) struct Server {
    pub(super) process: Child,
    pub(super) port: u16,
}

impl Server {
    /// CPU time of its main thread so far, in nanoseconds: the first field of
    /// /proc/PID/task/PID/schedstat.
    pub(super) fn main_cpu_ns(&self) -> anyhow::Result<u64> {
        let id = self.process.id();
        let text = std::fs::read_to_string(format!("/proc/{id}/task/{id}/schedstat"))?;
        let used_ns = text.split_whitespace().next().and_then(|field| field.parse().ok());
        used_ns.with_context(|| format!("the schedstat of process {id} is {text:?}"))
    }

    pub(super) fn wait_until_open(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if Instant::now() > deadline {
                bail!("the server on port {} does not start", self.port);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A run of `stallion drive`.
pub(super) struct Driven {
    pub(super) summary: Value,
    /// CPU time of the whole process for each request of the whole run.
    pub(super) process_ns_per_op: f64,
}

impl Driven {
    pub(super) fn of(used: &child::Used) -> anyhow::Result<Self> {
        let summary: Value = serde_json::from_str(&used.stdout)
            .with_context(|| format!("what `stallion drive` printed: {}", used.stdout))?;
        let answered = number(&summary, "/accounting/answered")?;
        Ok(Self { process_ns_per_op: used.cpu_ns as f64 / answered.max(1.0), summary })
    }

    pub(super) fn number(&self, pointer: &str) -> anyhow::Result<f64> {
        number(&self.summary, pointer)
    }
}

/// A number in a JSON object.
pub(super) fn number(value: &Value, pointer: &str) -> anyhow::Result<f64> {
    let found = value.pointer(pointer).and_then(Value::as_f64);
    found.with_context(|| format!("no number at {pointer} in {value}"))
}
