//! Filling: what it proves, and how it ends when the server will not be filled.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::harness::eventually;
use crate::harness::redis::Redis;
use crate::harness::stallion::{Running, stallion};

fn dbsize(server: &Redis) -> u64 {
    let text = server.ask("DBSIZE");
    let number = text.strip_prefix(':').and_then(|rest| rest.lines().next());
    number.unwrap().trim().parse().unwrap()
}

#[test]
fn a_full_server_is_proven_full() {
    let server = Redis::start(&[]);
    let args = ["load", "-p", &server.port, "--keys", "20000", "--value-size", "50"];
    stallion(&args).expect(0, &["20 000 keys written", "0 absent, 0 wrong"]);
    assert_eq!(dbsize(&server), 20_000);
}

#[test]
fn a_share_of_the_keys_expires() {
    let server = Redis::start(&[]);
    let args = ["load", "-p", &server.port, "--keys", "20000", "--ttl-frac", "0.25"];
    let args = [&args[..], &["--ttl-range", "1000-2000"]].concat();
    stallion(&args).expect(0, &["20 000 keys written"]);
    let number = |name: &str| -> f64 {
        let info = server.ask("INFO keyspace");
        let (_, rest) = info.split_once(name).unwrap_or_else(|| panic!("{name}: {info}"));
        rest.split([',', '\r']).next().unwrap().parse().unwrap()
    };
    let share = number("expires=") / number("keys=");
    assert!((0.23..0.27).contains(&share), "a quarter: {share}");
    // The server estimates it now and then.
    eventually("avg_ttl is known", || number("avg_ttl=") > 0.0);
    let mean_ms = number("avg_ttl=");
    assert!((900_000.0..2_100_000.0).contains(&mean_ms), "1000 to 2000 s: {mean_ms}");
}

#[test]
fn a_server_with_too_little_memory_is_not_full() {
    let server = Redis::start(&["--maxmemory", "3mb", "--maxmemory-policy", "noeviction"]);
    let args = ["load", "-p", &server.port, "--keys", "50000", "--value-size", "500"];
    stallion(&args).expect(1, &["OOM: ", "not full", "maxmemory"]);
    let server = Redis::start(&["--maxmemory", "3mb", "--maxmemory-policy", "allkeys-lru"]);
    let args = ["load", "-p", &server.port, "--keys", "50000", "--value-size", "500"];
    stallion(&args).expect(1, &["not full", "maxmemory-policy"]);
}

#[test]
fn ctrl_c_leaves_what_was_written() {
    let server = Redis::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let args = ["load", "-p", &server.port, "--keys", "900000000", "--value-size", "10"];
    let out = ["--out", folder.path().to_str().unwrap()];
    let run = Running::start(&[&args[..], &out].concat(), None);
    eventually("keys come in", || dbsize(&server) > 1_000);
    run.signal(Signal::SIGINT);
    run.end().expect(1, &["interrupted", "--resume"]);
    let file = stallion_timeline::Timeline::read(&folder.path().join("load.jsonl")).unwrap();
    assert_eq!(file.footer.unwrap().reason, "interrupted");
}

#[test]
fn a_load_that_broke_off_goes_on_where_it_was() {
    for signal in [Signal::SIGINT, Signal::SIGKILL] {
        let server = Redis::start(&[]);
        let args = ["load", "-p", &server.port, "--keys", "1500000", "--value-size", "10"];
        let run = Running::start(&args, None);
        eventually("keys come in", || dbsize(&server) > 50_000);
        run.signal(signal);
        let _ = run.end();
        let before = dbsize(&server);
        assert!(before < 1_500_000, "it was stopped in its middle");
        let resumed = stallion(&[&args[..], &["--resume", "--json", "-"]].concat());
        let fill = resumed.expect(0, &[]).json()["fill"].clone();
        assert_eq!(dbsize(&server), 1_500_000);
        let found = fill["found"].as_u64().unwrap();
        assert!(found <= before && before - found < 10_000, "{before} there, {found} left alone");
        assert_eq!(fill["written"].as_u64().unwrap(), 1_500_000 - found);
    }
}

#[test]
fn a_server_that_dies_and_comes_back_is_filled() {
    let mut server = Redis::start(&["--appendonly", "yes", "--appendfsync", "no"]);
    let port = server.port.clone();
    let args = ["load", "-p", &port, "--keys", "1000000", "--value-size", "100"];
    let run = Running::start(&args, None);
    eventually("keys come in", || dbsize(&server) > 1_000);
    server.kill();
    std::thread::sleep(Duration::from_millis(300));
    server.start_again();
    // What was written and not yet in the AOF may be gone; the check says so or is content.
    let ended = run.end();
    assert!(matches!(ended.code, Some(0 | 1)), "{ended:#?}");
    assert!(ended.out.contains("disconnect: "), "{ended:#?}");
    assert!(ended.out.contains("1 000 000 keys written"), "{ended:#?}");
}

#[test]
fn a_server_that_dies_for_good_is_not_waited_for_for_ever() {
    let mut server = Redis::start(&[]);
    let port = server.port.clone();
    let args = ["load", "-p", &port, "--keys", "900000000", "--timeout", "1s"];
    let run = Running::start(&args, None);
    eventually("keys come in", || dbsize(&server) > 1_000);
    server.kill();
    run.end().expect(1, &["keys were written", &port, "is the server running"]);
}

#[test]
fn one_of_several_servers_that_dies_for_good_is_not_waited_for_for_ever() {
    let (mut one, other) = (Redis::start(&[]), Redis::start(&[]));
    let list = format!("127.0.0.1:{},127.0.0.1:{}", one.port, other.port);
    let place = ["load", "--topology", "ring", "--ring-nodes", &list];
    let run =
        Running::start(&[&place[..], &["--keys", "900000000", "--timeout", "1s"]].concat(), None);
    eventually("keys come in", || dbsize(&one) > 1_000 && dbsize(&other) > 1_000);
    one.kill();
    run.end().expect(1, &["keys were written", "is the server running"]);
}

#[test]
fn another_database_is_filled_and_checked() {
    let server = Redis::start(&[]);
    let load = ["load", "-p", &server.port, "--db", "3", "--keys", "500"];
    stallion(&load).expect(0, &["500 keys written", "DBSIZE 500", "0 absent, 0 wrong"]);
    assert_eq!(dbsize(&server), 0, "the first one is left alone");
}
