//! A core that is not the shard's alone.
#![expect(clippy::unwrap_used, reason = "test code outside of the test functions themselves")]

use std::process::{Child, Command};

use stallion_probes::{Choice, Plan, Target};
use stallion_timeline::{Stall, StallClass};

use crate::harness::{Cgroup, Server, may_probe, pin, plan, watched, watched_by};
use crate::tracefs::SoftirqCount;

/// Fewer softirqs on top of the main thread say nothing: a host may leave them to ksoftirqd, which
/// takes over whenever it is awake on that core.
const ENOUGH_SOFTIRQS: usize = 100;

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

/// Packets of the other core whose receiving half the kernel is told to do on core 0: each comes by an
/// interrupt, and its softirq runs on top of whoever runs there. In a network of its own.
const PACKETS: &str = "mount -t sysfs none /sys && ip link set lo up \
    && echo 1 > /sys/class/net/lo/queues/rx-0/rps_cpus \
    && exec taskset -c 1 bash -c \
        'for ((sent = 0; sent < 50000; sent++)); do echo > /dev/udp/127.0.0.1/9; done' 2> /dev/null";

fn packets_for_core_0() -> Child {
    Command::new("unshare").args(["--net", "--mount", "bash", "-c", PACKETS]).spawn().unwrap()
}

#[test]
fn softirqs_on_top_of_the_main_thread_are_timed_when_asked_for() {
    if !may_probe() {
        return;
    }
    let server = Server::start(&[]);
    pin(server.pid());
    let everything = Plan { probes: Choice::ALL, ..plan(Target::Port(server.port)) };
    let kernel = SoftirqCount::start(server.pid());
    let seen = watched_by(everything, || {
        let mut sender = packets_for_core_0();
        server.ask(BUSY);
        let _ = sender.kill();
        sender.wait().unwrap();
    });
    let all: Vec<&Stall> = seen.of(StallClass::Softirq).collect();
    let total_ms = seen.total_ms(StallClass::Softirq);
    let by_kernel = kernel.map(|kernel| kernel.count());
    println!(
        "{} told, {total_ms:.2} ms, by the kernel {by_kernel:?}: {:?}",
        all.len(),
        all.first()
    );
    if by_kernel.is_some_and(|count| count < ENOUGH_SOFTIRQS) {
        eprintln!("not judged: this kernel ran {by_kernel:?} softirqs on top of the main thread");
        return;
    }
    assert!(!all.is_empty() && total_ms > 0.1, "{:#?}", seen.stalls);
    assert!(all.iter().all(|stall| stall.what.starts_with("softirq: ")), "{all:#?}");
}
