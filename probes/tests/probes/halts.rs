//! What others do to the whole process: they stop, trace, freeze and end it.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use stallion_timeline::StallClass;

use crate::harness::{Cgroup, Server, assert_near, may_probe, run, watched};

const HALT: Duration = Duration::from_millis(300);

#[test]
fn a_stop_names_its_sender() {
    if !may_probe() {
        return;
    }
    let server = Server::start(&[]);
    let pid = server.pid().to_string();
    let seen = watched(&server, || {
        run("kill", &["-STOP", &pid]);
        std::thread::sleep(HALT);
        run("kill", &["-CONT", &pid]);
    });
    let stop = seen.longest(StallClass::Stopped);
    assert!(stop.what.starts_with("SIGSTOP by kill ("), "{stop:?}");
    assert_near("stopped, ms", stop.busy_ns as f64 / 1e6, HALT.as_secs_f64() * 1e3, 0.15);
}

#[test]
fn a_stop_that_does_not_end_is_told_until_the_watch_ends() {
    if !may_probe() {
        return;
    }
    let server = Server::start(&[]);
    let pid = server.pid().to_string();
    let seen = watched(&server, || {
        run("kill", &["-STOP", &pid]);
        std::thread::sleep(HALT);
    });
    run("kill", &["-CONT", &pid]);
    let stop = seen.longest(StallClass::Stopped);
    assert!(stop.busy_ns >= HALT.as_nanos() as u64, "{stop:?}");
    assert_eq!(stop.detail.get("unfinished"), Some(&1.0));
}

#[test]
fn a_tracer_is_named_and_is_no_stop_signal() {
    if !may_probe() {
        return;
    }
    let server = Server::start(&[]);
    let pid = server.pid();
    let seen = watched(&server, || {
        let stopped = attach(pid);
        std::thread::sleep(HALT);
        detach(stopped);
    });
    let trace = seen.longest(StallClass::Traced);
    assert!(trace.what.starts_with("traced by "), "{trace:?}");
    assert_near("traced, ms", trace.busy_ns as f64 / 1e6, HALT.as_secs_f64() * 1e3, 0.15);
    assert_eq!(seen.of(StallClass::Stopped).count(), 0, "{:#?}", seen.stalls);
}

fn attach(pid: u32) -> i32 {
    let pid = pid as i32;
    // SAFETY: attaches to a child of this test; no memory of it is touched.
    unsafe {
        assert_eq!(libc::ptrace(libc::PTRACE_ATTACH, pid, 0, 0), 0);
        let mut status = 0;
        assert_eq!(libc::waitpid(pid, &raw mut status, 0), pid);
    }
    pid
}

fn detach(pid: i32) {
    // SAFETY: as in `attach`, by the same thread.
    unsafe { assert_eq!(libc::ptrace(libc::PTRACE_DETACH, pid, 0, 0), 0) };
}

#[test]
fn the_freezer_is_neither_a_quota_nor_a_wait_for_a_cpu() {
    if !may_probe() {
        return;
    }
    let server = Server::start(&[]);
    let version_one = std::path::Path::new("/sys/fs/cgroup/freezer").is_dir();
    let group = version_one.then(|| Cgroup::new("freezer", &[]));
    if let Some(group) = &group {
        group.add(server.pid());
        let seen = watched(&server, || {
            group.set("freezer.state", "FROZEN");
            std::thread::sleep(HALT);
            group.set("freezer.state", "THAWED");
        });
        assert_frozen(&seen);
    }
    for root in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
        let root = std::path::Path::new(root);
        if root.join("cgroup.controllers").exists() {
            let folder = root.join(format!("stallion-freeze-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("cgroup.procs"), server.pid().to_string()).unwrap();
            let seen = watched(&server, || {
                fs::write(folder.join("cgroup.freeze"), "1").unwrap();
                std::thread::sleep(HALT);
                fs::write(folder.join("cgroup.freeze"), "0").unwrap();
            });
            fs::write(root.join("cgroup.procs"), server.pid().to_string()).unwrap();
            fs::remove_dir(&folder).unwrap();
            assert_frozen(&seen);
        }
    }
    drop(server);
}

fn assert_frozen(seen: &crate::harness::Seen) {
    let frozen = seen.longest(StallClass::Frozen);
    assert_near("frozen, ms", frozen.busy_ns as f64 / 1e6, HALT.as_secs_f64() * 1e3, 0.15);
    assert!(seen.total_ms(StallClass::Throttle) < 30.0, "{:#?}", seen.stalls);
    assert!(seen.total_ms(StallClass::RunQueue) < 100.0, "{:#?}", seen.stalls);
}

#[test]
fn the_end_of_a_server_says_how_it_ended() {
    if !may_probe() {
        return;
    }
    for (signal, told) in [
        ("-KILL", "killed by SIGKILL from kill ("),
        ("-TERM", "exited with status 0 after SIGTERM by kill ("),
    ] {
        let server = Server::start(&[]);
        let pid = server.pid().to_string();
        let seen = watched(&server, || {
            let killed = Command::new("kill").args([signal, &pid]).stderr(Stdio::null()).status();
            assert!(killed.unwrap().success());
            server.wait_until_ended();
        });
        let ends: Vec<_> = seen.of(StallClass::Exited).collect();
        assert_eq!(ends.len(), 1, "{:#?}", seen.stalls);
        assert!(ends[0].what.starts_with(told), "{ends:?}");
    }
}
