//! Servers that cannot be used, and those that want to be spoken to in their own way.

use crate::harness::fake::{ACCEPT, Fake, Fault, Then};
use crate::harness::redis::Redis;
use crate::harness::stallion::{Running, drive, stallion};

const SHORT: &[&str] =
    &["--duration", "500ms", "--conns", "2", "--rate", "1000", "--json", "-", "--allow-invalid"];

/// Who to be, and the words of the refusal.
#[test]
fn logins_that_fail_say_so_and_how_to_log_in() {
    let server = Redis::start(&["--requirepass", "right"]);
    server.ask("AUTH right\r\nACL SETUSER bob on >bobs ~* +@all");
    let port = server.port.as_str();
    for (who, words) in [
        (&[][..], "NOAUTH"),
        (&["-a", "wrong"][..], "WRONGPASS"),
        (&["--user", "alice", "-a", "right"][..], "WRONGPASS"),
        (&["--user", "bob", "-a", "right"][..], "WRONGPASS"),
        (&["--resp3"][..], "NOAUTH"),
        (&["--resp3", "-a", "wrong"][..], "WRONGPASS"),
    ] {
        for verb in ["drive", "load"] {
            let mut args = vec![verb, "-p", port];
            args.extend(who);
            let ended = stallion(&args);
            ended.expect(2, &[words, "-a PASSWORD", "--user"]);
            assert!(!ended.err.contains("-a wrong") && !ended.err.contains("wrong;"));
        }
    }
}

#[test]
fn the_right_words_are_let_in() {
    let server = Redis::start(&["--requirepass", "right"]);
    server.ask("AUTH right\r\nACL SETUSER bob on >bobs ~* +@all");
    let port = server.port.as_str();
    let url = format!("redis://bob:bobs@127.0.0.1:{port}");
    let socket = format!("unix://{}", server.socket().display());
    for who in [
        &["-p", port, "-a", "right"][..],
        &["-p", port, "-a", "right", "--resp3"],
        &["-p", port, "--user", "bob", "-a", "bobs"],
        &["-p", port, "--user", "bob", "-a", "bobs", "--resp3"],
        &["--target", &url],
        &["--target", &url, "--resp3"],
    ] {
        let args: Vec<&str> = [&["drive", "--warmup", "0s"], who, SHORT].concat();
        let ended = stallion(&args);
        ended.expect(0, &[]);
        let json = ended.json();
        assert!(json["accounting"]["answered"].as_u64().unwrap() > 400, "{json}");
        assert_eq!(json["errors"], serde_json::json!({}));
    }
    server.ask("AUTH right\r\nCONFIG SET requirepass \"\"");
    for more in [&[][..], &["--resp3"]] {
        let args: Vec<&str> =
            [&["drive", "--warmup", "0s", "--target", &socket], more, SHORT].concat();
        let ended = stallion(&args);
        ended.expect(0, &[]);
        assert_eq!(ended.json()["target"], socket.as_str());
        assert!(ended.json()["ops"].as_u64().unwrap() > 400, "{ended:#?}");
    }
}

/// A user of the server's who may not do what the run needs is told which right is missing.
#[test]
fn a_user_without_rights_is_told_which() {
    let server = Redis::start(&[]);
    server.ask("ACL SETUSER reader on >pw ~* +get +ping +info");
    let args = ["--user", "reader", "-a", "pw", "--duration", "500ms", "--rw-ratio", "0:1"];
    let args = drive(&server.port, &args);
    stallion(&args).expect(3, &["NOPERM", "ACL SETUSER"]);
}

#[test]
fn what_is_no_redis_is_not_measured() {
    let at_once = |say, then| Fault { command: ACCEPT, from: 1, count: u64::MAX, say, then };
    let to_ping = |say, then| Fault { command: "PING", ..at_once(say, then) };
    let http = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    for (fault, words) in [
        (at_once(http, Then::HangUp), &["does not speak RESP", "another program"][..]),
        (to_ping(http, Then::GoOn), &["does not speak RESP", "wants --tls"]),
        (at_once("", Then::FallSilent), &["no answer in 5s", "is it stopped"]),
        (at_once("", Then::HangUp), &["accepted the connection and then", "not a Redis server"]),
        (at_once("", Then::Reset), &["reset by peer"]),
        (to_ping("+PO", Then::FallSilent), &["no answer in 5s"]),
        (to_ping("+PO", Then::HangUp), &["closed the connection"]),
        (
            to_ping("-LOADING Redis is loading the dataset in memory\r\n", Then::GoOn),
            &["is not ready", "LOADING", "wait until"],
        ),
        (
            to_ping("-MASTERDOWN Link with MASTER is down\r\n", Then::GoOn),
            &["MASTERDOWN", "drive the primary"],
        ),
        (
            to_ping("-ERR max number of clients reached\r\n", Then::HangUp),
            &["max number of clients", "maxclients"],
        ),
        (
            to_ping("-DENIED Redis is running in protected mode\r\n", Then::HangUp),
            &["DENIED", "protected-mode"],
        ),
    ] {
        let fake = Fake::with(fault);
        stallion(&drive(&fake.port, &[])).expect(2, words);
        assert_eq!(fake.seen("GET"), 0, "{fault:?}: nothing may be driven");
    }
}

#[test]
fn a_server_without_hello_says_so() {
    let fake = Fake::with(Fault {
        command: "HELLO",
        from: 1,
        count: u64::MAX,
        say: "-ERR unknown command `HELLO`\r\n",
        then: Then::GoOn,
    });
    stallion(&drive(&fake.port, &["--resp3"])).expect(2, &["unknown command", "--resp3"]);
}

#[test]
fn too_many_connections_for_the_file_limit_name_ulimit() {
    let server = Redis::start(&[]);
    let args = drive(&server.port, &["--conns", "100", "--duration", "500ms"]);
    let ended = Running::start(&args, Some(64)).end();
    ended.expect(2, &["of 100 connections", "ulimit -n", "--conns"]);
}

#[test]
fn too_many_connections_for_the_server_name_maxclients() {
    let server = Redis::start(&["--maxclients", "10"]);
    let args = drive(&server.port, &["--conns", "50", "--duration", "500ms"]);
    stallion(&args).expect(2, &["of 50 connections", "maxclients", "--conns"]);
}

#[test]
fn a_password_in_the_environment_is_used_and_stands_in_no_urls_way() {
    let server = Redis::start(&["--requirepass", "right"]);
    let run = |args: &[&str], password: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_stallion"));
        command.args(args).args(SHORT).env("REDISCLI_AUTH", password).output().unwrap()
    };
    let at_port = ["drive", "-p", &server.port];
    assert_eq!(run(&at_port, "right").status.code(), Some(0));
    assert_eq!(run(&at_port, "wrong").status.code(), Some(2));
    let url = format!("redis://:right@127.0.0.1:{}", server.port);
    let ended = run(&["drive", "--target", &url], "wrong");
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn a_log_tells_of_connections_and_slips_in_its_filter_are_refused() {
    let server = crate::harness::redis::Redis::start(&[]);
    let run = ["drive", "-p", &server.port, "--duration", "1s", "--rate", "100", "--allow-invalid"];
    let ended = stallion(&[&run[..], &["--log", "info"]].concat());
    ended.expect(0, &["INFO stallion_client::run: connected"]);
    assert!(ended.err.contains("connections=50"), "{}", ended.err);
    stallion(&[&run[..], &["--log", "loud"]].concat()).expect(2, &["is no level"]);
}
