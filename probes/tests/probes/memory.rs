//! Memory that is short: reclaim for a cgroup at its limit, and what comes after it.
#![expect(clippy::unwrap_used, reason = "test code outside of the test functions themselves")]

use std::process::Command;

use crate::harness::{Cgroup, Server, folder, may_probe, watched};
use stallion_timeline::{StallClass, ThreadRole};

const LIMIT: &str = "100663296";

/// A server in a control group; it ends first, because only an empty group can be removed.
struct Cramped {
    server: Server,
    _group: Cgroup,
}

/// A server in a memory cgroup of 96 MiB without swap.
fn cramped() -> Cramped {
    let server =
        Server::start(&["--appendonly", "yes", "--appendfsync", "no", "--oom-score-adj", "no"]);
    let settings =
        [("memory.limit_in_bytes", LIMIT), ("memory.max", LIMIT), ("memory.swap.max", "0")];
    let group = Cgroup::new("memory", &settings);
    group.add(server.pid());
    Cramped { server, _group: group }
}

#[test]
fn reclaim_for_a_full_cgroup_is_timed_on_the_main_thread() {
    if !may_probe() {
        return;
    }
    let Cramped { server, .. } = &cramped();
    // The same key again and again: the page cache of the AOF fills the cgroup, not the data.
    let value = "x".repeat(8_000_000);
    let set = format!("*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n${}\r\n{value}", value.len());
    let seen = watched(server, || server.ask_all((0..30).map(|_| set.clone())));
    let main: Vec<_> =
        seen.of(StallClass::Reclaim).filter(|stall| stall.thread == ThreadRole::Main).collect();
    let count: u64 = main.iter().map(|stall| stall.count).sum();
    let freed: f64 = main.iter().filter_map(|stall| stall.detail.get("freed_bytes")).sum();
    println!(
        "{count} reclaims in {:.1} ms, {:.1} MB freed, longest {:.2} ms",
        seen.total_ms(StallClass::Reclaim),
        freed / 1e6,
        seen.longest(StallClass::Reclaim).busy_ns as f64 / 1e6,
    );
    assert!(main.iter().any(|stall| stall.what == "memory cgroup at its limit"), "{main:#?}");
    // 240 MB were written through 96 MiB. Windows with little in them are dropped, and how much
    // that is depends on how fast the disk took the pages.
    assert!(freed > 3e6, "{freed}");
}

#[test]
fn a_server_that_the_oom_killer_chose_is_told_so() {
    if !may_probe() {
        return;
    }
    let Cramped { server, .. } = &cramped();
    let seen = watched(server, || {
        // The answer never comes.
        let _ = server.try_ask("DEBUG POPULATE 1000000 key 300");
    });
    let killed: Vec<_> = seen
        .of(StallClass::Reclaim)
        .filter(|stall| stall.what == "chosen by the OOM killer")
        .collect();
    println!("{:#?}, reclaim {:.1} ms", killed, seen.total_ms(StallClass::Reclaim));
    assert_eq!(killed.len(), 1, "{:#?}", seen.stalls);
    assert_eq!((killed[0].tid, killed[0].busy_ns), (server.pid(), 0));
    assert_eq!(seen.ended, [server.pid()]);
}

/// Host-wide count of huge pages that were split into small ones.
fn splits() -> f64 {
    let text = std::fs::read_to_string("/proc/vmstat").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("thp_split_pmd "));
    line.and_then(|count| count.parse().ok()).unwrap()
}

#[test]
fn splits_of_huge_pages_after_a_fork_are_told_apart_from_copies() {
    if !may_probe() {
        return;
    }
    // The allocator asks for huge pages, whatever the host's default.
    let mut command = Command::new("redis-server");
    command.env("MALLOC_CONF", "thp:always");
    let settings = ["--rdb-key-save-delay", "50", "--disable-thp", "no"];
    let server = Server::start_by(command, folder(), &settings);
    server.ask("DEBUG POPULATE 200000 key 1000");
    let mut by_kernel = 0.0;
    let seen = watched(&server, || {
        let before = splits();
        server.ask("BGSAVE");
        server.ask_all((0..200_000).step_by(200).map(|key| format!("SETRANGE key:{key} 0 x")));
        by_kernel = splits() - before;
    });
    // Without its parent the child would save on for a while.
    let child = seen.longest(StallClass::Fork).detail["child"] as i32;
    // SAFETY: a signal to the child of this test's own server.
    unsafe { libc::kill(child, libc::SIGKILL) };
    let told: u64 = seen
        .of(StallClass::HugePage)
        .filter(|stall| stall.what == "split")
        .map(|stall| stall.count)
        .sum();
    println!(
        "{told} splits in {:.2} ms, {by_kernel} by the kernel",
        seen.total_ms(StallClass::HugePage)
    );
    assert!(by_kernel >= 20.0, "the data was not on huge pages: {by_kernel} splits");
    // Windows with little in them are dropped, and the child splits some for itself.
    assert!(told as f64 > by_kernel * 0.3 && told as f64 <= by_kernel * 1.1, "{told} {by_kernel}");
}
