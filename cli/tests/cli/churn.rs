//! Connections: many of them, those that are renewed, and what they say first.

use crate::harness::redis::Redis;
use crate::harness::stallion::{Running, lenient_drive, stallion};

fn stat(server: &Redis, section: &str, name: &str) -> u64 {
    let info = server.ask(&format!("INFO {section}"));
    let line = info.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("{name}: {info}"))
}

#[test]
fn a_connection_is_renewed_after_its_requests() {
    let server = Redis::start(&["--requirepass", "secret"]);
    for (rate, io) in [("max", "uring"), ("2000", "uring"), ("2000", "epoll")] {
        let before = stat_with_password(&server, "total_connections_received");
        let more = ["-a", "secret", "--db", "3", "--client-name", "churn", "--rw-ratio", "0:1"];
        let times = ["--reconnect-every", "10", "--conns", "4", "--pipeline", "3", "--rate", rate];
        let rest = ["--duration", "1s", "--io", io, "--json", "-"];
        let args = lenient_drive(&server.port, &[&more[..], &times, &rest].concat());
        let json = stallion(&args).expect(0, &[]).json();
        assert_eq!((&json["errors"], &json["lost"]), (&serde_json::json!({}), &0.into()), "{json}");
        let sent = json["accounting"]["sent"].as_u64().unwrap();
        let opened = stat_with_password(&server, "total_connections_received") - before;
        // Four that the run ends on, one for the preflight, one or two for INFO, and ours.
        let wanted = sent / 10;
        assert!((wanted..=wanted + 12).contains(&opened), "{opened} for {sent} requests: {json}");
        assert!(json["connect_us"]["p50"].as_f64().unwrap() > 0.0, "{json}");
    }
    let keyspace = server.ask("AUTH secret\r\nINFO keyspace");
    assert!(keyspace.contains("db3:") && !keyspace.contains("db0:"), "{keyspace}");
}

fn stat_with_password(server: &Redis, name: &str) -> u64 {
    let info = server.ask("AUTH secret\r\nINFO stats");
    let line = info.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.unwrap().trim().parse().unwrap()
}

#[test]
fn a_database_that_is_not_there_is_refused() {
    let server = Redis::start(&["--databases", "2"]);
    for verb in ["drive", "load"] {
        stallion(&[verb, "-p", &server.port, "--db", "7"]).expect(2, &["--db", "databases"]);
    }
}

#[test]
fn the_server_knows_the_name_of_the_client() {
    let server = Redis::start(&[]);
    let more = ["--client-name", "bench-7", "--conns", "3", "--rate", "100", "--duration", "3s"];
    let run = Running::start(&lenient_drive(&server.port, &more), None);
    crate::harness::eventually("three are named", || {
        server.ask("CLIENT LIST").matches("name=bench-7").count() == 3
    });
    run.end().expect(0, &[]);
}

#[test]
fn two_thousand_connections_are_opened_within_the_file_limit() {
    let server = Redis::start(&["--maxclients", "5000"]);
    let more = ["--conns", "2000", "--rate", "4000", "--duration", "1s", "--json", "-"];
    let run = Running::start(&lenient_drive(&server.port, &more), Some(4_096)).end();
    let json = run.expect(0, &[]).json();
    assert_eq!(json["errors"], serde_json::json!({}), "{json}");
    assert!(stat(&server, "stats", "total_connections_received") >= 2_000);
    let run = Running::start(&lenient_drive(&server.port, &more), Some(1_000)).end();
    run.expect(2, &["of 2000 connections", "ulimit -n"]);
}
