//! What is done for hot keys, on a real cluster: each saves or spreads what it says, and its price is
//! counted.

use serde_json::Value;
use stallion_stack::Stack;

use crate::harness::cluster::cluster;
use crate::harness::stallion::{Running, stallion};

/// A few hot keys, read and written.
fn flags(port: String) -> Vec<String> {
    let flags = [
        "drive",
        "--topology",
        "cluster",
        "--keys",
        "1000",
        "--dist",
        "zipfian",
        "--zipf-s",
        "1.2",
        "--rw-ratio",
        "19:1",
        "--rate",
        "4000",
        "--conns",
        "6",
        "--pipeline",
        "8",
        "--json",
        "-",
        "--allow-invalid",
        "-p",
    ];
    flags.into_iter().map(str::to_owned).chain([port]).collect()
}

/// Two seconds of them.
fn drive(stack: &Stack, mitigation: &[&str]) -> Value {
    let flags = flags(stack.port().to_string());
    let words: Vec<&str> = flags.iter().map(String::as_str).collect();
    stallion(&[&words[..], &["--duration", "2s"], mitigation].concat()).all_answered()
}

fn count(summary: &Value, name: &str) -> u64 {
    summary["mitigation"]["counts"][name].as_u64().unwrap()
}

fn hottest_share(summary: &Value) -> f64 {
    let nodes = summary["cluster"]["nodes"].as_array().unwrap();
    nodes.iter().map(|node| node["ops_share"].as_f64().unwrap()).fold(0.0, f64::max)
}

#[test]
fn each_mitigation_lowers_the_hot_load_and_tells_its_price() {
    let folder = tempfile::tempdir().unwrap();
    let stack = cluster(folder.path(), 1, "1000");
    let plain = drive(&stack, &["--mitigation", "measure"]);
    assert!(count(&plain, "judged") > 5_000, "{plain:#}");
    assert_eq!((count(&plain, "stale"), count(&plain, "went_back")), (0, 0), "one copy of each");
    assert_eq!(plain["mitigation"]["offload"], 0.0);
    for tracking in ["default", "bcast"] {
        let cached = drive(&stack, &["--mitigation", "local-cache", "--tracking", tracking]);
        assert!(cached["mitigation"]["offload"].as_f64().unwrap() > 0.3, "{tracking}: {cached:#}");
        assert!(count(&cached, "invalidations") > 50, "{tracking}: {cached:#}");
        assert!(count(&cached, "judged") > 5_000, "{cached:#}");
    }
    let split =
        drive(&stack, &["--mitigation", "key-split", "--split-keys", "20", "--split-copies", "6"]);
    assert!(hottest_share(&split) < hottest_share(&plain), "{split:#}\n{plain:#}");
    assert!(split["mitigation"]["write_amplification"].as_f64().unwrap() > 1.5, "{split:#}");
    assert_eq!(count(&split, "stale"), 0, "a write is acknowledged with its last copy");
    assert_eq!(split["misses"], 0, "the copies were made before");
    let joined = drive(&stack, &["--mitigation", "coalesce"]);
    assert!(count(&joined, "joined") > 0, "{joined:#}");
    for choice in ["round-robin", "nearest"] {
        let read = drive(&stack, &["--mitigation", "replica-read", "--replica-choice", choice]);
        assert!(hottest_share(&read) < hottest_share(&plain) + 0.1, "{choice}: {read:#}");
        assert!(count(&read, "at_replica") > 5_000, "{choice}: {read:#}");
        assert_eq!(count(&read, "fell_back") + count(&read, "no_replica"), 0, "{read:#}");
        assert!(count(&read, "judged") > 5_000, "{read:#}");
        assert!(read["mitigation"]["replica_lag"]["looks"].as_u64() > Some(2), "{read:#}");
        assert_eq!(read["misses"], 0, "a replica has what its primary has: {read:#}");
    }
    a_dead_replica_loses_its_reads_to_the_primary(&stack);
}

/// The last server is a replica: none of its reads is lost, and they are counted.
fn a_dead_replica_loses_its_reads_to_the_primary(stack: &Stack) {
    let mut flags = flags(stack.port().to_string());
    flags.extend(["--mitigation", "replica-read", "--duration", "3s"].map(str::to_owned));
    let words: Vec<&str> = flags.iter().map(String::as_str).collect();
    let run = Running::start(&words, None);
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    let mut connection = stack.targets()[5].connect().unwrap();
    let info: String = redis::cmd("INFO").arg("server").query(&mut connection).unwrap();
    let pid = stallion_server::info::Info::parse(&info).number("process_id").unwrap();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(pid as i32),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    let summary = run.end().all_answered();
    assert!(count(&summary, "no_replica") > 100, "{summary:#}");
}

#[test]
fn what_cannot_be_had_together_is_refused() {
    for (flags, said) in [
        (&["--mitigation", "coalesce"][..], "--topology cluster"),
        (&["--mitigation", "coalesce", "--topology", "cluster", "--verify"], "--verify"),
        (&["--mitigation", "measure", "--topology", "cluster", "--tx", "3"], "--tx"),
        (&["--mitigation", "measure", "--topology", "cluster", "--mix", "mget:3=1"], "neither"),
    ] {
        let drive = ["drive", "-p", "1", "--duration", "1s"];
        stallion(&[&drive, flags].concat()).expect(2, &[said]);
    }
}
