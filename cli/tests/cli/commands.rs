//! Mixes of commands against a real server, whose own counts are the witness.

use serde_json::Value;

use crate::harness::eventually;
use crate::harness::redis::Redis;
use crate::harness::stallion::{Running, answered, lenient_drive, stallion, timeline};

/// The words of a run without a warm-up, so that all that the server counts is in its summary.
fn drive<'a>(port: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words =
        ["drive", "-p", port, "--keys", "500", "--warmup", "0s", "--allow-invalid", "--json", "-"];
    [&words, more].concat()
}

/// How often the server ran a command.
fn calls(server: &Redis, command: &str) -> u64 {
    let stats = server.ask("INFO commandstats");
    let line = stats.lines().find(|line| line.starts_with(&format!("cmdstat_{command}:")));
    let count = line.and_then(|line| line.split_once("calls=")?.1.split(',').next());
    count.map_or(0, |count| count.parse().unwrap())
}

/// How often a run got an answer without an error.
#[track_caller]
fn ok(json: &Value, name: &str) -> u64 {
    json["ops_by_command"][name]["ok"].as_u64().unwrap_or_else(|| panic!("{name} of {json}"))
}

const ALL: &str = "get=20,set=20,incr=5,del=1,unlink=1,mget:3=5,mset:3=5,hset=5,hget=5,hgetall=5,\
                   lpush=5,lpop=1,lrange:5=5,zadd=5,zrange:5=5,scan:20=1,wait:1=1,evalsha=5";

#[test]
fn a_mix_of_every_command_is_what_the_server_ran() {
    for resp in [&[][..], &["--resp3"]] {
        let server = Redis::start(&[]);
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().to_str().unwrap();
        let more = ["--mix", ALL, "--rate", "5000", "--duration", "2s", "--conns", "8"];
        let sizes = ["--pipeline", "4", "--value-size", "1-300", "--verify", "--out", out];
        let ended = stallion(&drive(&server.port, &[&more[..], &sizes, resp].concat()));
        let json = ended.expect(0, &[]).json();
        assert_eq!(json["errors"], serde_json::json!({}), "{json}");
        let mut sum = 0;
        for part in ALL.split(',') {
            let name = part.split([':', '=']).next().unwrap();
            // The script calls GET.
            let within = if name == "get" { ok(&json, "evalsha") } else { 0 };
            assert_eq!(ok(&json, name) + within, calls(&server, name), "{name}: {json}");
            sum += ok(&json, name);
        }
        assert_eq!(sum, json["ops"], "{json}");
        for name in ["get", "mget", "hget", "hgetall", "lrange", "zrange"] {
            let counts = &json["ops_by_command"][name];
            let found = counts["hits"].as_u64().unwrap() + counts["misses"].as_u64().unwrap();
            assert_eq!(found, ok(&json, name), "{json}");
            assert!(counts["hits"].as_u64().unwrap() > 0, "{name} finds what was written: {json}");
        }
        assert_eq!(answered(&timeline(folder.path())), sum);
        let types = ["string", "hash", "list", "zset"].map(|kind| {
            let scan = server.ask(&format!("SCAN 0 COUNT 100000 TYPE {kind}"));
            scan.matches("key:").count()
        });
        assert!(types.iter().all(|keys| *keys > 10), "{types:?}");
    }
}

#[test]
fn a_transaction_is_one_request() {
    let server = Redis::start(&[]);
    let more = ["--mix", "incr=1,get=1", "--tx", "5", "--rate", "1000", "--duration", "1s"];
    let json = stallion(&drive(&server.port, &more)).expect(0, &[]).json();
    let ops = json["ops"].as_u64().unwrap();
    assert_eq!((ok(&json, "multi"), &json["errors"]), (ops, &serde_json::json!({})), "{json}");
    assert_eq!((calls(&server, "multi"), calls(&server, "exec")), (ops, ops));
    assert_eq!(calls(&server, "incr") + calls(&server, "get"), 5 * ops);
}

#[test]
fn errors_inside_of_a_transaction_are_counted() {
    let server = Redis::start(&[]);
    server.ask("SET text none");
    let more = ["--command", "INCR text", "--tx", "3", "--rate", "500", "--duration", "500ms"];
    let json = stallion(&drive(&server.port, &more)).expect(0, &[]).json();
    assert_eq!(json["errors"]["ERR"], json["ops"], "{json}");
    let more = ["--command", "NOSUCH __key__", "--tx", "3", "--rate", "500", "--duration", "500ms"];
    let json = stallion(&drive(&server.port, &more)).expect(0, &[]).json();
    assert_eq!(json["errors"]["ERR"], json["ops"], "{json}");
}

