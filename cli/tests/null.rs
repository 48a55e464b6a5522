//! The null server as users start it: beside a client, and in the client.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

fn stallion() -> Command {
    Command::new(env!("CARGO_BIN_EXE_stallion"))
}

#[test]
fn a_client_is_measured_alone_in_one_process() {
    for io in ["uring", "epoll"] {
        let output = stallion()
            .args(["drive", "--target", "null", "--io", io, "--pipeline", "16"])
            .args(["--duration", "1s", "--warmup", "0s", "--value-size", "300"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("null server"), "{text}{errors}");
        assert!(text.contains("ns of CPU"), "{text}{errors}");
    }
}

#[test]
fn it_prints_its_address_and_ends_in_good_order() {
    let mut server = stallion()
        .args(["null", "-p", "0", "--value-size", "5"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    let port = line.split_once("127.0.0.1:").and_then(|(_, rest)| rest.split(' ').next()).unwrap();
    let output = Command::new("redis-cli").args(["-p", port, "GET", "key"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "xxxxx");
    let pid = server.id().to_string();
    let killed = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(killed.success() && server.wait().unwrap().success());
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("requests of 1 clients answered"), "{rest}");
}

#[test]
fn an_address_that_cannot_be_is_a_usage_error() {
    let output = stallion().args(["null", "-h", "203.0.113.1", "-p", "7000"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot listen"));
}
