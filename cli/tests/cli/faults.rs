//! Things that go wrong in the middle of a run. The run goes on, counts them, ends in good order.

use std::path::Path;
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::Signal;
use nix::unistd::geteuid;
use serde_json::Value;
use stallion_timeline::Timeline;

use crate::harness::eventually;
use crate::harness::fake::{Fake, Fault, Script, Then};
use crate::harness::redis::Redis;
use crate::harness::stallion::{Ended, Running, answered, drive, stallion, timeline};

/// A drive at 1 000 requests a second over 4 connections, into a folder.
fn steady<'a>(port: &'a str, folder: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = drive(port, &["--rate", "1000", "--conns", "4"]);
    args.extend(["--out", folder.to_str().unwrap()]);
    args.extend(more);
    args
}

/// The footer's summary, after checking that the file is whole and agrees with its intervals.
#[track_caller]
fn footer(folder: &Path, reason: &str) -> Value {
    let timeline = timeline(folder);
    let sum = answered(&timeline);
    let footer = timeline.footer.expect("the timeline ends in a footer");
    assert_eq!(footer.reason, reason);
    let accounting = &footer.summary["accounting"];
    let count = |name: &str| accounting[name].as_u64().unwrap();
    assert_eq!(count("answered") + count("failed"), sum, "{accounting}");
    assert_eq!(count("due"), count("sent") + count("unsent"), "{accounting}");
    assert_eq!(
        count("sent"),
        count("answered") + count("failed") + count("timeouts") + count("lost"),
        "{accounting}"
    );
    footer.summary
}

/// A drive for two seconds against a server with one fault, and what its file says.
#[track_caller]
fn against(fault: Fault, code: i32, more: &[&str], words: &[&str]) -> (Value, Ended) {
    let fake = Fake::with(fault);
    let folder = tempfile::tempdir().unwrap();
    let mut more = [&["--duration", "2s"], more].concat();
    if code == 0 {
        more.push("--allow-invalid");
    }
    let ended = stallion(&steady(&fake.port, folder.path(), &more));
    ended.expect(code, words);
    ended.expect(code, &["response (from due)", "service (from send)", "verdict"]);
    (footer(folder.path(), "complete"), ended)
}

const LOADING: Fault = Fault {
    command: "GET",
    from: 500,
    count: 300,
    say: "-LOADING Redis is loading the dataset in memory\r\n",
    then: Then::GoOn,
};

#[test]
fn loading_in_the_middle_is_counted_and_the_run_goes_on() {
    let (summary, _) = against(LOADING, 0, &[], &["LOADING: ", "reading its data set"]);
    // The first requests of all, those of the warm-up, are not among those measured.
    assert_eq!(summary["errors"]["LOADING"], 300);
    assert!(summary["misses"].as_u64().unwrap() > 1_000, "it went on: {summary}");
}

#[test]
fn a_run_of_nothing_but_errors_is_no_measurement() {
    let always = Fault { from: 1, count: u64::MAX, ..LOADING };
    against(always, 3, &[], &["invalid run", "LOADING", "reading its data set"]);
    against(always, 0, &[], &["LOADING", "INVALID"]);
}

#[test]
fn a_reset_in_mid_reply_loses_its_requests_and_no_more() {
    for then in [Then::Reset, Then::HangUp] {
        let fault =
            Fault { command: "GET", from: 700, count: 3, say: "$100\r\nhalf of a val", then };
        let (summary, _) = against(fault, 0, &[], &["disconnect: 3", "lost"]);
        assert_eq!(summary["accounting"]["lost"], 3);
        assert_eq!(summary["reconnects"], 3);
    }
}

#[test]
fn half_a_reply_and_silence_is_a_timeout_and_a_new_connection() {
    let fault = Fault {
        command: "GET",
        from: 700,
        count: 2,
        say: "$100\r\nhalf of a val",
        then: Then::FallSilent,
    };
    let (summary, _) = against(fault, 0, &["--timeout", "300ms"], &["2 timed out"]);
    assert_eq!(summary["timeouts"], 2);
    assert_eq!(summary["reconnects"], 2);
    // The clock of response times ran on while it waited.
    assert!(summary["response_us"]["max"].as_f64().unwrap() > 290_000.0);
}

