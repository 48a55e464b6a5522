//! What scripts rely on: the JSON object, its keys and units, and the exit codes.

use std::time::Duration;

use crate::harness::fake::{Fake, Script};
use crate::harness::redis::Redis;
use crate::harness::stallion::{drive, lenient_drive, stallion, timeline};

const PERCENTILES: [&str; 6] = ["p50", "p90", "p99", "p999", "p9999", "max"];

#[test]
fn json_is_one_object_with_the_promised_keys() {
    let server = Redis::start(&[]);
    let more = ["--rate", "2000", "--duration", "1s", "--conns", "4", "--json", "-"];
    let ended = stallion(&lenient_drive(&server.port, &more));
    ended.expect(0, &[]);
    let json = ended.json();
    for key in ["ops", "ops_per_sec", "hits", "misses", "unsent", "timeouts", "lost"] {
        assert!(json[key].is_number(), "{key} of {json}");
    }
    for key in ["response_us", "service_us", "schedule_lag_us"] {
        let values: Vec<f64> = PERCENTILES
            .iter()
            .map(|name| json[key][name].as_f64().unwrap_or_else(|| panic!("{key} {name}: {json}")))
            .collect();
        assert!(values.is_sorted(), "{key} of {json}");
    }
    assert!(json["errors"].is_object());
    for key in ["moved", "ask", "tryagain"] {
        assert_eq!(json["redirects"][key], 0, "{json}");
    }
    for key in ["cpu_ns_per_op", "busy_max"] {
        assert!(json["client"][key].as_f64().unwrap() > 0.0, "{json}");
    }
    let reasons = json["verdict"]["reasons"].as_array().unwrap();
    assert_eq!(json["verdict"]["valid"], reasons.is_empty(), "{json}");
    // 1 s at 2 000 requests a second, and none of the warm-up.
    let ops = json["ops"].as_u64().unwrap();
    assert!((1_800..=2_010).contains(&ops), "{json}");
    assert_eq!(json["misses"], ops);
    assert_eq!(json["accounting"]["due"], 2_400);
}

#[test]
fn a_broken_objective_exits_99() {
    let server = Redis::start(&[]);
    let slo = |text| {
        let more = ["--rate", "1000", "--duration", "500ms", "--conns", "4", "--slo", text];
        stallion(&lenient_drive(&server.port, &more))
    };
    slo("p99<1us").expect(99, &["objective broken: p99<1us", "response (from due)"]);
    slo("max < 1us").expect(99, &["objective broken"]);
    slo("p99.9<30s").expect(0, &["verdict"]);
}

#[test]
fn a_rate_that_the_server_cannot_take_is_an_invalid_run() {
    // 5 ms for each answer on one connection: 200 a second of the 10 000 asked for.
    let slow = Fake::play(Script { faults: Vec::new(), delay: Duration::from_millis(5) });
    let more = ["--rate", "10000", "--duration", "1s", "--conns", "1"];
    let args = drive(&slow.port, &more);
    // A client that was kept off its core is told so instead: that may happen, but not for ever.
    let missed = (0..3).map(|_| stallion(&args)).find(|ended| ended.err.contains("rate-missed"));
    let words = ["lower --rate", "INVALID", "response (from due)"];
    missed.unwrap().expect(3, &words);
    let allowed: Vec<&str> = [&args[..], &["--allow-invalid"]].concat();
    stallion(&allowed).expect(0, &["INVALID"]);
}

#[test]
fn values_of_no_bytes_are_values() {
    let server = Redis::start(&[]);
    let port = server.port.as_str();
    stallion(&["load", "-p", port, "--keys", "1000", "--value-size", "0"]).expect(0, &["1 000"]);
    let more = ["--value-size", "0", "--rw-ratio", "1:1", "--rate", "2000", "--verify"];
    let more = [&more[..], &["--duration", "500ms", "--json", "-"]].concat();
    let json = stallion(&lenient_drive(port, &more)).json();
    assert_eq!((&json["errors"], &json["misses"]), (&serde_json::json!({}), &0.into()));
}

#[test]
fn values_of_another_seed_are_found_out() {
    let server = Redis::start(&[]);
    let port = server.port.as_str();
    stallion(&["load", "-p", port, "--keys", "1000", "--seed", "7"]).expect(0, &[]);
    let verify = |seed| {
        let more = ["--duration", "500ms", "--rate", "1000", "--verify", "--seed", seed];
        stallion(&lenient_drive(port, &more))
    };
    verify("7").expect(0, &["100.00 % found their key"]);
    verify("8").expect(1, &["verify: 500", "--seed"]);
}

#[test]
fn a_reader_that_goes_is_no_bug() {
    let server = Redis::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let (program, port) = (env!("CARGO_BIN_EXE_stallion"), &server.port);
    let out = folder.path().display();
    let line = format!(
        "{program} drive -p {port} --keys 100 --rate 500 --duration 1s --warmup 0s --out {out} | true"
    );
    let output = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(!complaint.contains("panicked"), "{complaint}");
    assert!(!timeline(folder.path()).truncated(), "the timeline is whole");
}
