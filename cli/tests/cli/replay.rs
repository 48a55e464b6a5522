//! Traffic that was captured comes again as it was.

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::eventually;
use crate::harness::redis::Redis;
use crate::harness::stallion::{Running, stallion};

fn capturing<'a>(port: &'a str, file: &'a Path, more: &[&'a str]) -> Running {
    let words = ["capture", "-p", port, "--out", file.to_str().unwrap(), "--json", "-"];
    Running::start(&[&words[..], more].concat(), None)
}

fn monitored(server: &Redis) {
    eventually("somebody monitors", || server.ask("CLIENT LIST").contains("cmd=monitor"));
}

fn replay(port: &str, file: &Path, more: &[&str]) -> Value {
    let words = ["drive", "-p", port, "--trace", file.to_str().unwrap(), "--json", "-"];
    let args = [&words[..], &["--allow-invalid"], more].concat();
    stallion(&args).expect(0, &[]).json()
}

#[test]
fn bytes_that_no_terminal_shows_come_back() {
    let (server, other) = (Redis::start(&[]), Redis::start(&[]));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.trace");
    let run = capturing(&server.port, &file, &["--for", "3s"]);
    monitored(&server);
    let body: Vec<u8> = (0..=255).collect();
    let mut stream = TcpStream::connect(format!("127.0.0.1:{}", server.port)).unwrap();
    for round in 0..50 {
        let mut request =
            format!("*3\r\n$3\r\nSET\r\n$6\r\nkey\"\r\n\r\n${}\r\n", body.len()).into_bytes();
        if round == 49 {
            request = b"*3\r\n$6\r\nAPPEND\r\n$1\r\nn\r\n$2\r\n\r\n\r\n".to_vec();
        } else {
            request.extend(&body);
            request.extend(b"\r\n");
        }
        stream.write_all(&request).unwrap();
    }
    server.ask("EVAL \"return redis.call('INCR', KEYS[1])\" 1 counter");
    eventually("the last has come", || server.ask("EXISTS n").starts_with(":1"));
    let captured = run.end().expect(0, &[]).json();
    assert_eq!(
        (&captured["by_scripts"], &captured["unreadable"]),
        (&1.into(), &0.into()),
        "{captured}"
    );
    let json = replay(&other.port, &file, &["--rate", "1000"]);
    assert_eq!(
        (&json["errors"], &json["ops_by_command"]["set"]["ok"]),
        (&serde_json::json!({}), &49.into())
    );
    for key in ["\"key\\\"\\r\\n\"", "n", "counter"] {
        let hash = "return redis.sha1hex(redis.call('GET', KEYS[1]))";
        let question = format!("EVAL \"{hash}\" 1 {key}");
        assert_eq!(server.ask(&question), other.ask(&question), "{key}");
    }
    assert!(server.ask("STRLEN \"key\\\"\\r\\n\"").starts_with(":256\r\n"));
}

#[test]
fn times_are_the_captured_ones_or_faster() {
    let (server, other) = (Redis::start(&[]), Redis::start(&[]));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.trace");
    let run = capturing(&server.port, &file, &["--for", "3s"]);
    monitored(&server);
    for _ in 0..10 {
        server.ask("INCR a");
        std::thread::sleep(Duration::from_millis(150));
    }
    run.end().expect(0, &[]);
    let timed = |more: &[&str]| {
        let begin = Instant::now();
        let json = replay(&other.port, &file, more);
        assert_eq!(json["accounting"]["unsent"], 0, "{json}");
        (json["duration_s"].as_f64().unwrap(), begin.elapsed())
    };
    // Nine pauses of 150 ms and a little; QUIT is not sent.
    let (original, _) = timed(&[]);
    assert!((1.3..2.5).contains(&original), "{original} s");
    let (faster, _) = timed(&["--speed", "5"]);
    assert!((0.25..0.6).contains(&faster), "{faster} s");
    timed(&["--rate", "max"]);
    assert_eq!(other.ask("GET a").lines().nth(1), Some("30"));
}

#[test]
fn a_cache_trace_is_replayed() {
    let server = Redis::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cluster.csv");
    let mut text = String::new();
    for second in 0..2 {
        for number in 0..500 {
            let key = number % 50;
            text += &format!("{second},user:{key},7,{},1,set,3600\n", 100 + key);
            text += &format!("{second},user:{key},7,0,2,get,0\n");
        }
    }
    text += "2,user:7,6,0,1,delete,0\n";
    std::fs::write(&file, text).unwrap();
    let json = replay(&server.port, &file, &["--conns", "1", "--speed", "2"]);
    assert_eq!(
        (&json["ops"], &json["misses"], &json["errors"]),
        (&2_001.into(), &0.into(), &serde_json::json!({}))
    );
    assert!(server.ask("STRLEN user:9").starts_with(":109\r\n"));
    assert!(server.ask("EXISTS user:7").starts_with(":0\r\n"));
}

#[test]
fn what_is_no_trace_is_refused() {
    let server = Redis::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x");
    std::fs::write(&file, "hello\n").unwrap();
    let refused = |more: &[&str], words: &[&str]| {
        stallion(&[&["drive", "-p", &server.port][..], more].concat()).expect(2, words);
    };
    let path = file.to_str().unwrap();
    refused(&["--trace", path], &[&format!("{path}:1"), "stallion capture"]);
    refused(&["--trace", "/nowhere"], &["/nowhere", "No such file"]);
    refused(&["--trace", path, "--speed", "0"], &["--speed 0"]);
    refused(&["--trace", path, "--verify"], &["--verify", "cannot be used with"]);
    refused(&["--speed", "2"], &["--trace"]);
}

#[test]
fn a_file_has_its_bound() {
    let server = Redis::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.trace");
    let run = capturing(&server.port, &file, &["--for", "60s", "--max-bytes", "20000"]);
    monitored(&server);
    let more = ["--rw-ratio", "0:1", "--rate", "5000", "--duration", "2s", "--allow-invalid"];
    stallion(&[&["drive", "-p", &server.port][..], &more].concat()).expect(0, &[]);
    let captured = run.end().expect(0, &["--max-bytes"]).json();
    assert_eq!(captured["full"], true);
    let bytes = std::fs::metadata(&file).unwrap().len();
    assert!((20_000..1_000_000).contains(&bytes), "{bytes}");
    let replayed = replay(&server.port, &file, &["--rate", "max"]);
    // Our own CLIENT LIST was seen, and is not sent.
    let missing = captured["requests"].as_u64().unwrap() - replayed["ops"].as_u64().unwrap();
    assert!(missing <= 3, "{replayed} {captured}");
}
