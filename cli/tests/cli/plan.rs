//! `stallion plan`: what it carries is enough for a first plan, a real server takes the memory that it
//! says, and what is impossible is refused.

use crate::harness::redis::Redis;
use crate::harness::stallion::stallion;

const PLAN: [&str; 7] = ["plan", "--ops", "500000", "--value-size", "100", "--working-set", "80gb"];

#[test]
fn a_plan_comes_with_formulas_and_measurements() {
    let ended = stallion(&PLAN);
    ended.expect(
        0,
        &["shards by rate", "Little's law", "results/ceiling (carried)", "virtual machine"],
    );
    let json = stallion(&[&PLAN[..], &["--json", "-"]].concat()).json();
    assert!(json["nodes"].as_u64() > json["shards"].as_u64(), "{json:#}");
    let lines = json["lines"].as_array().unwrap();
    let all = |name: &str| {
        lines.iter().all(|line| line[name].as_str().is_some_and(|text| !text.is_empty()))
    };
    assert!(all("formula") && all("figures") && all("measured"), "{json:#}");
}

#[test]
fn impossible_input_is_refused() {
    let with = |more: &[&str], words: &[&str]| {
        stallion(&[&PLAN[..], more].concat()).expect(2, words);
    };
    with(&["--slo", "p99<1us"], &["no measured rate is known to meet p99<1us", "stallion ceiling"]);
    with(&["--utilisation", "0"], &["--utilisation is out of range"]);
    with(&["--rw-ratio", "x"], &["--rw-ratio x is no ratio"]);
    with(&["--ceiling", "/nowhere/ceiling.json"], &["--ceiling /nowhere/ceiling.json"]);
    with(&["--node-memory", "64mb"], &["larger ones by --node-memory"]);
    stallion(&["plan", "--ops", "1", "--value-size", "1", "--working-set", "lots"])
        .expect(2, &["`lots` is no working set"]);
}

/// 100 000 keys on a real server take what the formula says, within 5 %.
#[test]
fn a_real_server_takes_the_memory_that_is_planned() {
    for (value, ttl) in [("100", false), ("20", true)] {
        let server = Redis::start(&[]);
        let used = || -> f64 {
            let text = server.ask("INFO memory");
            let line = text.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
            line.trim().parse().unwrap()
        };
        // The name is key: and 12 digits.
        let mut load = vec!["load", "-p", &server.port, "--keys", "100000", "--value-size", value];
        if ttl {
            load.extend(["--ttl-frac", "1", "--ttl-range", "5000-9000"]);
        }
        let before = used();
        stallion(&load).expect(0, &[]);
        let real = (used() - before) / 100_000.0;
        let mut flags = vec!["plan", "--ops", "1000", "--value-size", value, "--key-size", "16"];
        flags.extend(["--working-set", "100000keys", "--json", "-"]);
        if ttl {
            flags.push("--ttl");
        }
        let json = stallion(&flags).json();
        let lines = json["lines"].as_array().unwrap();
        let line = lines.iter().find(|line| line["what"] == "one key takes").unwrap();
        let planned = line["value"].as_f64().unwrap();
        let apart = (planned / real - 1.0).abs();
        assert!(apart < 0.05, "{value} bytes: planned {planned}, real {real}");
    }
}
