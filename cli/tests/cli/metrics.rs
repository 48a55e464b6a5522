//! `drive --metrics`: what a scraper finds while a run lasts, and what promtool says to it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::harness::redis::Redis;
use crate::harness::stallion::{Running, drive, stallion};
use crate::harness::{eventually, free_port};

fn get(port: u16, path: &str, accept: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.").then(|| body.to_owned())
}

/// promtool's opinion of a page; empty is good.
fn promtool(page: &str) -> String {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is installed (`cargo xtask test` installs it)");
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn value(page: &str, sample: &str) -> f64 {
    let line = page.lines().find(|line| line.starts_with(sample));
    let line = line.unwrap_or_else(|| panic!("no {sample} in {page}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_scraper_finds_what_it_needs() {
    let server = Redis::start(&["--maxmemory", "64mb"]);
    let port = free_port();
    let number = port.to_string();
    let flags = ["--rate", "2000", "--rw-ratio", "1:1", "--duration", "6s", "--metrics", &number];
    let run =
        Running::start(&drive(&server.port, &[&flags[..], &["--allow-invalid"]].concat()), None);
    let mut page = String::new();
    eventually("a page with two seconds of answers", || {
        page = get(port, "/metrics", "text/plain").unwrap_or_default();
        page.contains("stallion_requests_answered_total")
            && page.contains("stallion_redis_used_memory_bytes")
            && value(&page, "stallion_requests_answered_total") > 3_000.0
    });
    assert_eq!(promtool(&page), "", "promtool has something to say to {page}");
    let answered = value(&page, "stallion_requests_answered_total");
    assert_eq!(value(&page, "stallion_response_seconds_count"), answered);
    assert_eq!(value(&page, "stallion_response_seconds_bucket{le=\"+Inf\"}"), answered);
    assert!(value(&page, "stallion_commands_total{command=\"get\",result=\"ok\"}") > 0.0);
    assert_eq!(value(&page, "stallion_redis_max_memory_bytes"), f64::from(64 << 20));
    assert_eq!(value(&page, "stallion_redis_rdb_last_ok"), 1.0);
    let open = get(port, "/metrics", "application/openmetrics-text; version=1.0.0").unwrap();
    assert!(
        open.ends_with("# EOF\n") && open.contains("# TYPE stallion_requests_answered counter")
    );
    assert!(get(port, "/", "*/*").unwrap().contains("/metrics"));
    run.end().expect(0, &["metrics at http://127.0.0.1:"]);
}

/// Filling a server and looking for its ceiling have pages, too.
#[test]
fn other_verbs_are_scraped_as_drive_is() {
    let server = Redis::start(&[]);
    let fill = ["load", "--keys", "2000000", "--value-size", "200", "-p", &server.port];
    let climb = "ceiling --slo p99<100ms --step 500ms --rw-ratio 1:0 -p";
    let climb: Vec<&str> = climb.split(' ').chain([server.port.as_str()]).collect();
    for flags in [&fill[..], &climb[..]] {
        let port = free_port();
        let number = port.to_string();
        let run = Running::start(&[flags, &["--metrics", &number]].concat(), None);
        let mut page = String::new();
        eventually("a page with answers", || {
            page = get(port, "/metrics", "text/plain").unwrap_or_default();
            page.contains("stallion_requests_answered_total")
                && value(&page, "stallion_requests_answered_total") > 1_000.0
        });
        assert_eq!(promtool(&page), "", "promtool has something to say to {page}");
        let (verb, other) = if flags[0] == "load" { ("set", "get") } else { ("get", "set") };
        let answers =
            |verb: &str| format!("stallion_commands_total{{command=\"{verb}\",result=\"ok\"}}");
        assert!(value(&page, &answers(verb)) > 0.0 && !page.contains(&answers(other)), "{page}");
        run.signal(Signal::SIGINT);
        run.end();
    }
}

#[test]
fn an_address_that_is_taken_is_refused() {
    let server = Redis::start(&[]);
    let taken = server.port.as_str();
    stallion(&drive(&server.port, &["--metrics", taken])).expect(2, &["--metrics", "another port"]);
    stallion(&drive(&server.port, &["--metrics", "nowhere"])).expect(2, &["--metrics", "nowhere"]);
}
