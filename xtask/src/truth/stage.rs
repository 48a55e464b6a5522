//! A server, its load and its probes; set up for a stretch of induced stalls and taken down after it.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::disk::Disk;
use super::redis::Redis;
use super::relay::Relay;
use crate::{child, prober, shell};

/// Where the server runs, and where the client does.
pub(super) const SERVER_CPU: usize = 0;
pub(super) const CLIENT_CPU: usize = 1;

/// Requests a second of the steady load: enough that the server is a third busy.
const RATE: &str = "15000";

/// Through the relay, which costs a core more than the server does.
const RELAYED_RATE: &str = "1000";

/// Keys of the plain server: a fork of half a gigabyte takes some ten milliseconds.
const KEYS: &str = "2000000";

/// How the server keeps its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Session {
    Plain,
    /// The same, with its heap on huge pages.
    Huge,
    Always,
    Everysec,
    NoSync,
    /// A plain one with few keys, watched by all probes.
    Dear,
    /// Syncs each write to a disk on a disk.
    Stacked,
    /// A plain one with few keys behind a relay.
    Relayed,
}

impl Session {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "no persistence",
            Self::Huge => "a heap on huge pages",
            Self::Always => "appendfsync always",
            Self::Everysec => "appendfsync everysec",
            Self::NoSync => "appendfsync no",
            Self::Dear => "all probes",
            Self::Stacked => "appendfsync always on a disk on a disk",
            Self::Relayed => "behind a relay",
        }
    }

    /// What is loaded, and what the load is made of: the append-only sessions write.
    const fn load(self) -> (&'static str, &'static str) {
        match self {
            Self::Plain | Self::Huge => (KEYS, "9:1"),
            Self::Dear | Self::Relayed => ("20000", "9:1"),
            Self::Always | Self::Everysec | Self::NoSync | Self::Stacked => ("20000", "1:1"),
        }
    }

    fn server_flags(self) -> Vec<&'static str> {
        match self {
            Self::Plain | Self::Dear | Self::Relayed => vec!["--appendonly", "no"],
            Self::Huge => vec!["--appendonly", "no", "--disable-thp", "no"],
            Self::Always | Self::Stacked => vec!["--appendonly", "yes", "--appendfsync", "always"],
            Self::Everysec => vec!["--appendonly", "yes", "--appendfsync", "everysec"],
            Self::NoSync => vec!["--appendonly", "yes", "--appendfsync", "no"],
        }
    }
}

/// A disturbance as the report is told of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Disturbance {
    pub(super) name: &'static str,
    pub(super) begin_ns: u64,
    pub(super) end_ns: u64,
}

/// What the report and the prober tell of a session.
pub(super) struct Told {
    pub(super) report: Value,
    /// The report in words.
    pub(super) words: String,
    /// The report as a page.
    pub(super) page: Vec<u8>,
    pub(super) stalls: Vec<Value>,
}

/// Everything that runs.
pub(super) struct Stage {
    pub(super) server: Child,
    pub(super) drive: Child,
    pub(super) port: u16,
    /// Timelines and reports.
    pub(super) folder: PathBuf,
    /// The server's files.
    pub(super) data: PathBuf,
    /// Where those are on a disk of their own.
    disk: Option<Disk>,
    /// And what that lies on, where it is another one.
    below: Option<Disk>,
    relay: Option<Relay>,
    probe: Child,
    begun: Instant,
}

impl Stage {
    pub(super) fn set_up(session: Session) -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("stallion-truth-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let below = (session == Session::Stacked).then(|| Disk::new(&folder, 512, false));
        let below = below.transpose()?;
        let disk = match session {
            Session::Everysec | Session::NoSync => Some(Disk::new(&folder, 512, false)?),
            _ => below.as_ref().map(|below| Disk::new(below.folder(), 400, true)).transpose()?,
        };
        let data = disk.as_ref().map_or(folder.as_path(), Disk::folder).to_owned();
        let server = start_server(session, port, &data)?;
        wait_for(|| Redis::connect(port).and_then(|mut redis| redis.ask(&["PING"])).is_ok())
            .context("redis-server does not answer")?;
        let (keys, mix) = session.load();
        let port_text = port.to_string();
        child::run(&stallion(&["load", "-p", &port_text, "--keys", keys, "--value-size", "100"]))?;
        let probes = if session == Session::Dear { "all" } else { "default" };
        let probe = start_probe(&port_text, &folder, probes)?;
        let relay = (session == Session::Relayed).then(|| Relay::to(port)).transpose()?;
        let (entry, rate, conns) = match &relay {
            Some(relay) => (relay.port.to_string(), RELAYED_RATE, "10"),
            None => (port_text, RATE, "50"),
        };
        let drive = start_drive(&folder, &entry, &["--rate", rate, "--conns", conns], keys, mix)?;
        std::thread::sleep(Duration::from_secs(3));
        let begun = Instant::now();
        Ok(Self { server, drive, port, folder, data, disk, below, relay, probe, begun })
    }

    pub(super) fn redis(&self) -> anyhow::Result<Redis> {
        Redis::connect(self.port)
    }

    /// The disk of the server's files, where it is one of its own.
    pub(super) const fn disk(&self) -> Option<&Disk> {
        self.disk.as_ref()
    }

    /// What that disk lies on, where it is another one.
    pub(super) const fn below(&self) -> Option<&Disk> {
        self.below.as_ref()
    }

    /// The relay before the server, where there is one.
    pub(super) const fn relay(&self) -> Option<&Relay> {
        self.relay.as_ref()
    }

    /// Lets the backlog of the last stall be worked off.
    pub(super) fn settle(&self) {
        std::thread::sleep(Duration::from_secs(2));
    }

