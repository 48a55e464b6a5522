//! Disturbances that show a server's limits: what entries weigh, and what a crash loses.

use std::thread;

use stallion_fault::Endpoint;
use stallion_server::ask::set_config;
use stallion_server::info::Info;
use stallion_stack::StackPlan;
use stallion_stack::{Interrupt, Stack};

use crate::common::{eventually, registry};
use crate::faults::{KEYS, injection, perform, stack_with_keys};

#[test]
fn entries_weigh_what_their_form_makes_of_them() {
    let (_folder, registry, _) = registry();
    let (stack, mut connection) = stack_with_keys(&registry, &StackPlan::default());
    let weigh = |form: &str| {
        let parameters = [("entries", "20000"), ("form", form)];
        let record = perform(&stack, "memory-footprint", &parameters);
        record.detail["bytes_per_entry"].as_f64().unwrap()
    };
    let order = ["plain", "one-hash", "short", "hash-100", "flag-bitmap"].map(weigh);
    assert!(order.is_sorted_by(|one, other| one > other), "{order:?}");
    assert!(weigh("score-zset") > 10.0 * weigh("score-packed"));
    let parameters = [("entries", "20000"), ("form", "to-buckets")];
    let record = perform(&stack, "memory-footprint", &parameters);
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
        let parameters =
            [("event", "crash"), ("guard", policy), ("keys", "2000"), ("for", "300ms")];
        let record = perform(&stack, "guard-rail", &parameters);
        assert_eq!(record.outcome, "ok", "{record:?}");
        let count = |name: &str| record.detail[name].as_u64().unwrap();
        assert!(count("acknowledged") > 100 && count("server_killed") == 1, "{record:?}");
        let (lost, keys) = if loses { (count("acknowledged"), 2_000) } else { (0, 0) };
        assert_eq!((count("lost"), count("lost_keys")), (lost, keys), "{record:?}");
        assert!(record.detail["restart_ms"].as_f64().unwrap() > 0.0);
        assert_eq!(keys_of_guard(&stack), 0, "also those of the batch without an answer");
    }
}

fn keys_of_guard(stack: &Stack) -> usize {
    let mut connection = stack.target().connect().unwrap();
    let keys: Vec<String> =
        redis::cmd("KEYS").arg("stallion:guard:*").query(&mut connection).unwrap();
    keys.len()
}

/// Ctrl-C when the server is dead: it comes back, and nothing of the action stays.
#[test]
fn an_interrupted_crash_leaves_a_server_without_its_keys() {
    let (_folder, registry, _) = registry();
    let (stack, mut connection) = stack_with_keys(&registry, &StackPlan::default());
    let interrupt = Interrupt::new();
    let mut endpoint = Endpoint::connect(&stack.target(), &interrupt, true).unwrap();
    let parameters = [("event", "crash"), ("keys", "2000"), ("for", "300ms")];
    let record = thread::scope(|scope| {
        let task = injection("guard-rail", &parameters);
        let actor = scope.spawn(move || task.perform(&mut endpoint).unwrap());
        eventually("it is dead", || redis::cmd("PING").query::<()>(&mut connection).is_err());
        interrupt.raise();
        actor.join().unwrap()
    });
    assert_eq!(record.outcome, "interrupted");
    assert_eq!(keys_of_guard(&stack), 0);
    let mut connection = stack.target().connect().unwrap();
    let left: u64 = redis::cmd("DBSIZE").query(&mut connection).unwrap();
    assert_eq!(left, KEYS, "the snapshot before the crash has them");
}

/// A server that refuses a child lives, and is not killed for it.
#[test]
fn a_refused_child_is_no_death() {
    let (_folder, registry, _) = registry();
    let (stack, mut connection) = stack_with_keys(&registry, &StackPlan::default());
    let server = |connection: &mut redis::Connection| {
        Info::ask(connection, "server").unwrap().number("process_id")
    };
    let before = server(&mut connection);
    // Five seconds of a child beside which there is no other.
    set_config(&mut connection, "rdb-key-save-delay", "500").unwrap();
    let () = redis::cmd("BGREWRITEAOF").query(&mut connection).unwrap();
    let parameters = [("event", "bgsave"), ("guard", "fresh"), ("keys", "1000"), ("for", "100ms")];
    let record = perform(&stack, "guard-rail", &parameters);
    assert_eq!(record.detail["child_failed"], 1, "{record:?}");
    assert_eq!(record.detail["server_killed"], 0, "{record:?}");
    assert!(record.detail["child_refused"].as_str().unwrap().contains("BGSAVE"), "{record:?}");
    assert_eq!(record.detail["lost"], 0, "{record:?}");
    assert_eq!(keys_of_guard(&stack), 0);
    assert_eq!(server(&mut connection), before);
}
