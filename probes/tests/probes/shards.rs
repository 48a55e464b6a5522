//! Several servers in one timeline, servers that come back, and servers inside containers.
#![expect(clippy::unwrap_used, reason = "test code outside of the test functions themselves")]

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use stallion_probes::{Plan, Target};
use stallion_timeline::{Record, Stall, StallClass, Timeline};

use crate::harness::{
    Seen, Server, assert_near, folder, free_port, may_probe, plan, wait_until_attached, watched_by,
};

/// The commands of one shard by their names.
fn commands_of(seen: &Seen, port: u16) -> Vec<&str> {
    let of_port = |stall: &&Stall| stall.port == port && stall.class == StallClass::Command;
    seen.stalls.iter().filter(of_port).map(|stall| stall.what.as_str()).collect()
}

#[test]
fn shards_share_a_timeline_and_a_restarted_one_is_picked_up_again() {
    if !may_probe() {
        return;
    }
    let (first, second) = (Server::start(&[]), Server::start(&[]));
    let (left, right) = (first.port, second.port);
    let out = folder();
    let timeline = out.path().join("probe.jsonl");
    let both = Plan {
        targets: vec![Target::Port(left), Target::Port(right)],
        out: Some(timeline.clone()),
        follow: true,
        ..plan(Target::Port(left))
    };
    let pids = [first.pid(), second.pid()];
    let mut restarted = 0;
    let seen = watched_by(both, || {
        first.ask("DEBUG SLEEP 0.03");
        drop(first);
        let again = Server::start_at(left, Command::new("redis-server"), folder(), &[]);
        restarted = again.pid();
        wait_until_attached(restarted);
        again.ask("DEBUG SLEEP 0.05");
        second.ask("DEBUG SLEEP 0.04");
        second.ask("DEBUG POPULATE 300000");
        second.ask("KEYS *nothing*");
    });
    assert_eq!(seen.pids, [pids[0], pids[1], restarted]);
    assert_eq!(seen.ended, [pids[0], restarted], "each ended before the watch did");
    // A server that starts on a busy host may have a long turn of its own.
    let told = commands_of(&seen, left);
    assert_eq!(told.iter().filter(|what| **what == "DEBUG").count(), 2, "{told:?}");
    assert!(commands_of(&seen, right).contains(&"KEYS"), "{:#?}", seen.stalls);
    let by_pid = |pid| seen.stalls.iter().filter(move |stall| stall.pid == pid);
    let is_sleep = |stall: &&Stall| stall.class == StallClass::Command && stall.what == "DEBUG";
    let slept = |pid| by_pid(pid).find(is_sleep).unwrap();
    for (pid, ms) in [(pids[0], 30.0), (restarted, 50.0), (pids[1], 40.0)] {
        assert_near("sleep, ms", slept(pid).busy_ns as f64 / 1e6, ms, 0.2);
    }
    let read = Timeline::read(&timeline).unwrap();
    let targets = format!("redis://127.0.0.1:{left},redis://127.0.0.1:{right}");
    assert_eq!(read.header.target, targets);
    assert_eq!(read.header.plan["servers"][1]["port"], right);
    let stalls = read.records.iter().filter(|record| matches!(record, Record::Stall(_)));
    assert_eq!(stalls.count(), seen.stalls.len());
}

/// A server in pid, mount and network namespaces of its own, whose libc and program are files
/// that only its own mounts show.
struct Container {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Container {
    fn start() -> Self {
        const SCRIPT: &str = r#"
            set -e
            ip link set lo up
            program=$(readlink -f "$(command -v redis-server)")
            libc=$(readlink -f "$(ldd "$program" | awk '/libc\.so/ {print $3}')")
            mount -t tmpfs tmpfs /mnt
            cp "$program" /mnt/redis-server
            cp "$libc" /mnt/libc
            mount --bind /mnt/libc "$libc"
            exec /mnt/redis-server "$@""#;
        let port = free_port();
        let folder = folder();
        let child = Command::new("unshare")
            .args(["--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--net"])
            .args(["sh", "-c", SCRIPT, "sh", "--port", &port.to_string(), "--save", ""])
            .args(["--enable-debug-command", "yes", "--dir"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let container = Self { child, port, _folder: folder };
        let patience = Instant::now() + Duration::from_secs(20);
        while container.pid().is_none_or(|pid| !Self::pings(pid, port)) {
            assert!(Instant::now() < patience, "the container did not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        container
    }

    /// The server as the host numbers it: the only child of `unshare`.
    fn pid(&self) -> Option<u32> {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
        children.trim().parse().ok()
    }

    fn pings(pid: u32, port: u16) -> bool {
        let cli = Self::cli(pid, port, &["PING"]).output();
        cli.is_ok_and(|output| output.stdout.starts_with(b"PONG"))
    }

    fn cli(pid: u32, port: u16, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args([&format!("--net=/proc/{pid}/ns/net"), "redis-cli", "-p", &port.to_string()]);
        command.args(words);
        command
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_server_inside_a_container_is_found_by_its_port_and_probed_through_its_own_files() {
    if !may_probe() {
        return;
    }
    let container = Container::start();
    let pid = container.pid().unwrap();
    let ask = |words: &[&str]| {
        let output = Container::cli(pid, container.port, words).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    ask(&["DEBUG", "POPULATE", "300000"]);
    let seen = watched_by(plan(Target::Port(container.port)), || {
        ask(&["KEYS", "*nothing*"]);
        ask(&["BGSAVE"]);
        std::thread::sleep(Duration::from_millis(500));
    });
    assert_eq!(seen.pids, [pid], "not what the container calls it, which is 1");
    assert!(ask(&["INFO", "server"]).contains("process_id:1\r"), "it has a pid namespace");
    let fork = seen.longest(StallClass::Fork);
    assert_eq!((fork.pid, fork.tid), (pid, pid));
    assert!(fork.detail["child"] > 100.0, "the host's number of the child: {fork:?}");
    assert!(commands_of(&seen, container.port).contains(&"KEYS"), "{:#?}", seen.stalls);
    let usec = ask(&["INFO", "stats"]);
    let usec = usec.lines().find_map(|line| line.strip_prefix("latest_fork_usec:")).unwrap();
    let usec: f64 = usec.trim().parse().unwrap();
    assert_near("fork, µs", fork.busy_ns as f64 / 1e3, usec, 0.3);
}
