//! Each action does what it says to a real server, and puts everything back.

use std::thread;
use std::time::{Duration, Instant};

use crate::common::{registry, start};
use redis::Connection;
use stallion_lab::chaos::{self, ChaosError, Parameters, Site};
use stallion_lab::info::{Info, config};
use stallion_lab::stack::StackPlan;
use stallion_lab::{Interrupt, Stack};
use stallion_timeline::Chaos;

const KEYS: u64 = 10_000;

fn stack_with_keys(
    registry: &stallion_lab::stack::Registry,
    plan: &StackPlan,
) -> (Stack, Connection) {
    let stack = start(plan, registry);
    let mut connection = stack.target().connect().unwrap();
    let () = redis::cmd("DEBUG").arg("POPULATE").arg(KEYS).query(&mut connection).unwrap();
    (stack, connection)
}

fn perform(stack: &Stack, name: &str, parameters: &Parameters) -> Chaos {
    // The stacks of tests are not in the user's registry, and count as foreign.
    let mut site = Site::connect(&stack.target(), &Interrupt::new(), true).unwrap();
    let record = chaos::perform(chaos::find(name).unwrap(), &mut site, parameters).unwrap();
    assert_eq!(record.outcome, "ok", "{record:?}");
    assert!(record.begin_ns < record.end_ns);
    record
}

fn took(record: &Chaos) -> Duration {
    Duration::from_nanos(record.end_ns - record.begin_ns)
}

#[test]
fn bgsave_and_aof_rewrite_last_until_their_child_has_ended() {
    let (_folder, registry, _) = registry();
    let (stack, mut connection) = stack_with_keys(&registry, &StackPlan::default());
    stallion_lab::info::set_config(&mut connection, "rdb-key-save-delay", "10").unwrap();
    for (action, copied) in [("bgsave", "rdb_last_cow_size"), ("aof-rewrite", "aof_last_cow_size")]
    {
        let record = perform(&stack, action, &Parameters::default());
        // 50 000 keys at 10 us each.
        assert!(took(&record) >= Duration::from_millis(500), "{action}: {record:?}");
        assert!(record.detail["latest_fork_usec"].as_u64().unwrap() > 0, "{record:?}");
        assert!(record.detail[copied].as_u64().unwrap() > 0, "{record:?}");
        let info = Info::ask(&mut connection, "persistence").unwrap();
        assert_eq!(info.number("rdb_bgsave_in_progress"), Some(0));
        assert_eq!(info.number("aof_rewrite_in_progress"), Some(0));
    }
}

#[test]
fn a_failed_bgsave_is_told() {
    let (_folder, registry, _) = registry();
    let (stack, mut connection) = stack_with_keys(&registry, &StackPlan::default());
    let () = redis::cmd("BGSAVE").query(&mut connection).unwrap();
    let mut site = Site::connect(&stack.target(), &Interrupt::new(), false).unwrap();
    // The first may have ended by now: hold it.
    crate::common::eventually("the first ends", || {
        let info = Info::ask(&mut connection, "persistence").unwrap();
        info.number("rdb_bgsave_in_progress") == Some(0)
    });
    std::fs::remove_dir_all(stack.folder()).unwrap();
    let bgsave = chaos::find("bgsave").unwrap();
    let record = chaos::perform(bgsave, &mut site, &Parameters::default()).unwrap();
    assert!(record.outcome.contains("BGSAVE ended with `err`"), "{}", record.outcome);
}

