//! A real cluster of six servers that reshards and loses a primary under load: nothing is wrong,
//! nothing is lost, and what is counted agrees with what the servers counted.

use std::time::Duration;

use serde_json::Value;
use stallion_server::Target;
use stallion_server::info::Info;

use crate::harness::cluster::{cluster, disturb};
use crate::harness::stallion::{Running, stallion};

const KEYS: &str = "20000";

/// A run at a steady rate that verifies every value.
fn drive(port: u16, seconds: &str) -> Running {
    let port = port.to_string();
    let flags = [
        "drive",
        "--topology",
        "cluster",
        "-p",
        &port,
        "--keys",
        KEYS,
        "--rate",
        "3000",
        "--warmup",
        "0s",
        "--duration",
        seconds,
        "--rw-ratio",
        "3:1",
        "--verify",
        "--conns",
        "12",
        "--pipeline",
        "4",
        "--json",
        "-",
        "--allow-invalid",
    ];
    Running::start(&flags, None)
}

/// Every request was sent and answered with what had been written.
fn assert_whole(summary: &Value) {
    let accounting = &summary["accounting"];
    for (name, wanted) in [("failed", 0), ("timeouts", 0), ("lost", 0), ("unsent", 0)] {
        assert_eq!(accounting[name], wanted, "{name} of {summary:#}");
    }
    assert_eq!(accounting["due"], accounting["answered"], "{summary:#}");
    assert_eq!(summary["errors"].get("verify"), None, "{summary:#}");
    assert_eq!(summary["misses"], 0, "{summary:#}");
}

/// How often all servers together say that they answered an error.
fn errors_of(targets: &[Target], kind: &str) -> u64 {
    let count = |target: &Target| {
        let mut connection = target.connect().unwrap();
        let info = Info::ask(&mut connection, "errorstats").unwrap();
        let text = info.text(&format!("errorstat_{kind}")).to_owned();
        text.strip_prefix("count=").map_or(0, |count| count.parse::<u64>().unwrap())
    };
    targets.iter().map(count).sum()
}

#[test]
fn a_live_reshard_and_back_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let stack = cluster(folder.path(), 1, KEYS);
    let run = drive(stack.port(), "16s");
    std::thread::sleep(Duration::from_secs(1));
    let to = format!("127.0.0.1:{}", stack.ports()[1]);
    let parameters = [("slots", "0-999"), ("to", to.as_str()), ("for", "500ms")];
    let record = disturb(&stack.target(), "reshard", &parameters);
    for direction in ["there_slots_moved", "back_slots_moved"] {
        assert_eq!(record.detail[direction], 1_000, "{record:?}");
    }
    let ended = run.end();
    ended.expect(0, &[]);
    let summary = ended.json();
    assert_whole(&summary);
    assert!(record.end_ns > record.begin_ns && summary["redirects"]["moved"].as_u64() > Some(0));
    for (kind, name) in [("MOVED", "moved"), ("ASK", "ask"), ("TRYAGAIN", "tryagain")] {
        let ours = summary["redirects"][name].as_u64().unwrap();
        assert_eq!(ours, errors_of(&stack.targets(), kind), "{kind}: {summary:#}");
    }
    assert_eq!(summary["cluster"]["unserved_slots"], 0);
}

#[test]
fn a_killed_primary_is_outlived() {
    let folder = tempfile::tempdir().unwrap();
    let stack = cluster(folder.path(), 1, KEYS);
    // The client knows the cluster by another node than the one that dies.
    let run = drive(stack.ports()[1], "12s");
    std::thread::sleep(Duration::from_secs(2));
    let record = disturb(&stack.target(), "kill-primary", &[]);
    let ended = run.end();
    ended.expect(0, &[]);
    let summary = ended.json();
    assert_whole(&summary);
    assert_eq!(summary["cluster"]["unserved_slots"], 0, "{summary:#}");
    let (killed_ns, replaced_ns) = (
        record.detail["killed_ns"].as_u64().unwrap(),
        record.detail["replaced_ns"].as_u64().unwrap(),
    );
    let victim = format!("127.0.0.1:{}", stack.port());
    let outages = summary["cluster"]["outages"].as_array().unwrap();
    let outage = outages.iter().find(|outage| outage["node"] == victim.as_str());
    let outage = outage.unwrap_or_else(|| panic!("no outage of {victim}: {summary:#}"));
    let time = |name: &str| outage[name].as_u64().unwrap();
    let half_a_second = 500_000_000;
    assert!(time("start_ns").abs_diff(killed_ns) < half_a_second, "{outage:#} {record:?}");
    assert!(time("end_ns").abs_diff(replaced_ns) < half_a_second, "{outage:#} {record:?}");
    assert_eq!(outage["slots"], outage["slots_back"], "{outage:#}");
}

#[test]
fn what_is_no_cluster_is_refused() {
    let server = crate::harness::redis::Redis::start(&[]);
    stallion(&["drive", "--topology", "cluster", "-p", &server.port])
        .expect(2, &["is no node of a cluster", "leave out --topology cluster"]);
    stallion(&["drive", "--on-error", "count", "-p", &server.port])
        .expect(2, &["--on-error is about a cluster"]);
    let bus = crate::harness::free_port().to_string();
    let flags = ["--cluster-enabled", "yes", "--cluster-port", &bus];
    let alone = crate::harness::redis::Redis::start(&flags);
    stallion(&["drive", "--topology", "cluster", "-p", &alone.port])
        .expect(2, &["none of its slots is served"]);
}
