//! What is done for hot keys, on a real cluster: each saves or spreads what it says, and its price is
//! counted.

use serde_json::Value;
use stallion_lab::stack::{Registry, StackKind, StackPlan};
use stallion_lab::{Placement, Stack};

use crate::harness::stallion::stallion;

fn cluster(folder: &std::path::Path) -> Stack {
    let plan = StackPlan { kind: StackKind::Cluster, replicas: 0, ..StackPlan::default() };
    let placement = Placement { server: None, client: None, others: Vec::new() };
    let registry = Registry::at(folder.canonicalize().unwrap().join("stacks"));
    let stack = Stack::start(&plan, &placement, &registry).unwrap();
    let port = stack.port().to_string();
    let flags = ["load", "--topology", "cluster", "-p", &port, "--keys", "1000", "--conns", "6"];
    stallion(&flags).expect(0, &["1 000 keys written"]);
    stack
}

/// Two seconds of a few hot keys, read and written.
fn drive(stack: &Stack, mitigation: &[&str]) -> Value {
    let port = stack.port().to_string();
    let flags = [
        "drive",
        "--topology",
        "cluster",
        "-p",
        &port,
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
        "--duration",
        "2s",
        "--conns",
        "6",
        "--pipeline",
        "8",
        "--json",
        "-",
        "--allow-invalid",
    ];
    stallion(&[&flags, mitigation].concat()).all_answered()
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
    let stack = cluster(folder.path());
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
}

#[test]
fn what_cannot_be_had_together_is_refused() {
    for (flags, said) in [
        (&["--mitigation", "coalesce"][..], "--topology cluster"),
        (&["--mitigation", "coalesce", "--topology", "cluster", "--verify"], "--verify"),
        (&["--mitigation", "measure", "--topology", "cluster", "--tx", "3"], "--tx"),
        (&["--mix", "mget:3=1", "--topology", "cluster"], "CROSSSLOT"),
    ] {
        let drive = ["drive", "-p", "1", "--duration", "1s"];
        stallion(&[&drive, flags].concat()).expect(2, &[said]);
    }
}
