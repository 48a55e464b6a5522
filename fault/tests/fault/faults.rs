//! Each action does what it says to a real server, and puts everything back.

use std::thread;
use std::time::{Duration, Instant};

use crate::common::{registry, start};
use redis::Connection;
use stallion_fault::{self as fault, Endpoint, FaultError, Injection};
use stallion_server::ask::config;
use stallion_server::info::Info;
use stallion_stack::{Interrupt, Stack};
use stallion_stack::{StackKind, StackPlan};
use stallion_timeline::Chaos;

pub(crate) const KEYS: u64 = 10_000;

pub(crate) fn stack_with_keys(
    registry: &stallion_stack::Registry,
    plan: &StackPlan,
) -> (Stack, Connection) {
    let stack = start(plan, registry);
    let mut connection = stack.target().connect().unwrap();
    let () = redis::cmd("DEBUG").arg("POPULATE").arg(KEYS).query(&mut connection).unwrap();
    (stack, connection)
}

/// A fault with its arguments.
pub(crate) fn injection(name: &str, arguments: &[(&str, &str)]) -> Injection {
    fault::find(name).unwrap().read(arguments.iter().copied()).unwrap()
}

pub(crate) fn perform(stack: &Stack, name: &str, arguments: &[(&str, &str)]) -> Chaos {
    // The stacks of tests are not in the user's registry, and count as foreign.
    let mut endpoint = Endpoint::connect(&stack.target(), &Interrupt::new(), true).unwrap();
    let record = injection(name, arguments).perform(&mut endpoint).unwrap();
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
    stallion_server::ask::set_config(&mut connection, "rdb-key-save-delay", "10").unwrap();
    for (action, copied) in [("bgsave", "rdb_last_cow_size"), ("aof-rewrite", "aof_last_cow_size")]
    {
        let record = perform(&stack, action, &[]);
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
    let mut endpoint = Endpoint::connect(&stack.target(), &Interrupt::new(), false).unwrap();
    // The first may have ended by now: hold it.
    crate::common::eventually("the first ends", || {
        let info = Info::ask(&mut connection, "persistence").unwrap();
        info.number("rdb_bgsave_in_progress") == Some(0)
    });
    std::fs::remove_dir_all(stack.folder()).unwrap();
    let record = injection("bgsave", &[]).perform(&mut endpoint).unwrap();
    assert!(record.outcome.contains("BGSAVE ended with `err`"), "{}", record.outcome);
}

#[test]
fn bigkey_stalls_the_server_by_keys_and_hgetall_and_removes_its_hash() {
    let (_folder, registry, _) = registry();
    let plan = StackPlan { slowlog_slower_than_us: 0, ..StackPlan::default() };
    let (stack, mut connection) = stack_with_keys(&registry, &plan);
    let parameters = [("fields", "20000")];
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
    let parameters = [("for", "400ms")];
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
    let mut endpoint = Endpoint::connect(&stack.target(), &interrupt, true).unwrap();
    let parameters = [("for", "60s")];
    let record = thread::scope(|scope| {
        let fault = injection("fsync-policy", &parameters);
        let actor = scope.spawn(move || fault.perform(&mut endpoint).unwrap());
        crate::common::eventually("always", || {
            config(&mut connection, "appendfsync").unwrap() == "always"
        });
        assert_eq!(config(&mut connection, "appendonly").unwrap(), "yes");
        interrupt.raise();
        actor.join().unwrap()
    });
    assert_eq!(record.outcome, "interrupted");
    assert_eq!(before(&mut connection), ("no".to_owned(), "everysec".to_owned()));

    let wrong = [("appendfsync", "sometimes")];
    let refused = fault::find("fsync-policy").unwrap().read(wrong).unwrap_err().to_string();
    assert!(refused.contains("no, everysec, always"), "{refused}");
}

#[test]
fn destructive_actions_refuse_a_foreign_server() {
    let (_folder, registry, _) = registry();
    let (stack, _) = stack_with_keys(&registry, &StackPlan::default());
    let harmless = [
        "bgsave",
        "aof-rewrite",
        "bigkey-on",
        "bigkey-cure",
        "replica-lag",
        "contend",
        "try-commands",
    ];
    for kind in fault::FAULTS {
        let mut endpoint = Endpoint::connect(&stack.target(), &Interrupt::new(), false).unwrap();
        let needed: &[(&str, &str)] = match kind.name {
            "add-node" | "try-commands" => &[("to", "127.0.0.1:1")],
            "net-loss" => &[("device", "none")],
            _ => &[],
        };
        let refused = injection(kind.name, needed).permit(&mut endpoint);
        assert_eq!(refused.is_err(), !harmless.contains(&kind.name), "{}", kind.name);
        if let Err(error) = refused {
            assert!(matches!(error, FaultError::Foreign { .. }));
            assert!(error.to_string().contains("--allow-foreign"), "{error}");
        }
    }
}

/// What only a stack of its own can show; each action once.
#[test]
fn every_kind_of_big_key_stalls_and_its_cure_takes_steps() {
    let (_folder, registry, _) = registry();
    let plan = StackPlan { slowlog_slower_than_us: 0, ..StackPlan::default() };
    let (stack, mut connection) = stack_with_keys(&registry, &plan);
    for kind in ["keys", "hgetall", "lrange", "smembers", "zrange", "del"] {
        let parameters = [("fields", "5000"), ("command", kind)];
        let record = perform(&stack, "bigkey-on", &parameters);
        assert!(record.detail["command"]["slowlog_us"].as_u64().unwrap() > 0, "{record:?}");
        let record = perform(&stack, "bigkey-cure", &parameters);
        let steps = record.detail["steps"].as_u64().unwrap();
        assert_eq!(steps > 1, kind != "del", "{record:?}");
    }
    let left: u64 = redis::cmd("DBSIZE").query(&mut connection).unwrap();
    assert_eq!(left, KEYS);
}

#[test]
fn keys_of_a_storm_expire_and_nothing_of_it_stays() {
    let (_folder, registry, _) = registry();
    let (stack, mut connection) = stack_with_keys(&registry, &StackPlan::default());
    for (policy, expired) in [("same", 2_000), ("jitter", 2_000), ("lazy", 200)] {
        let parameters = [("keys", "2000"), ("for", "300ms"), ("expire", policy)];
        let record = perform(&stack, "expiry-storm", &parameters);
        assert_eq!(record.detail["expired_keys"].as_u64(), Some(expired), "{record:?}");
    }
    let left: u64 = redis::cmd("DBSIZE").query(&mut connection).unwrap();
    assert_eq!(left, KEYS);
}

#[test]
fn a_limit_of_memory_evicts_and_is_lifted_again() {
    let (_folder, registry, _) = registry();
    let (stack, mut connection) = stack_with_keys(&registry, &StackPlan::default());
    let parameters = [("memory", "80%"), ("policy", "allkeys-random"), ("for", "500ms")];
    let record = perform(&stack, "maxmemory", &parameters);
    assert!(record.detail["evicted_keys"].as_u64().unwrap() > 0, "{record:?}");
    assert_eq!(config(&mut connection, "maxmemory").unwrap(), "0");
    assert_eq!(config(&mut connection, "maxmemory-policy").unwrap(), "noeviction");
}

#[test]
fn floods_and_hogs_come_and_go() {
    let (_folder, registry, _) = registry();
    let (stack, mut connection) = stack_with_keys(&registry, &StackPlan::default());
    let parameters = [("count", "50"), ("for", "200ms")];
    let record = perform(&stack, "client-flood", &parameters);
    assert_eq!(record.detail["opened"], 50);
    assert!(record.detail["connected_clients"].as_u64().unwrap() > 50, "{record:?}");
    crate::common::eventually("they are gone", || {
        let clients = Info::ask(&mut connection, "clients").unwrap();
        clients.number("connected_clients").unwrap() < 10
    });
    let parameters = [("count", "1"), ("for", "200ms")];
    assert!(took(&perform(&stack, "cpu-hog", &parameters)) >= Duration::from_millis(200));
}

#[test]
fn activedefrag_is_tried_and_put_back() {
    let (_folder, registry, _) = registry();
    let (stack, mut connection) = stack_with_keys(&registry, &StackPlan::default());
    let parameters = [("keys", "2000"), ("for", "200ms")];
    let mut endpoint = Endpoint::connect(&stack.target(), &Interrupt::new(), true).unwrap();
    let record = injection("defrag", &parameters).perform(&mut endpoint).unwrap();
    assert_eq!(record.outcome, "ok");
    // A server that was built without it says so, and what helps instead is tried.
    let refused = record.detail["refused"].as_str();
    assert!(refused.is_none_or(|text| text.contains("efrag")), "{record:?}");
    let tried = if refused.is_some() { "frag_bytes_after_reload" } else { "hits" };
    assert!(record.detail[tried].is_i64() && record.detail["rss_after"].is_i64(), "{record:?}");
    assert_eq!(config(&mut connection, "activedefrag").unwrap(), "no");
    assert_eq!(config(&mut connection, "active-defrag-ignore-bytes").unwrap(), "104857600");
    let left: u64 = redis::cmd("DBSIZE").query(&mut connection).unwrap();
    assert_eq!(left, KEYS);
}

#[test]
fn a_cut_replica_comes_back_by_what_its_backlog_allows() {
    let (_folder, registry, _) = registry();
    let plan = StackPlan { kind: StackKind::Replicated, ..StackPlan::default() };
    let (stack, mut connection) = stack_with_keys(&registry, &plan);
    for (policy, full) in [("kept", 0), ("overflowed", 1)] {
        let parameters = [("backlog", policy), ("for", "300ms")];
        let record = perform(&stack, "replica-cut", &parameters);
        assert_eq!(record.detail["full_resyncs"], full, "{record:?}");
        assert_eq!(record.detail["partial_resyncs"], 1 - full, "{record:?}");
        assert_eq!(record.detail["new_link_seen"], 1, "{record:?}");
    }
    assert_eq!(config(&mut connection, "repl-backlog-size").unwrap(), "1048576");
}

#[test]
fn a_replica_takes_over_and_a_newcomer_gets_its_share() {
    let (_folder, registry, _) = registry();
    let plan = StackPlan {
        kind: StackKind::Cluster,
        primaries: 3,
        replicas: 1,
        spares: 1,
        ..StackPlan::default()
    };
    let stack = start(&plan, &registry);
    let spare = stack.targets().pop().unwrap();
    let (host, port) = spare.place();
    let to = format!("{host}:{port}");
    let record = perform(&stack, "add-node", &[("to", &to)]);
    assert_eq!(record.detail["slots_moved"], 4_096, "{record:?}");
    let record = perform(&stack, "failover", &[]);
    assert!(record.detail["took_over_ms"].as_f64().unwrap() > 0.0, "{record:?}");
    let mut old = stack.target().connect().unwrap();
    crate::common::eventually("the old primary follows", || {
        Info::ask(&mut old, "replication").unwrap().text("role") == "slave"
    });
}

/// In a network namespace of its own; without root there is none, and without `ip` no device.
#[test]
fn a_device_is_slow_or_down_for_a_while() {
    let (_folder, registry, _) = registry();
    let (stack, _) = stack_with_keys(&registry, &StackPlan::default());
    let name = format!("stl{}", std::process::id() % 100_000);
    let ip = |words: &str| {
        let status = std::process::Command::new("ip").args(words.split(' ')).status();
        status.is_ok_and(|status| status.success())
    };
    if !ip(&format!("link add {name} type dummy")) {
        eprintln!("no device can be made here: nothing is tested");
        return;
    }
    let flags = || std::fs::read_to_string(format!("/sys/class/net/{name}/flags")).unwrap();
    assert!(ip(&format!("link set dev {name} up")));
    let before = flags();
    let parameters = [("device", name.as_str()), ("for", "200ms")];
    let down = perform(&stack, "partition", &parameters);
    let after = flags();
    let slow = perform(&stack, "net-delay", &parameters);
    let removed = ip(&format!("link del {name}"));
    assert!(removed && took(&down) >= Duration::from_millis(200));
    assert_eq!(before, after);
    assert!(["netem", "tbf"].contains(&slow.detail["by"].as_str().unwrap()), "{slow:?}");
    let refused = fault::find("partition").unwrap().read([("device", "lo")]).unwrap_err();
    assert!(refused.to_string().contains("used by all"), "{refused}");
}

#[test]
fn a_relay_is_slow_or_cut_for_a_while() {
    let (_folder, registry, _) = registry();
    let plan = StackPlan { relay: true, ..StackPlan::default() };
    let stack = start(&plan, &registry);
    let relay = stack.relay().unwrap();
    let through = stallion_server::Target::tcp("127.0.0.1", relay.port(), None, None);
    let mut client = through.connect().unwrap();
    let mut ping_during = |action: &str, arguments: &[(&str, &str)]| {
        let mut endpoint = Endpoint::connect(&stack.target(), &Interrupt::new(), true).unwrap();
        endpoint.relay = Some(relay.clone());
        thread::scope(|scope| {
            let fault = injection(action, arguments);
            let actor = scope.spawn(move || fault.perform(&mut endpoint).unwrap());
            thread::sleep(Duration::from_millis(100));
            let start = Instant::now();
            let () = redis::cmd("PING").query(&mut client).unwrap();
            let took = start.elapsed();
            assert_eq!(actor.join().unwrap().outcome, "ok");
            took
        })
    };
    let slow = ping_during("net-delay", &[("for", "1s"), ("delay", "50ms")]);
    assert!(slow >= Duration::from_millis(100), "both ways: {slow:?}");
    let cut = ping_during("partition", &[("for", "1s")]);
    assert!(cut >= Duration::from_millis(200), "{cut:?}");
}
