//! What the scenarios of patterns rest on: servers that crash, are alone or behind, and a count of what
//! that loses.

use crate::common::{registry, start};
use crate::faults::injection;
use stallion_fault::Endpoint;
use stallion_stack::{Interrupt, Stack};
use stallion_stack::{StackKind, StackPlan};
use stallion_timeline::Chaos;

fn perform(stack: &Stack, name: &str, arguments: &[(&str, &str)]) -> Chaos {
    let mut endpoint = Endpoint::connect(&stack.target(), &Interrupt::new(), true).unwrap();
    endpoint.links = stack.links().clone();
    let record = injection(name, arguments).perform(&mut endpoint).unwrap();
    assert_eq!(record.outcome, "ok", "{record:?}");
    record
}

fn number(record: &Chaos, name: &str) -> f64 {
    record.detail[name].as_f64().unwrap_or_else(|| panic!("no {name} in {record:?}"))
}

#[test]
fn a_server_comes_back_with_its_snapshot_or_empty() {
    let (_folder, registry, _) = registry();
    let stack = start(&StackPlan::default(), &registry);
    let mut connection = stack.target().connect().unwrap();
    let () = redis::cmd("DEBUG").arg("POPULATE").arg(5_000).query(&mut connection).unwrap();
    let warm = perform(&stack, "restart", &[("data", "snapshot")]);
    assert_eq!((number(&warm, "keys_before"), number(&warm, "keys_after")), (5_000.0, 5_000.0));
    assert!(number(&warm, "down_ms") > 0.0);
    std::fs::remove_file(stack.folder().join("dump.rdb")).unwrap();
    let cold = perform(&stack, "restart", &[("data", "empty")]);
    assert_eq!((number(&cold, "keys_before"), number(&cold, "keys_after")), (5_000.0, 0.0));
}

#[test]
fn a_client_that_reads_changes_and_writes_loses_and_one_that_watches_does_not() {
    let (_folder, registry, _) = registry();
    let stack = start(&StackPlan::default(), &registry);
    let contend = |kind: &str| {
        let parameters = [("method", kind), ("clients", "6"), ("for", "400ms")];
        perform(&stack, "contend", &parameters)
    };
    for kind in ["incr", "multi-incr", "watch", "evalsha"] {
        let record = contend(kind);
        assert_eq!(number(&record, "lost_updates"), 0.0, "{kind}: {record:?}");
        assert!(number(&record, "added") > 0.0);
    }
    assert!(number(&contend("evalsha"), "unknown_scripts") >= 1.0, "it was flushed");
    for kind in ["get-set", "multi-set"] {
        let record = contend(kind);
        assert!(number(&record, "lost_updates") > 0.0, "{kind}: {record:?}");
    }
}

#[test]
fn scripts_of_others_are_not_flushed() {
    let (_folder, registry, _) = registry();
    let stack = start(&StackPlan::default(), &registry);
    let mut connection = stack.target().connect().unwrap();
    let mut script = redis::cmd("SCRIPT");
    let digest: String = script.arg("LOAD").arg("return 1").query(&mut connection).unwrap();
    // The stacks of tests are not in the user's registry, and count as foreign.
    let mut endpoint = Endpoint::connect(&stack.target(), &Interrupt::new(), false).unwrap();
    let mut outcome = |kind: &str| {
        let parameters = [("method", kind), ("for", "100ms")];
        injection("contend", &parameters).perform(&mut endpoint).unwrap().outcome
    };
    let refused = outcome("evalsha");
    assert!(refused.contains("--allow-foreign"), "{refused}");
    assert_eq!(outcome("incr"), "ok");
    let () = redis::cmd("EVALSHA").arg(digest).arg(0).query(&mut connection).unwrap();
}

#[test]
fn a_long_script_holds_all_up_until_it_is_killed() {
    let (_folder, registry, _) = registry();
    let stack = start(&StackPlan::default(), &registry);
    let left = perform(&stack, "long-script", &[("for", "100ms")]);
    assert!(number(&left, "slowlog_us") > 20_000.0, "{left:?}");
    let killed = perform(&stack, "long-script", &[("for", "30s"), ("end", "killed")]);
    assert_eq!(number(&killed, "killed"), 1.0, "{killed:?}");
    assert!(number(&killed, "script_ms") < 20_000.0, "{killed:?}");
}

