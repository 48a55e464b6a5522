//! A cache before a store, on a real server: one hot key expires under load, and what is done against
//! the stampede shows in its size.

use serde_json::Value;

use crate::harness::redis::Redis;
use crate::harness::stallion::stallion;

/// Three seconds of one key that lives one second and takes 50 ms to get.
fn drive(redis: &Redis, flags: &[&str]) -> Value {
    let common = "drive --keys 1 --rate 2000 --duration 3s --conns 8 --pipeline 16 --store fixed:50ms \
                  --store-servers 4 --ttl 1s --json - --allow-invalid -p";
    let common: Vec<&str> = common.split_whitespace().collect();
    stallion(&[&common[..], &[redis.port.as_str()], flags].concat()).all_answered()
}

fn store(summary: &Value, name: &str) -> u64 {
    summary["store"]["counts"][name].as_u64().unwrap()
}

#[test]
fn a_stampede_is_as_large_as_what_is_done_against_it_lets_it() {
    let redis = Redis::start(&[]);
    let none = drive(&redis, &[]);
    let herd = |summary: &Value| summary["store"]["herd_max"].as_u64().unwrap();
    // 50 ms at 2 000 a second are 100 readers that find nothing.
    assert!(herd(&none) > 30, "{none:#}");
    assert!(none["store"]["latency_us"]["max"].as_f64().unwrap() > 50_000.0, "they queue");
    assert!(none["response_us"]["max"].as_f64().unwrap() > 50_000.0, "a miss costs what it costs");
    let joined = drive(&redis, &["--stampede", "coalesce", "--cores", "0", "--verify"]);
    assert_eq!(herd(&joined), 1, "one read of a key at a time: {joined:#}");
    assert!(store(&joined, "joined") > 30, "{joined:#}");
    assert!(store(&joined, "reads") < store(&none, "reads") / 5, "{joined:#}\n{none:#}");
    let stale = drive(&redis, &["--stampede", "stale-while-revalidate,coalesce"]);
    assert!(store(&stale, "stale") > 30, "{stale:#}");
    assert!(stale["store"]["hit_rate"].as_f64().unwrap() > 0.95, "{stale:#}");
    // Alone it may melt the store: a read that queued counts as one that takes long, which makes the
    // next ones come earlier still (on a busy host 4 380 reads at once were seen).
    let early = drive(&redis, &["--stampede", "xfetch,coalesce", "--xfetch-beta", "2"]);
    assert!(store(&early, "early") > 0, "{early:#}");
}

#[test]
fn what_cannot_be_had_together_is_refused() {
    for (flags, said) in [
        (&["--store", "5ms"][..], "fixed:5ms"),
        (&["--stampede", "coalesce"], "--store"),
        (&["--store", "fixed:5ms", "--rw-ratio", "0:1"], "no get"),
        (&["--store", "fixed:5ms", "--tx", "3"], "--tx"),
        (&["--store", "fixed:5ms", "--stampede", "xfetch", "--verify"], "--verify"),
        (&["--store", "fixed:5ms", "--store-servers", "0"], "--store-servers"),
        (&["--store", "fixed:5ms", "--ttl", "0s"], "--ttl"),
    ] {
        let drive = ["drive", "-p", "1", "--duration", "1s"];
        stallion(&[&drive, flags].concat()).expect(2, &[said]);
    }
}