#[test]
fn bigkey_stalls_the_server_by_keys_and_hgetall_and_removes_its_hash() {
    let (_folder, registry, _) = registry();
    let plan = StackPlan { slowlog_slower_than_us: 0, ..StackPlan::default() };
    let (stack, mut connection) = stack_with_keys(&registry, &plan);
    let parameters = Parameters { fields: Some(20_000), ..Parameters::default() };
    let record = perform(&stack, "bigkey-on", &parameters);
    for (command, elements) in [("keys", KEYS), ("hgetall", 40_000)] {
        let figures = &record.detail[command];
        assert_eq!(figures["elements"].as_u64(), Some(elements), "{record:?}");
        let slowlog_us = figures["slowlog_us"].as_u64().unwrap();
        let client_us = figures["client_us"].as_u64().unwrap();
        assert!(0 < slowlog_us && slowlog_us <= client_us, "{record:?}");
    }
    let left: u64 = redis::cmd("DBSIZE").query(&mut connection).unwrap();
    assert_eq!(left, KEYS);
}

#[test]
fn pause_stops_the_server_for_as_long_as_asked() {
    let (_folder, registry, _) = registry();
    let (stack, mut connection) = stack_with_keys(&registry, &StackPlan::default());
    let pause = Duration::from_millis(400);
    let parameters = Parameters { lasts: Some(pause), ..Parameters::default() };
    let longest = thread::scope(|scope| {
        let prober = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            let end = Instant::now() + pause * 3;
            while Instant::now() < end {
                let start = Instant::now();
                let () = redis::cmd("PING").query(&mut connection).unwrap();
                longest = longest.max(start.elapsed());
            }
            longest
        });
        thread::sleep(pause / 4);
        let record = perform(&stack, "pause", &parameters);
        assert!(took(&record) >= pause, "{record:?}");
        prober.join().unwrap()
    });
    assert!(longest >= pause * 9 / 10 && longest < pause * 3, "{longest:?}");
}

#[test]
fn fsync_policy_is_put_back_also_after_an_interrupt() {
    let (_folder, registry, _) = registry();
    let (stack, mut connection) = stack_with_keys(&registry, &StackPlan::default());
    let before = |connection: &mut Connection| {
        (config(connection, "appendonly").unwrap(), config(connection, "appendfsync").unwrap())
    };
    assert_eq!(before(&mut connection), ("no".to_owned(), "everysec".to_owned()));
    let interrupt = Interrupt::new();
    let mut site = Site::connect(&stack.target(), &interrupt, true).unwrap();
    let parameters = Parameters { lasts: Some(Duration::from_secs(60)), ..Parameters::default() };
    let record = thread::scope(|scope| {
        let action = chaos::find("fsync-policy").unwrap();
        let actor = scope.spawn(move || chaos::perform(action, &mut site, &parameters).unwrap());
        crate::common::eventually("always", || {
            config(&mut connection, "appendfsync").unwrap() == "always"
        });
        assert_eq!(config(&mut connection, "appendonly").unwrap(), "yes");
        interrupt.raise();
        actor.join().unwrap()
    });
    assert_eq!(record.outcome, "interrupted");
    assert_eq!(before(&mut connection), ("no".to_owned(), "everysec".to_owned()));

    let wrong = Parameters { policy: Some("sometimes".to_owned()), ..Parameters::default() };
    let mut site = Site::connect(&stack.target(), &Interrupt::new(), true).unwrap();
    let action = chaos::find("fsync-policy").unwrap();
    let record = chaos::perform(action, &mut site, &wrong).unwrap();
    assert!(record.outcome.contains("no, everysec, always"), "{}", record.outcome);
}

#[test]
fn destructive_actions_refuse_a_foreign_server() {
    let (_folder, registry, _) = registry();
    let (stack, _) = stack_with_keys(&registry, &StackPlan::default());
    for action in chaos::ACTIONS {
        let mut site = Site::connect(&stack.target(), &Interrupt::new(), false).unwrap();
        let refused = chaos::permit(action, &mut site);
        assert_eq!(refused.is_err(), action.destructive(), "{}", action.name());
        if let Err(error) = refused {
            assert!(matches!(error, ChaosError::Foreign { .. }));
            assert!(error.to_string().contains("--allow-foreign"), "{error}");
        }
    }
}
