//! Stalls of the server's own doing, with the server's own figures; and who may watch.

use std::time::{Duration, Instant};

use crate::harness::{Server, assert_near, may_probe, plan, watched, watched_by};
use stallion_probes::{Choice, Plan, ProbeError, Target, watch};
use stallion_timeline::{ProbeStatus, StallClass, ThreadRole};

fn kill(pid: u32, signal: i32) {
    // SAFETY: a signal to a process that this test started.
    assert_eq!(unsafe { libc::kill(pid as i32, signal) }, 0);
}

#[test]
fn every_probe_attaches() {
    if !may_probe() {
        return;
    }
    let server = Server::start(&[]);
    let everything = Plan { probes: Choice::ALL, ..plan(Target::Port(server.port)) };
    let seen = watched_by(everything, || {});
    for state in &seen.states {
        assert_eq!(state.status, ProbeStatus::Active, "{state:?}");
    }
    assert_eq!(seen.lost, 0);
}

#[test]
fn fork_and_copies_agree_with_redis() {
    if !may_probe() {
        return;
    }
    let server = Server::start(&["--rdb-key-save-delay", "20"]);
    server.ask("DEBUG POPULATE 100000 key 3000");
    let seen = watched(&server, || {
        server.ask("BGSAVE");
        let change = |key| format!("SETRANGE key:{key} 0 x");
        server.ask_all((0..100_000).step_by(20).map(change));
        server.wait_until("the end of BGSAVE", |server| {
            server.info("rdb_bgsave_in_progress").abs() < 0.5
        });
    });
    let fork = seen.longest(StallClass::Fork);
    assert_eq!((fork.thread, fork.tid), (ThreadRole::Main, server.pid()));
    assert_eq!(seen.of(StallClass::Fork).count(), 1, "told once");
    assert!(fork.detail["child"] > 0.0);
    assert_near("fork, µs", fork.busy_ns as f64 / 1e3, server.info("latest_fork_usec"), 0.2);
    let copied: f64 =
        seen.of(StallClass::CowFault).filter_map(|stall| stall.detail.get("copied_bytes")).sum();
    assert_near("copied bytes", copied, server.info("rdb_last_cow_size"), 0.2);
}

#[test]
fn fsync_is_told_by_thread() {
    if !may_probe() {
        return;
    }
    let server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let seen = watched(&server, || {
        server.ask_all((0..300).map(|key| format!("SET key:{key} value")));
        server.ask("CONFIG SET appendfsync everysec");
        server.ask_all((0..150).map(|key| {
            std::thread::sleep(Duration::from_millis(10));
            format!("SET key:{key} {}", "x".repeat(4096))
        }));
    });
    let of_thread = |role| {
        let stalls = seen.of(StallClass::Fsync).filter(move |stall| stall.thread == role);
        stalls.cloned().collect::<Vec<_>>()
    };
    let main = of_thread(ThreadRole::Main);
    assert!(main.iter().map(|stall| stall.count).sum::<u64>() >= 30, "{main:#?}");
    assert!(main[0].what.contains("sync") && main[0].what.contains(".aof"), "{:?}", main[0]);
    let background = of_thread(ThreadRole::Background);
    assert!(!background.is_empty(), "bio_aof syncs once a second");
    assert!(background[0].what.contains("by bio_"), "{:?}", background[0]);
}

#[test]
fn stopped_time_is_exact() {
    if !may_probe() {
        return;
    }
    let server = Server::start(&[]);
    let mut stopped = Duration::ZERO;
    let seen = watched(&server, || {
        let start = Instant::now();
        kill(server.pid(), libc::SIGSTOP);
        std::thread::sleep(Duration::from_millis(200));
        kill(server.pid(), libc::SIGCONT);
        stopped = start.elapsed();
    });
    assert_eq!(seen.of(StallClass::Stopped).count(), 1);
    assert_near(
        "stopped, ms",
        seen.total_ms(StallClass::Stopped),
        stopped.as_secs_f64() * 1e3,
        0.05,
    );
}