#[test]
fn a_lost_script_is_loaded_again() {
    let server = Redis::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("add.lua");
    std::fs::write(&file, "return redis.call('INCRBY', KEYS[1], ARGV[1])").unwrap();
    let script = ["--script", file.to_str().unwrap(), "--script-args", "__key__ 3"];
    let times = ["--rate", "2000", "--duration", "3s", "--pipeline", "4"];
    let run = Running::start(
        &lenient_drive(&server.port, &[&script[..], &times, &["--json", "-"]].concat()),
        None,
    );
    eventually("it runs", || calls(&server, "evalsha") > 1_000);
    server.ask("SCRIPT FLUSH");
    let json = run.end().expect(0, &[]).json();
    let lost = json["errors"]["NOSCRIPT"].as_u64().unwrap();
    assert!((1..200).contains(&lost), "{json}");
    assert!(calls(&server, "eval") > 0);
    assert!(ok(&json, "evalsha") > 5_000, "it goes on: {json}");
}

#[test]
fn a_script_that_is_none_is_refused() {
    let server = Redis::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.lua");
    std::fs::write(&file, "return (").unwrap();
    stallion(&drive(&server.port, &["--script", file.to_str().unwrap()]))
        .expect(2, &["refused a script", "redis-cli --eval"]);
}

#[test]
fn templates_are_sent_as_they_stand() {
    let server = Redis::start(&[]);
    let command = "3=HSET {user:__key__}:cart 'a b' __data__";
    let more = ["--command", command, "--value-size", "7", "--keys", "1", "--rate", "500"];
    let words = ["drive", "-p", &server.port, "--warmup", "0s", "--allow-invalid", "--json", "-"];
    let more = [&words[..], &more, &["--duration", "500ms"]].concat();
    let json = stallion(&more).expect(0, &[]).json();
    assert_eq!(ok(&json, "hset"), calls(&server, "hset"));
    let length = server.ask("HSTRLEN {user:key:hash:000000000000}:cart \"a b\"");
    assert!(length.starts_with(":7\r\n"), "{length}");
}

#[test]
fn a_key_of_another_type_is_counted() {
    let server = Redis::start(&[]);
    server.ask("SET fixed text");
    let more = ["--command", "LPUSH fixed x", "--rate", "500", "--duration", "500ms"];
    let json = stallion(&drive(&server.port, &more)).expect(0, &[]).json();
    assert_eq!(json["errors"]["WRONGTYPE"], json["ops"], "{json}");
}

#[test]
fn a_file_holds_a_mix_and_its_errors_have_a_line() {
    let server = Redis::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mix.toml");
    let path = file.to_str().unwrap();
    let run = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let more = ["--mix", path, "--rate", "1000", "--duration", "500ms"];
        stallion(&drive(&server.port, &more))
    };
    let text = "[mix]\nget = 3\n\n[[command]]\nname = \"cart\"\nweight = 1\ntemplate = \"HSET __key__ a __data__\"\n";
    let json = run(text).expect(0, &[]).json();
    assert_eq!(ok(&json, "cart"), calls(&server, "hset"), "{json}");
    run("[mix]\nget = 3\nnope = 1\n").expect(2, &[&format!("{path}:3"), "mix.nope"]);
}

#[test]
fn values_of_every_law_are_verified() {
    let server = Redis::start(&[]);
    for (sizes, content) in
        [("10-1000", "random"), ("5:9,100-2000:1", "pattern"), ("lognormal:300:1.2", "random")]
    {
        let values = ["--value-size", sizes, "--value-content", content, "--seed", "9"];
        let load = ["load", "-p", &server.port, "--keys", "500"];
        stallion(&[&load[..], &values].concat()).expect(0, &["0 absent, 0 wrong"]);
        let more = ["--mix", "get=8,set=1,mset:4=1", "--verify", "--rate", "4000"];
        let more = [&more[..], &values, &["--duration", "1s", "--pipeline", "4"]].concat();
        let json = stallion(&drive(&server.port, &more)).expect(0, &[]).json();
        assert_eq!(
            (&json["errors"], &json["misses"]),
            (&serde_json::json!({}), &0.into()),
            "{json}"
        );
        let wrong = ["--verify", "--rate", "1000", "--duration", "500ms", "--value-size", "10-999"];
        let other = stallion(&drive(&server.port, &[&wrong[..], &["--seed", "9"]].concat()));
        other.expect(1, &["--verify found"]);
    }
}