#[test]
fn what_a_failover_loses_is_what_the_replica_was_behind() {
    let (_folder, registry, _) = registry();
    let plan =
        StackPlan { kind: StackKind::Replicated, replicas: 1, relay: true, ..StackPlan::default() };
    for (word, loses) in [("none", true), ("wait", false)] {
        let stack = start(&plan, &registry);
        let parameters = [("for", "300ms"), ("behind", "300ms"), ("safety", word)];
        let record = perform(&stack, "lose-primary", &parameters);
        assert!(number(&record, "acknowledged") > 0.0, "{record:?}");
        assert_eq!(number(&record, "lost_acknowledged") > 0.0, loses, "{record:?}");
        let (lost, behind) =
            (number(&record, "lost_bytes"), number(&record, "offset_behind_bytes"));
        // With WAIT the stream has questions for the replica's offset, too.
        assert!(lost > 0.0 && lost <= behind, "{record:?}");
        assert!(!loses || lost > 0.8 * behind, "{record:?}");
    }
}

#[test]
fn replicas_of_replicas_have_every_mark_in_the_end() {
    let (_folder, registry, _) = registry();
    let plan =
        StackPlan { kind: StackKind::Replicated, replicas: 2, chain: true, ..StackPlan::default() };
    let stack = start(&plan, &registry);
    let record = perform(&stack, "replica-lag", &[("for", "500ms")]);
    assert_eq!(number(&record, "replicas"), 2.0);
    for depth in ["depth_1", "depth_2"] {
        let figures = &record.detail[depth];
        assert!(figures["marks"].as_u64().unwrap() > 10, "{record:?}");
        assert_eq!(figures["left_marks"], 0, "{record:?}");
    }
}

#[test]
fn what_an_isolated_primary_takes_is_lost_when_it_is_back() {
    let (_folder, registry, _) = registry();
    let plan = StackPlan {
        kind: StackKind::Cluster,
        relay: true,
        config: [("cluster-node-timeout".to_owned(), "700".to_owned())].into(),
        ..StackPlan::default()
    };
    let stack = start(&plan, &registry);
    let record = perform(&stack, "partition", &[("for", "6s")]);
    assert!(number(&record, "alone_acknowledged") > 0.0, "{record:?}");
    assert_eq!(number(&record, "alone_lost"), number(&record, "alone_acknowledged"), "{record:?}");
    assert!(number(&record, "alone_refused") > 0.0, "it stopped to accept writes: {record:?}");
    assert_eq!(number(&record, "successor_lost"), 0.0, "{record:?}");
    assert!(number(&record, "alone_lost_bytes") <= number(&record, "alone_offset_bytes"));
    let (before, after) =
        (number(&record, "majority_epoch_before"), number(&record, "majority_epoch_after"));
    assert!(after > before, "an election has an epoch of its own: {record:?}");
    assert_eq!(after, number(&record, "alone_epoch_after"), "{record:?}");
}

#[test]
fn a_proxy_breaks_what_it_does_not_know() {
    let (_folder, registry, root) = registry();
    let plan =
        StackPlan { kind: StackKind::Ring, primaries: 2, proxy: true, ..StackPlan::default() };
    let stack = start(&plan, &registry);
    let to = format!("127.0.0.1:{}", stack.proxy_port().unwrap());
    let record = perform(&stack, "try-commands", &[("to", &to)]);
    let breaks = record.detail["breaks"].as_str().unwrap();
    let works = record.detail["works"].as_str().unwrap();
    for command in ["MULTI", "BLPOP", "SUBSCRIBE"] {
        assert!(breaks.contains(command), "{record:?}");
    }
    for command in ["GET", "MGET of two servers", "EVAL with a key"] {
        assert!(works.contains(command), "{record:?}");
    }
    drop(stack);
    assert!(crate::common::processes_within(&root).is_empty(), "the proxy is gone, too");
}