#[test]
fn slow_commands_are_named_and_timed() {
    if !may_probe() {
        return;
    }
    let server = Server::start(&[]);
    server.ask("DEBUG POPULATE 500000");
    let script = "EVAL 'local x=0; for i=1,10000000 do x=x+i end return x' 0";
    let seen = watched(&server, || {
        server.ask("KEYS *nothing*");
        std::thread::sleep(Duration::from_millis(20));
        server.ask("DEBUG SLEEP 0.05");
        std::thread::sleep(Duration::from_millis(20));
        server.ask(script);
    });
    for (name, share) in [("KEYS", 0.05), ("DEBUG", 0.05), ("EVAL", 0.15)] {
        let stall = seen
            .of(StallClass::Command)
            .find(|stall| stall.what == name)
            .unwrap_or_else(|| panic!("no {name} among {:#?}", seen.stalls));
        // SLOWLOG counts the waits for the core that fall into the command itself: it lies between the
        // time on the core and the whole stretch, which are the same on a host that is idle otherwise.
        let (least_ms, most_ms) =
            (stall.busy_ns as f64 / 1e6, (stall.end_ns - stall.start_ns) as f64 / 1e6);
        let slow_ms = server.slowest_ms(name);
        println!("{name}: {least_ms:.1} to {most_ms:.1} ms, SLOWLOG {slow_ms:.1}");
        assert!(least_ms <= slow_ms * (1.0 + share), "{name}: {least_ms} {slow_ms}");
        assert!(most_ms >= slow_ms * (1.0 - share), "{name}: {most_ms} {slow_ms}");
    }
    let named = |name| seen.of(StallClass::Command).filter(|stall| stall.what == name).count();
    assert_eq!(named("KEYS"), 1, "told once, by the uprobe and not by the sampler");
    assert!(seen.longest(StallClass::OffCpu).what.contains("nanosleep"));
}

#[test]
fn a_quiet_server_has_no_stalls() {
    if !may_probe() {
        return;
    }
    let server = Server::start(&[]);
    let seen = watched(&server, || std::thread::sleep(Duration::from_secs(1)));
    // The run queue is the host's doing: other work may run beside this test.
    let own_ms: f64 = seen
        .stalls
        .iter()
        .filter(|stall| stall.class != StallClass::RunQueue)
        .map(|stall| stall.busy_ns as f64 / 1e6)
        .sum();
    assert!(own_ms < 20.0, "2 % of a second: {:#?}", seen.stalls);
}

#[test]
fn without_privileges_the_remedy_is_named() {
    let server = Server::start(&[]);
    let target = Target::Port(server.port);
    // Capabilities belong to the thread: only this one gives them up.
    let error = std::thread::spawn(move || {
        drop_capabilities();
        watch(&plan(target), || false, |_| {}).unwrap_err()
    })
    .join()
    .unwrap();
    // Without CAP_SYS_PTRACE another user's sockets cannot be looked up either.
    assert!(matches!(error, ProbeError::NotPermitted), "{error}");
    assert!(error.to_string().contains("sudo stallion probe"), "{error}");
}

fn drop_capabilities() {
    // Version 3 of the header, this thread; then effective, permitted, inheritable, twice.
    let header = [0x2008_0522_u32, 0];
    let none = [0_u32; 6];
    // SAFETY: the structs are as large as version 3 wants them.
    let result = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) };
    assert_eq!(result, 0);
}

#[test]
fn foreign_targets_are_refused_with_a_remedy() {
    let refused = |target| watch(&plan(target), || false, |_| {}).unwrap_err().to_string();
    if !may_probe() {
        return;
    }
    let own = std::process::id();
    assert!(refused(Target::Pid(own)).contains("no redis-server"));
    assert!(refused(Target::Pid(u32::MAX)).contains("pgrep"));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let text = refused(Target::Port(port));
    assert!(text.contains(&format!("process {own}")), "{text}");
}