    /// Ends load, probes and server, and gives back what is told of what was induced.
    pub(super) fn finish(mut self, induced: &[Disturbance]) -> anyhow::Result<Told> {
        child::signal(&self.drive, libc::SIGINT)?;
        let _ = self.drive.wait()?;
        child::signal(&self.probe, libc::SIGINT)?;
        let _ = self.probe.wait()?;
        self.write_chaos(induced)?;
        let folder = self.folder.display().to_string();
        child::run(&stallion(&["report", &folder, "--out", &folder]))?;
        let text = fs::read_to_string(self.folder.join("report.json"))?;
        let mut report: Value = serde_json::from_str(&text)?;
        report["stage_seconds"] = json!(self.begun.elapsed().as_secs_f64());
        let page = self.folder.join("report.html");
        let words = fs::read_to_string(self.folder.join("report.md"))?;
        Ok(Told { report, words, page: fs::read(page)?, stalls: self.stalls()? })
    }

    /// The prober's stall records.
    fn stalls(&self) -> anyhow::Result<Vec<Value>> {
        let lines = BufReader::new(File::open(self.folder.join("probe.jsonl"))?).lines();
        let records = lines.map(|line| Ok(serde_json::from_str::<Value>(&line?)?));
        let stalls = records.filter(|record: &anyhow::Result<Value>| {
            record.as_ref().map_or(true, |record| record["record"] == "stall")
        });
        stalls.collect()
    }

    /// The induced stalls as a timeline of their own, with the header of the load's.
    fn write_chaos(&self, induced: &[Disturbance]) -> anyhow::Result<()> {
        let drive = BufReader::new(File::open(self.folder.join("drive.jsonl"))?);
        let first = drive.lines().next().context("the load wrote no timeline")??;
        let mut header: Value = serde_json::from_str(&first)?;
        header["role"] = json!("chaos");
        header["plan"] = json!({ "suite": "truth" });
        let mut file = File::create(self.folder.join("chaos.jsonl"))?;
        writeln!(file, "{header}")?;
        let mut end_ns = header["clock"]["monotonic_ns"].as_u64().unwrap_or(0);
        for found in induced {
            let record = json!({
                "record": "chaos", "action": found.name, "target": header["target"],
                "begin_ns": found.begin_ns, "end_ns": found.end_ns, "outcome": "ok",
            });
            writeln!(file, "{record}")?;
            end_ns = end_ns.max(found.end_ns);
        }
        let footer = json!({
            "record": "footer", "end_ns": end_ns, "reason": "complete", "summary": {},
        });
        writeln!(file, "{footer}")?;
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for process in [&mut self.drive, &mut self.probe, &mut self.server] {
            let _ = child::signal(process, libc::SIGCONT);
            let _ = process.kill();
            let _ = process.wait();
        }
        self.disk = None;
        self.below = None;
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn start_server(session: Session, port: u16, folder: &Path) -> anyhow::Result<Child> {
    let cpu = SERVER_CPU.to_string();
    // A copy of its own: pages of the program that others map cannot be pushed out of memory.
    let program = folder.join("redis-server");
    let original = shell::output(&["sh", "-c", "readlink -f $(command -v redis-server)"])?;
    fs::copy(original.trim(), &program)?;
    File::open(&program)?.sync_all()?;
    Command::new("taskset")
        .args(["-c", &cpu])
        .arg(&program)
        .args(["--port", &port.to_string(), "--save", ""])
        .args(["--slowlog-log-slower-than", "1000", "--enable-debug-command", "local"])
        .args(["--bgsave_cpulist", &CLIENT_CPU.to_string(), "--auto-aof-rewrite-percentage", "0"])
        .args(session.server_flags())
        .arg("--dir")
        .arg(folder)
        .env("MALLOC_CONF", if session == Session::Huge { "thp:always" } else { "" })
        .stdout(Stdio::null())
        .spawn()
        .context("cannot start redis-server by taskset")
}

/// Starts the probes and waits until they say that they are attached.
fn start_probe(port: &str, folder: &Path, probes: &str) -> anyhow::Result<Child> {
    let out = folder.join("probe.jsonl").display().to_string();
    let words = stallion(&["probe", "-p", port, "--out", &out, "--probes", probes]);
    prober::start(&words, CLIENT_CPU)
}

/// Starts the steady load. All of it has the client's CPU: its recorder would else take turns with the
/// server, 2 % of a quiet minute on a host of two.
fn start_drive(
    folder: &Path,
    port: &str,
    flags: &[&str],
    keys: &str,
    mix: &str,
) -> anyhow::Result<Child> {
    let (out, cpu) = (folder.display().to_string(), CLIENT_CPU.to_string());
    let place = ["taskset", "-c", &cpu].map(str::to_owned);
    let target = ["drive", "-p", port, "--cores", &cpu, "--keys", keys, "--rw-ratio", mix];
    let rest = "--duration 600s --warmup 1s --timeout 20s --allow-invalid --json -";
    let rest: Vec<&str> = rest.split_whitespace().chain(["--out", &out]).collect();
    let words = stallion(&[&target, flags, rest.as_slice()].concat());
    child::spawn(&[&place[..], &words].concat())
}

/// A command line of the program that was built.
fn stallion(arguments: &[&str]) -> Vec<String> {
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    let program = shell::root().join(target).join("release/stallion").display().to_string();
    std::iter::once(program).chain(arguments.iter().map(ToString::to_string)).collect()
}

/// Waits up to twenty seconds until something holds.
pub(super) fn wait_for(mut holds: impl FnMut() -> bool) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        if Instant::now() > deadline {
            bail!("nothing happened for twenty seconds");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
