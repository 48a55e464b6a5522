//! Memory that is short: reclaim for a cgroup at its limit, and what comes after it.

use crate::harness::{Cgroup, Server, may_probe, watched};
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
    // 240 MB were written through 96 MiB: what did not fit was freed, mostly by the writer.
    assert!(freed > 30e6, "{freed}");
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
