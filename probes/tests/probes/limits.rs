//! What a watch leaves behind, and what it does to the shard when it is flooded.
#![expect(clippy::unwrap_used, reason = "test code outside of the test functions themselves")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aya::programs::loaded_programs;
use stallion_probes::{Choice, Notice, Plan, Target, watch};

use crate::harness::{Server, may_probe, plan, run};

/// What the prober says when it is attached.
const READY: &str = "the probes are attached";

/// Not a test by itself: the prober that the next test kills.
#[test]
#[ignore = "run by sigkill_leaves_nothing_attached as a process of its own"]
fn prober() {
    let port = std::env::var("STALLION_TEST_PORT").unwrap().parse().unwrap();
    let _ = watch(
        &plan(Target::Port(port)),
        || false,
        |notice| {
            if matches!(notice, Notice::Attached { .. }) {
                println!("{READY}");
            }
        },
    );
}

#[test]
fn sigkill_leaves_nothing_attached() {
    if !may_probe() {
        return;
    }
    let server = Server::start(&[]);
    let mut prober = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "limits::prober", "--ignored", "--nocapture"])
        .env("STALLION_TEST_PORT", server.port.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let seen = wait_until_attached(&mut prober);
    assert!(seen.programs.len() >= 20 && seen.links.len() >= 10, "{seen:?}");
    assert!(seen.programs.iter().all(|id| exists(PROGRAM_AFTER, *id)));
    prober.kill().unwrap();
    prober.wait().unwrap();
    let patience = Instant::now() + Duration::from_secs(10);
    while seen.programs.iter().any(|id| exists(PROGRAM_AFTER, *id))
        || seen.links.iter().any(|id| exists(LINK_AFTER, *id))
    {
        assert!(Instant::now() < patience, "still there: {seen:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    let left = loaded_programs().flatten().filter(|program| seen.programs.contains(&program.id()));
    assert_eq!(left.count(), 0, "by the walk of all programs");
    server.ask("PING");
}

/// What a process holds of BPF, by id.
#[derive(Debug, Default, PartialEq, Eq)]
struct Held {
    programs: Vec<u32>,
    links: Vec<u32>,
}

/// Waits until the prober says so, and tells what it holds then.
fn wait_until_attached(prober: &mut Child) -> Held {
    let mut said = BufReader::new(prober.stdout.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains(READY)), "the prober ended");
    let pid = prober.id();
    Held { programs: held(pid, "prog_id:"), links: held(pid, "link_id:") }
}

/// Ids in the descriptors of a process.
fn held(pid: u32, field: &str) -> Vec<u32> {
    let mut ids: Vec<u32> = fs::read_dir(format!("/proc/{pid}/fdinfo"))
        .unwrap()
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok())
        .filter_map(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix(field))?;
            line.trim().parse().ok()
        })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Commands of bpf(2) that tell the next id.
const PROGRAM_AFTER: i32 = 11;
const LINK_AFTER: i32 = 31;

/// Whether something with this id is loaded or linked.
fn exists(next_after: i32, id: u32) -> bool {
    let mut attributes = [id - 1, 0];
    // SAFETY: `start_id` and `next_id`, as both commands want them.
    let result = unsafe { libc::syscall(libc::SYS_bpf, next_after, attributes.as_mut_ptr(), 8) };
    result == 0 && attributes[1] == id
}

/// Requests per second of redis-benchmark with 1.1 million of them.
fn benchmark(server: &Server) -> f64 {
    let port = server.port.to_string();
    let answer =
        run("redis-benchmark", &["-p", &port, "-n", "1100000", "-c", "50", "-t", "get", "--csv"]);
    let line = answer.lines().last().unwrap();
    line.split(',').nth(1).unwrap().trim_matches('"').parse().unwrap()
}

/// With no threshold and softirqs watched each answer over loopback is an event. The reader sleeps
/// through the first of them, so that the buffer overflows.
#[test]
fn a_million_events_are_told_or_counted_and_the_shard_goes_on() {
    if !may_probe() {
        return;
    }
    let server = Server::start(&[]);
    let alone = benchmark(&server);
    let everything =
        Plan { threshold: Duration::ZERO, probes: Choice::ALL, ..plan(Target::Port(server.port)) };
    let done = std::sync::atomic::AtomicBool::new(false);
    let (mut told, mut lost, mut losses) = (0_u64, 0_u64, 0);
    let mut watched = 0.0;
    std::thread::scope(|scope| {
        let (ready, attached) = std::sync::mpsc::channel();
        let (server, finished) = (&server, &done);
        let load = scope.spawn(move || {
            attached.recv().unwrap();
            let rate = benchmark(server);
            finished.store(true, std::sync::atomic::Ordering::Relaxed);
            rate
        });
        let ended = || done.load(std::sync::atomic::Ordering::Relaxed);
        let summary = watch(&everything, ended, |notice| match notice {
            Notice::Attached { .. } => ready.send(()).unwrap(),
            Notice::Stall(stall) => {
                if told == 0 {
                    std::thread::sleep(Duration::from_secs(2));
                }
                told += stall.count;
            }
            Notice::Lost(count) => {
                lost += count;
                losses += 1;
            }
            Notice::ServerEnded(_) => {}
        })
        .unwrap();
        assert_eq!(summary.lost, lost);
        watched = load.join().unwrap();
    });
    println!("{told} told, {lost} lost in {losses} records; {watched:.0} of {alone:.0} requests/s");
    assert!(told + lost > 1_000_000, "{told} + {lost}");
    assert!(lost > 0 && losses > 0, "the buffer was to overflow");
    // Every packet is an event here, which is ten times the worst that a real watch has.
    assert!(watched > alone * 0.4, "{watched} of {alone} requests per second");
}
