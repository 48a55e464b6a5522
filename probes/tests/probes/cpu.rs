//! A core that is not the shard's alone.

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::{Duration, Instant};

use stallion_probes::{Choice, Plan, Target};
use stallion_timeline::{Stall, StallClass};

use crate::harness::{Cgroup, Server, may_probe, pin, plan, watched, watched_by};

/// A second of the main thread's CPU time, more or less.
const BUSY: &str = "EVAL 'local x=0; for i=1,60000000 do x=x+i end return x' 0";

#[test]
fn a_hog_on_the_core_is_named() {
    if !may_probe() {
        return;
    }
    let server = Server::start(&[]);
    pin(server.pid());
    let mut hog = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
    pin(hog.id());
    let seen = watched(&server, || {
        server.ask("EVAL 'local x=0; for i=1,10000000 do x=x+i end return x' 0");
    });
    hog.kill().unwrap();
    hog.wait().unwrap();
    let by_hog = |stall: &Stall| stall.what.starts_with("sh (");
    let waits: Vec<&Stall> = seen.of(StallClass::RunQueue).collect();
    assert!(waits.iter().any(|stall| by_hog(stall)), "{waits:#?}");
    let total_ms = seen.total_ms(StallClass::RunQueue);
    assert!(total_ms > 10.0, "{total_ms} ms: {waits:#?}");
}

#[test]
fn a_used_up_cpu_quota_is_a_throttle() {
    if !may_probe() {
        return;
    }
    // 20 ms of every 100 ms.
    let settings = [
        ("cpu.cfs_period_us", "100000"),
        ("cpu.cfs_quota_us", "20000"),
        ("cpu.max", "20000 100000"),
    ];
    let group = Cgroup::new("cpu", &settings);
    let server = Server::start(&[]);
    let throttled_ms = || {
        let ns = group.figure("cpu.stat", "throttled_time ").map(|ns| ns / 1e6);
        ns.or_else(|| Some(group.figure("cpu.stat", "throttled_usec ")? / 1e3)).unwrap()
    };
    let mut by_kernel_ms = 0.0;
    let seen = watched(&server, || {
        group.add(server.pid());
        server.ask("EVAL 'local x=0; for i=1,20000000 do x=x+i end return x' 0");
        by_kernel_ms = throttled_ms();
    });
    drop(server);
    drop(group);
    assert!(by_kernel_ms > 100.0, "{by_kernel_ms}");
    // After a throttle the thread waits for the core like any other, on a busy host for long: that
    // is told with it.
    let told_ms = seen.total_ms(StallClass::Throttle);
    println!("throttled, ms: {told_ms:.1} against {by_kernel_ms:.1}");
    assert!(
        told_ms > by_kernel_ms * 0.8 && told_ms < by_kernel_ms * 2.0,
        "{told_ms} {by_kernel_ms}"
    );
}

/// Freed sockets are RCU's work: it is done in softirqs on the core that closed them, on top of
/// whoever runs there then.
fn open_and_close(patience: Duration) {
    let end = Instant::now() + patience;
    while Instant::now() < end {
        for _ in 0..1_000 {
            drop(UnixDatagram::unbound());
        }
    }
}

#[test]
fn softirqs_on_top_of_the_main_thread_are_timed_when_asked_for() {
    if !may_probe() {
        return;
    }
    let server = Server::start(&[]);
    pin(server.pid());
    let everything = Plan { probes: Choice::ALL, ..plan(Target::Port(server.port)) };
    let seen = watched_by(everything, || {
        let closer = std::thread::spawn(|| {
            pin(0);
            open_and_close(Duration::from_secs(2));
        });
        server.ask(BUSY);
        closer.join().unwrap();
    });
    let all: Vec<&Stall> = seen.of(StallClass::Softirq).collect();
    let total_ms = seen.total_ms(StallClass::Softirq);
    println!("{} softirqs, {total_ms:.2} ms, {:?}", all.len(), all.first());
    assert!(!all.is_empty() && total_ms > 0.1, "{:#?}", seen.stalls);
    assert!(all.iter().all(|stall| stall.what.starts_with("softirq: ")), "{all:#?}");
}