#[test]
fn bytes_that_are_no_resp_close_the_connection() {
    let fault = Fault {
        command: "GET",
        from: 700,
        count: 1,
        say: "HTTP/1.1 500 Internal Server Error\r\n\r\n",
        then: Then::GoOn,
    };
    let (summary, _) = against(fault, 0, &[], &["protocol: 1"]);
    assert_eq!(summary["accounting"]["lost"], 1);
    assert_eq!(summary["reconnects"], 1);
}

#[test]
fn a_server_that_refuses_the_login_in_the_middle_is_named() {
    // The connection is lost once, and from then on nobody is let in.
    let fake = Fake::play(Script {
        faults: vec![
            Fault { command: "GET", from: 700, count: 1, say: "", then: Then::Reset },
            Fault {
                command: "AUTH",
                from: 4,
                count: u64::MAX,
                say: "-WRONGPASS invalid username-password pair\r\n",
                then: Then::GoOn,
            },
        ],
        delay: Duration::ZERO,
    });
    let folder = tempfile::tempdir().unwrap();
    let args = ["--conns", "1", "-a", "pw", "--duration", "2s"];
    let mut args: Vec<&str> = [&drive(&fake.port, &args)[..], &["--rate", "1000"]].concat();
    args.extend(["--out", folder.path().to_str().unwrap(), "--allow-invalid"]);
    stallion(&args).expect(0, &["disconnect: 1", "WRONGPASS: "]);
    footer(folder.path(), "complete");
}

#[test]
fn oom_is_counted_with_a_remedy() {
    let server = Redis::start(&["--maxmemory", "100kb", "--maxmemory-policy", "noeviction"]);
    let folder = tempfile::tempdir().unwrap();
    let more = ["--duration", "1s", "--rw-ratio", "9:1", "--verify", "--allow-invalid"];
    let ended = stallion(&steady(&server.port, folder.path(), &more));
    ended.expect(0, &["error    OOM: ", "maxmemory", "1"]);
    let summary = footer(folder.path(), "complete");
    let failed = summary["accounting"]["failed"].as_u64().unwrap();
    assert!((50..400).contains(&failed), "one write in ten: {failed}");
}

#[test]
fn a_replica_is_named_when_it_refuses_writes() {
    let primary = Redis::start(&[]);
    let replica = Redis::start(&["--replicaof", &format!("127.0.0.1 {}", primary.port)]);
    eventually("the replica is in step", || {
        replica.ask("INFO replication").contains("master_link_status:up")
    });
    let folder = tempfile::tempdir().unwrap();
    let more = ["--duration", "1s", "--rw-ratio", "0:1"];
    let ended = stallion(&steady(&replica.port, folder.path(), &more));
    ended.expect(3, &["READONLY", "replica", "primary"]);
    let summary = footer(folder.path(), "complete");
    assert_eq!(summary["accounting"]["answered"], 0);
}

#[test]
fn a_server_that_dies_and_comes_back_is_driven_again() {
    let mut server = Redis::start(&[]);
    let port = server.port.clone();
    let folder = tempfile::tempdir().unwrap();
    let run = Running::start(
        &steady(&port, folder.path(), &["--duration", "4s", "--allow-invalid"]),
        None,
    );
    std::thread::sleep(Duration::from_millis(1_500));
    server.kill();
    std::thread::sleep(Duration::from_millis(700));
    server.start_again();
    let ended = run.end();
    ended.expect(0, &["disconnect: 4", "connect: ", "lost"]);
    let summary = footer(folder.path(), "complete");
    assert_eq!(summary["reconnects"], 4);
    assert!(summary["accounting"]["lost"].as_u64().unwrap() <= 4, "{summary}");
    // What fell due while it was gone was sent afterwards: the outage is in the response times.
    assert_eq!(summary["accounting"]["due"], 4_200);
    assert!(summary["response_us"]["max"].as_f64().unwrap() > 600_000.0, "{summary}");
}

