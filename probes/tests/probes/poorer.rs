//! Hosts that lack something: each class degrades by itself, and the header says how.

use stallion_probes::{Choice, Plan, Target, Without};
use stallion_timeline::{ProbeStatus, StallClass};

use crate::harness::{Seen, Server, may_probe, plan, watched_by};

fn lacks<'a>(seen: &'a Seen, probe: &str) -> (ProbeStatus, &'a str) {
    let found = seen.states.iter().find(|state| state.name == probe);
    found.map_or((ProbeStatus::Failed, "no such probe"), |state| {
        (state.status, state.reason.as_str())
    })
}

#[test]
fn without_types_each_probe_says_what_it_lacks_and_goes_on() {
    if !may_probe() {
        return;
    }
    let server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    server.ask("DEBUG POPULATE 300000");
    let poorer = Plan {
        without: Without { types: true, ..Without::default() },
        probes: Choice::ALL,
        ..plan(Target::Port(server.port))
    };
    let seen = watched_by(poorer, || {
        server.ask("KEYS *nothing*");
        server.ask("BGSAVE");
        server.ask_all((0..100).map(|key| format!("SET key:{key} value")));
        // A sleep that a signal could end looks like the event loop's own.
        server.ask("DEBUG SLEEP 0.02");
        // SAFETY: stops and continues this test's own server.
        unsafe {
            libc::kill(server.pid() as i32, libc::SIGSTOP);
            std::thread::sleep(std::time::Duration::from_millis(50));
            libc::kill(server.pid() as i32, libc::SIGCONT);
        }
    });
    println!("{:#?}", seen.states);
    for probe in ["fork", "block_io", "scheduler", "reclaim", "network", "command", "softirq"] {
        let (status, lack) = lacks(&seen, probe);
        assert_eq!(status, ProbeStatus::Active, "{probe}: {lack}");
        assert!(lack.contains("BTF"), "{probe}: {lack}");
    }
    for probe in ["page_fault", "fsync"] {
        assert_eq!(lacks(&seen, probe), (ProbeStatus::Active, ""), "needs no types");
    }
    assert!(seen.of(StallClass::Command).any(|stall| stall.what == "KEYS"), "by its uprobe");
    assert_eq!(seen.of(StallClass::Fork).count(), 1);
    assert!(seen.of(StallClass::Fsync).count() > 0);
    assert!(seen.total_ms(StallClass::Stopped) > 40.0);
    assert_eq!(seen.of(StallClass::Throttle).count(), 0);
    let nameless = |what: &str| {
        !what.contains("had the core") || what.contains('(') || what.contains("another")
    };
    assert!(seen.of(StallClass::RunQueue).all(|stall| nameless(&stall.what)));
}

#[test]
fn without_libc_fork_and_fsync_are_seen_by_other_means() {
    if !may_probe() {
        return;
    }
    let server = Server::start(&["--appendonly", "yes", "--appendfsync", "no"]);
    let poorer = Plan {
        without: Without { libc: true, ..Without::default() },
        ..plan(Target::Port(server.port))
    };
    let value = "x".repeat(60_000);
    let seen = watched_by(poorer, || {
        server.ask_all((0..500).map(|key| format!("SET key:{key} {value}")));
        server.ask("CONFIG SET appendfsync always");
        server.ask("SET last one");
        server.ask("CONFIG SET appendfsync no");
        server.ask("BGSAVE");
    });
    let (status, lack) = lacks(&seen, "fork");
    assert!(status == ProbeStatus::Active && lack.contains("redisFork"), "{lack}");
    let (status, lack) = lacks(&seen, "fsync");
    assert!(status == ProbeStatus::Failed && lack.contains("off the core"), "{lack}");
    assert_eq!(seen.of(StallClass::Fork).count(), 1, "{:#?}", seen.stalls);
    let fsync = seen.longest(StallClass::Fsync);
    println!("{fsync:#?}");
    assert!(fsync.what.starts_with("blocked in f"), "{fsync:?}");
}

#[test]
fn without_the_state_as_an_argument_the_task_tells_it() {
    if !may_probe() {
        return;
    }
    let server = Server::start(&[]);
    let poorer = Plan {
        without: Without { state: true, ..Without::default() },
        ..plan(Target::Port(server.port))
    };
    let seen = watched_by(poorer, || {
        server.ask("DEBUG SLEEP 0.05");
        // SAFETY: stops and continues this test's own server.
        unsafe {
            libc::kill(server.pid() as i32, libc::SIGSTOP);
            std::thread::sleep(std::time::Duration::from_millis(50));
            libc::kill(server.pid() as i32, libc::SIGCONT);
        }
    });
    assert_eq!(lacks(&seen, "scheduler"), (ProbeStatus::Active, ""));
    assert!(seen.total_ms(StallClass::Stopped) > 40.0, "{:#?}", seen.stalls);
    assert!(seen.longest(StallClass::OffCpu).what.contains("nanosleep"));
    assert!(seen.total_ms(StallClass::OffCpu) > 40.0, "{:#?}", seen.stalls);
}
