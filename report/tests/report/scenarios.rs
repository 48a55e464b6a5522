//! The golden cases.

use serde_json::json;
use stallion_timeline::{Outage, PhaseName, StallClass};

use crate::synthetic::{MS, S, START, Scenario, chaos, server, slowlog, stall, sum};

/// The scenario of a case by its name.
pub(crate) fn scenario(name: &str) -> Scenario {
    match name {
        "fork" => fork(),
        "fsync" => fsync(),
        "sigstop" => sigstop(),
        "bigkey" => bigkey(),
        "two_causes" => two_causes(),
        "cluster" => cluster(),
        "quiet" => quiet(),
        "incidents" => incidents(),
        "unexplained" => unexplained(),
        other => panic!("no case {other}"),
    }
}

/// A fork of 45 ms, then copies for half a second, thinning out.
fn fork() -> Scenario {
    let mut stalls = vec![stall(StallClass::Fork, 2_300 * MS, 45 * MS)];
    for step in 0..5 {
        let busy = (30 - step * 6) * MS;
        let mut copies =
            sum(StallClass::CowFault, (2_300 + step * 100) * MS, 100 * MS, busy, busy / 6_500);
        copies.detail.insert("copied_bytes".to_owned(), (busy / 6_500 * 4_096) as f64);
        stalls.push(copies);
    }
    Scenario {
        stalls,
        chaos: vec![chaos("bgsave", 2_299 * MS, 900 * MS)],
        servers: vec![
            server(S, &[("latest_fork_usec", 0.0), ("rdb_bgsave_in_progress", 0.0)]),
            server(
                3_500 * MS,
                &[("latest_fork_usec", 44_743.0), ("rdb_last_cow_size", 56_000_000.0)],
            ),
        ],
        ..Scenario::default()
    }
}

/// A retransmit now and then, a client that stops to read, and at last the OOM killer.
fn incidents() -> Scenario {
    let event = |class, at_ms: u64, length_ms: u64, count, what: &str| {
        let mut stall = sum(class, at_ms * MS, length_ms * MS, 0, count);
        stall.what = what.to_owned();
        stall
    };
    let mut reclaim = stall(StallClass::Reclaim, 3_600 * MS, 30 * MS);
    reclaim.what = "memory cgroup at its limit".to_owned();
    Scenario {
        stalls: vec![
            event(StallClass::Network, 500, 0, 1, "retransmit to 10.0.0.7:51234"),
            event(StallClass::Network, 700, 0, 3, "retransmit to 10.0.0.9:40000"),
            event(
                StallClass::Network,
                1_000,
                2_000,
                1,
                "zero window: 10.0.0.9:40000 does not read",
            ),
            event(StallClass::Network, 3_100, 0, 2, "reset by 10.0.0.9:40000"),
            reclaim,
            event(StallClass::Reclaim, 3_700, 0, 1, "chosen by the OOM killer"),
            event(StallClass::Exited, 3_710, 0, 1, "killed by the kernel's OOM killer (SIGKILL)"),
        ],
        ..Scenario::default()
    }
}

/// Two quiet seconds, then an fsync of 4 to 12 ms every 40 ms, of which the disk is busy all but
/// the last millisecond.
fn fsync() -> Scenario {
    let fsyncs = (0..50).flat_map(|number| {
        let (at, length) = ((2_000 + number * 40) * MS, (4 + number % 3 * 4) * MS);
        let mut disk = sum(StallClass::BlockIo, at, length, length - MS, 3);
        disk.what = "vda".to_owned();
        let mut stall = stall(StallClass::Fsync, at, length);
        stall.what = "fdatasync appendonly.aof on vda".to_owned();
        let figures = [("ns", (length - MS) as f64), ("bytes", 262_144.0), ("requests", 3.0)];
        for (name, value) in figures {
            stall.detail.insert(format!("device_{name}"), value);
        }
        [stall, disk]
    });
    Scenario {
        stalls: fsyncs.collect(),
        phases: vec![
            (PhaseName::Measure, 0, "appendfsync everysec"),
            (PhaseName::Measure, 2 * S, "appendfsync always"),
        ],
        servers: vec![
            server(S, &[("aof_delayed_fsync", 0.0)]),
            server(4 * S, &[("aof_delayed_fsync", 0.0)]),
        ],
        samples: 8,
        ..Scenario::default()
    }
}