#[test]
fn a_server_that_dies_for_good_ends_the_run_with_what_was_measured() {
    let mut server = Redis::start(&[]);
    let port = server.port.clone();
    let folder = tempfile::tempdir().unwrap();
    let more = ["--duration", "2s", "--timeout", "1s"];
    let run = Running::start(&steady(&port, folder.path(), &more), None);
    std::thread::sleep(Duration::from_millis(1_200));
    server.kill();
    let ended = run.end();
    ended.expect(3, &["connect: ", "disconnect: 4", "never sent"]);
    let summary = footer(folder.path(), "complete");
    assert!(summary["ops"].as_u64().unwrap() > 300, "{summary}");
}

#[test]
fn ctrl_c_drains_and_leaves_a_whole_file() {
    let server = Redis::start(&[]);
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let folder = tempfile::tempdir().unwrap();
        let args = steady(&server.port, folder.path(), &["--duration", "60s", "--allow-invalid"]);
        let run = Running::start(&args, None);
        std::thread::sleep(Duration::from_millis(1_500));
        run.signal(signal);
        run.end().expect(0, &["ended early by a signal", "response (from due)"]);
        let summary = footer(folder.path(), "interrupted");
        let due = summary["accounting"]["due"].as_u64().unwrap();
        assert!((200..20_000).contains(&due), "{summary}");
        assert_eq!(summary["accounting"]["unsent"], 0);
    }
}

#[test]
fn ctrl_c_before_the_first_request_is_no_failure_of_the_server() {
    // The server takes half a second for each answer of the hand-shake.
    let fake = Fake::play(Script { faults: Vec::new(), delay: Duration::from_millis(500) });
    let run = Running::start(&drive(&fake.port, &["-a", "pw"]), None);
    eventually("the connections greet", || fake.seen("AUTH") > 1);
    run.signal(Signal::SIGINT);
    let ended = run.end();
    ended.expect(2, &["interrupted"]);
    assert!(!ended.err.contains("maxclients"), "{ended:?}");
}

/// A file system of 64 KiB; unmounted with its value.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let none: Option<&str> = None;
        let (kind, size) = (Some("tmpfs"), Some("size=64k"));
        mount(kind, folder.path(), kind, MsFlags::empty(), size.or(none)).unwrap();
        Self(folder)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = umount2(self.0.path(), MntFlags::MNT_DETACH);
    }
}

#[test]
fn a_disk_that_fills_up_cuts_the_file_and_not_the_run() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root may mount a small file system");
        return;
    }
    let (server, disk) = (Redis::start(&[]), SmallDisk::mount());
    let more = ["--duration", "4s", "--interval", "20ms"];
    let ended = stallion(&steady(&server.port, disk.0.path(), &more));
    ended.expect(1, &["No space left", "broke off", "requests answered", "p99.9"]);
    let file = Timeline::read(&disk.0.path().join("drive.jsonl")).unwrap();
    assert!(file.truncated());
    assert!(file.records.len() > 10, "{} records", file.records.len());
    assert!(answered(&file) > 0);
}

#[test]
fn a_full_disk_at_the_start_says_to_go_elsewhere() {
    let server = Redis::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.path().join("drive.jsonl")).unwrap();
    let ended = stallion(&steady(&server.port, folder.path(), &["--duration", "1s"]));
    ended.expect(2, &["No space left", "--out"]);
    let ended = stallion(&steady(&server.port, Path::new("/proc/nowhere"), &[]));
    ended.expect(2, &["/proc/nowhere", "--out"]);
}

#[test]
fn a_summary_that_cannot_be_written_is_still_shown() {
    let server = Redis::start(&[]);
    let args = drive(&server.port, &["--duration", "500ms", "--json", "/dev/full"]);
    stallion(&args).expect(1, &["--json /dev/full", "No space left", "response (from due)"]);
}
