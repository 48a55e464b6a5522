//! Server and prober on one host, the client on another: two network namespaces, of which the
//! client's has a clock and a boot of its own, as on another machine.
#![cfg(feature = "probes")]
#![expect(clippy::unwrap_used, reason = "what a test needs must be there")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use stallion_timeline::{Record, Timeline};

const SERVER: &str = "10.199.9.2";
const PORT: &str = "7300";

/// By how much the client's CLOCK_MONOTONIC is ahead of the server's.
const AHEAD_S: i64 = 5_000;

/// Two namespaces with a wire between them; gone with the value, with all that runs in them.
struct Hosts {
    client: String,
    server: String,
    running: Vec<Child>,
}

impl Hosts {
    fn new() -> Self {
        let id = std::process::id();
        let hosts = Self {
            client: format!("stallion-hosts-c{id}"),
            server: format!("stallion-hosts-s{id}"),
            running: Vec::new(),
        };
        let (client, server) = (hosts.client.as_str(), hosts.server.as_str());
        run("ip", &["netns", "add", client]);
        run("ip", &["netns", "add", server]);
        let near = ["link", "add", "near", "netns", client, "type", "veth"];
        run("ip", &[&near[..], &["peer", "name", "far", "netns", server]].concat());
        for (name, end, address) in [(client, "near", "10.199.9.1"), (server, "far", SERVER)] {
            run("ip", &["-n", name, "address", "add", &format!("{address}/30"), "dev", end]);
            run("ip", &["-n", name, "link", "set", end, "up"]);
            run("ip", &["-n", name, "link", "set", "lo", "up"]);
        }
        hosts
    }

    fn on_server(&mut self, words: &[&str]) -> &mut Child {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.server]).args(words);
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        self.running.push(child);
        self.running.last_mut().unwrap()
    }

    /// Runs the client to its end, in a boot and on a clock of its own.
    fn on_client(&self, folder: &Path, words: &[&str]) -> Child {
        let boot = folder.join("boot_id");
        fs::write(&boot, "11111111-2222-4333-8444-555555555555\n").unwrap();
        let mount = format!("mount --bind {} /proc/sys/kernel/random/boot_id", boot.display());
        Command::new("ip")
            .args(["netns", "exec", &self.client])
            .args(["unshare", "--mount", "--fork", "--time", "--monotonic", &AHEAD_S.to_string()])
            .args(["sh", "-c", &format!("{mount} && exec \"$0\" \"$@\"")])
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for child in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
        for name in [&self.client, &self.server] {
            let _ = Command::new("ip").args(["netns", "delete", name]).output();
        }
    }
}

fn run(program: &str, words: &[&str]) -> String {
    let Output { status, stdout, stderr } = Command::new(program).args(words).output().unwrap();
    assert!(status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8_lossy(&stdout).into_owned()
}

fn may_probe() -> bool {
    // SAFETY: asks for a number.
    let root = unsafe { nix::libc::geteuid() } == 0;
    assert!(root || std::env::var_os("CI").is_none(), "CI must run the probe tests as root");
    root
}

#[test]
fn timelines_of_two_hosts_are_joined_by_the_clock_that_was_measured() {
    if !may_probe() {
        eprintln!("skipped: probes and namespaces need root");
        return;
    }
    let stallion = env!("CARGO_BIN_EXE_stallion");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    fs::create_dir(&out).unwrap();
    let stalls = out.join("probe.jsonl").display().to_string();
    let mut hosts = Hosts::new();
    let redis = ["redis-server", "--port", PORT, "--bind", SERVER, "--protected-mode", "no"];
    let redis = [&redis[..], &["--save", "", "--dir", folder.path().to_str().unwrap()]].concat();
    // `ip netns exec` becomes the program: this is the server's own id.
    let pid = i32::try_from(hosts.on_server(&redis).id()).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let listen = format!("{SERVER}:7979");
    let prober =
        hosts.on_server(&[stallion, "probe", "-p", PORT, "--out", &stalls, "--listen", &listen]);
    let mut said = BufReader::new(prober.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(said.any(|line| line == "ready"), "the prober did not start");
    let prober = i32::try_from(prober.id()).unwrap();
    std::thread::spawn(move || said.for_each(drop));

    let target = format!("redis://{SERVER}:{PORT}");
    let path = out.display().to_string();
    let drive = [stallion, "drive", "--target", &target, "--rate", "500", "--duration", "4s"];
    let rest = ["--warmup", "500ms", "--allow-invalid", "--out", &path, "--clock", &listen];
    let drive = hosts.on_client(folder.path(), &[&drive[..], &rest].concat());
    std::thread::sleep(Duration::from_millis(2_500));
    signal(pid, nix::libc::SIGSTOP);
    std::thread::sleep(Duration::from_millis(300));
    signal(pid, nix::libc::SIGCONT);
    let driven = drive.wait_with_output().unwrap();
    assert!(driven.status.success(), "{}", String::from_utf8_lossy(&driven.stderr));
    signal(prober, nix::libc::SIGINT);
    hosts.running.pop().unwrap().wait().unwrap();

    let peer = Timeline::read(&out.join("drive.jsonl")).unwrap();
    let clock = peer.records.iter().find_map(|record| match record {
        Record::PeerClock(clock) => Some(clock.clone()),
        _ => None,
    });
    let clock = clock.unwrap();
    let off_ns = clock.offset_ns.abs_diff(AHEAD_S * 1_000_000_000);
    println!("{off_ns} ns off, told to within {} ns", clock.error_ns);
    assert!(off_ns <= clock.error_ns && clock.error_ns < 20_000_000, "{clock:?}");

    run(stallion, &["report", &path, "--out", &path]);
    let report = fs::read_to_string(out.join("report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    let spike = report["spikes"][0]["headline"].as_str().unwrap();
    println!("{spike}");
    let first = &report["spikes"][0]["attribution"]["shares"][0];
    assert_eq!(first["cause"], "stopped", "{spike}");
    assert!(first["share_percent"].as_f64().unwrap() > 90.0, "{spike}");
    let words = fs::read_to_string(out.join("report.md")).unwrap();
    assert!(words.contains("Clocks of two hosts"), "{words}");
}

fn signal(pid: i32, signal: i32) {
    // SAFETY: touches no memory; a process that this test started.
    assert_eq!(unsafe { nix::libc::kill(pid, signal) }, 0);
}