fn sigstop() -> Scenario {
    Scenario {
        seconds: 6,
        stalls: vec![stall(StallClass::Stopped, 2_000 * MS, 2 * S)],
        ..Scenario::default()
    }
}

/// KEYS for 180 ms, partly preempted, as SLOWLOG tells it.
fn bigkey() -> Scenario {
    let asked = server(3 * S, &[("used_memory", 1e9)]);
    Scenario {
        stalls: vec![
            stall(StallClass::Command, 1_500 * MS, 180 * MS),
            stall(StallClass::RunQueue, 1_550 * MS, 3 * MS),
        ],
        servers: vec![
            server(S, &[("used_memory", 1e9)]),
            slowlog(asked, 1_680 * MS, 179_400, "KEYS *"),
        ],
        chaos: vec![chaos("bigkey-on", 1_490 * MS, 200 * MS)],
        ..Scenario::default()
    }
}

/// An fsync of 40 ms, and from its middle on 45 ms in which another process has the core.
fn two_causes() -> Scenario {
    let mut preempted = stall(StallClass::RunQueue, 1_520 * MS, 45 * MS);
    preempted.what = "stress-ng".to_owned();
    Scenario {
        stalls: vec![stall(StallClass::Fsync, 1_480 * MS, 40 * MS), preempted],
        // The check is by arithmetic, and a sample of 32 is too rough for it.
        samples: 400,
        ..Scenario::default()
    }
}

/// Faults all the time, too small for anybody to notice.
fn quiet() -> Scenario {
    let faults =
        (0..40).map(|number| sum(StallClass::ZeroFault, number * 100 * MS, 100 * MS, MS, 300));
    Scenario { stalls: faults.collect(), ..Scenario::default() }
}

/// 30 ms that no probe saw, and 25 ms in which the client slept.
fn unexplained() -> Scenario {
    Scenario {
        hidden: vec![(1_500 * MS, 1_530 * MS)],
        client_late: vec![(2_500 * MS, 2_525 * MS)],
        ..quiet()
    }
}

/// Three nodes: slots move there and back, then a primary dies for half a second. A command of the
/// node 7001 is as long as a stall of the node 7000, and has nothing to do with it.
fn cluster() -> Scenario {
    let mut reshard = chaos("reshard", 500 * MS, 900 * MS);
    reshard.detail = json!({
        "there_begin_ns": START + 500 * MS, "there_end_ns": START + 800 * MS,
        "back_begin_ns": START + 1_100 * MS, "back_end_ns": START + 1_400 * MS,
    });
    let outage = |ring, start_ms: u64, end_ms: u64, slots| Outage {
        node: "127.0.0.1:7000".to_owned(),
        start_ns: START + start_ms * MS,
        first_answer_ns: START + 2_600 * MS,
        end_ns: START + end_ms * MS,
        first_slot: 3,
        last_slot: 5_000,
        slots,
        slots_back: slots,
        ring,
    };
    let mut long = stall(StallClass::Command, 3_200 * MS, 30 * MS);
    long.port = 7_000;
    let mut elsewhere = slowlog(server(3_500 * MS, &[]), 3_200 * MS, 30_000, "KEYS *");
    elsewhere.target = "127.0.0.1:7001".to_owned();
    Scenario {
        hidden: vec![(2_000 * MS, 2_500 * MS)],
        stalls: vec![long],
        chaos: vec![reshard, chaos("kill-master", 2_000 * MS, 500 * MS)],
        servers: vec![server(S, &[("latest_fork_usec", 0.0)]), elsewhere],
        nodes: 3,
        outages: vec![outage(0, 2_010, 2_600, 40), outage(1, 2_020, 2_700, 60)],
        ..Scenario::default()
    }
}
