//! Disturbances that show a server's limits: what entries weigh, and what a crash loses.

use std::time::Duration;

use stallion_lab::chaos::Parameters;
use stallion_lab::stack::StackPlan;

use crate::chaos::{KEYS, perform, stack_with_keys};
use crate::common::registry;

#[test]
fn entries_weigh_what_their_form_makes_of_them() {
    let (_folder, registry, _) = registry();
    let (stack, mut connection) = stack_with_keys(&registry, &StackPlan::default());
    let weigh = |form: &str| {
        let parameters = Parameters {
            keys: Some(20_000),
            policy: Some(form.to_owned()),
            ..Parameters::default()
        };
        let record = perform(&stack, "weigh", &parameters);
        record.detail["bytes_per_entry"].as_f64().unwrap()
    };
    let order = ["plain", "one-hash", "short", "hash-100", "flag-bitmap"].map(weigh);
    assert!(order.is_sorted_by(|one, other| one > other), "{order:?}");
    assert!(weigh("score-zset") > 10.0 * weigh("score-packed"));
    let parameters = Parameters {
        keys: Some(20_000),
        policy: Some("to-buckets".to_owned()),
        ..Parameters::default()
    };
    let record = perform(&stack, "weigh", &parameters);
    assert!(
        record.detail["apart_bytes_per_entry"].as_f64() < record.detail["bytes_per_entry"].as_f64()
    );
    let left: u64 = redis::cmd("DBSIZE").query(&mut connection).unwrap();
    assert_eq!(left, KEYS);
}

/// A crash under writes, with a check of every acknowledged one.
#[test]
fn a_crash_loses_what_no_file_has() {
    for (appendonly, policy, loses) in [(false, "fresh", true), (true, "fresh", false)] {
        let (_folder, registry, _) = registry();
        let plan = StackPlan { appendonly, ..StackPlan::default() };
        let (stack, _connection) = stack_with_keys(&registry, &plan);
        let parameters = Parameters {
            kind: Some("crash".to_owned()),
            policy: Some(policy.to_owned()),
            keys: Some(2_000),
            lasts: Some(Duration::from_millis(300)),
            ..Parameters::default()
        };
        let record = perform(&stack, "guard-rail", &parameters);
        assert_eq!(record.outcome, "ok", "{record:?}");
        let count = |name: &str| record.detail[name].as_u64().unwrap();
        assert!(count("acknowledged") > 100 && count("server_killed") == 1, "{record:?}");
        let (lost, keys) = if loses { (count("acknowledged"), 2_000) } else { (0, 0) };
        assert_eq!((count("lost"), count("lost_keys")), (lost, keys), "{record:?}");
        assert!(record.detail["restart_ms"].as_f64().unwrap() > 0.0);
    }
}
