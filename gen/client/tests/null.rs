//! The null server against real clients: this engine through both rings, redis-cli and
//! redis-benchmark.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use stallion_client::plan::{Credentials, Distribution, Plan, Rate, Spread, Topology, Work};
use stallion_client::run::{Outputs, run};
use stallion_client::summary::Summary;
use stallion_engine::workload::mix::Ttl;
use stallion_null::{NullError, NullServer, Settings};
use stallion_resp::command::Commands;
use stallion_resp::encoder::request;
use stallion_resp::sizes::Sizes;
use stallion_resp::values::Content;
use stallion_rings::wait::{Io, WaitPolicy};
use stallion_server::Place;
use stallion_timeline::Role;

fn settings() -> Settings {
    Settings {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        cores: Vec::new(),
        value_bytes: 100,
        clients: 100,
        wait: WaitPolicy::Block,
    }
}

fn plan(server: &NullServer) -> Plan {
    Plan {
        target: Place::Tcp { host: "127.0.0.1".to_owned(), port: server.address().port() },
        credentials: Credentials::default(),
        topology: Topology::Node,
        mitigation: None,
        aside: None,
        resp3: false,
        db: 0,
        client_name: None,
        reconnect_every: None,
        work: Work::Traffic { distribution: Distribution::Uniform },
        commands: Commands::reads_and_writes(9, 1),
        played: None,
        keys: 1_000,
        key_prefix: "key:".to_owned(),
        value_size: Sizes::Fixed(100),
        value_content: Content::Random,
        ttl: Ttl { fraction: 0.5, min_s: 9, max_s: 1_000 },
        verify: false,
        rate: Rate::Max,
        arrivals: Spread::Constant,
        conns: 20,
        pipeline: 16,
        duration_ns: 1_000_000_000,
        warmup_ns: 0,
        cores: Vec::new(),
        io: Io::Uring,
        wait: WaitPolicy::Block,
        timeout_ns: 10_000_000_000,
        slow_threshold_ns: u64::MAX,
        interval_ns: 100_000_000,
        link_bits_per_s: None,
        clock: None,
        seed: 1,
        labels: Vec::new(),
    }
}

fn drive(plan: &Plan) -> Summary {
    let mut outputs =
        Outputs { timeline: None, role: Role::Drive, progress: &mut |_| {}, stop: Arc::default() };
    run(plan, &mut outputs).unwrap().summary
}

fn flows(summary: &Summary) {
    assert!(summary.accounting.closes(), "{:?}", summary.accounting);
    assert!(summary.ops > 1_000, "{} ops", summary.ops);
    assert_eq!(summary.accounting.answered, summary.accounting.sent);
    let warnings = &summary.verdict.warnings;
    assert!(warnings.iter().any(|text| text.contains("null server")), "{warnings:?}");
}

#[test]
fn the_engine_drives_it_through_both_rings() {
    let server = NullServer::start(&settings()).unwrap();
    let mut answered = 0;
    for (io, resp3, rate) in [
        (Io::Uring, false, Rate::Max),
        (Io::Epoll, true, Rate::Max),
        (Io::Uring, true, Rate::Steady(5_000)),
        (Io::Epoll, false, Rate::Steady(5_000)),
    ] {
        let summary = drive(&Plan { io, resp3, rate, ..plan(&server) });
        flows(&summary);
        answered += summary.accounting.answered;
    }
    let served = server.stop();
    assert!(served.requests > answered && served.clients >= 80, "{served:?}");
}

#[test]
fn large_values_and_several_cores_work() {
    let settings = Settings { cores: vec![0, 1], value_bytes: 200_000, ..settings() };
    let server = NullServer::start(&settings).unwrap();
    flows(&drive(&Plan { value_size: Sizes::Fixed(200_000), ..plan(&server) }));
}

#[test]
fn redis_cli_and_redis_benchmark_find_a_server() {
    let server = NullServer::start(&settings()).unwrap();
    let port = server.address().port().to_string();
    let output = |words: &[&str]| {
        let output = Command::new(words[0]).args(["-p", &port]).args(&words[1..]).output().unwrap();
        assert!(output.status.success(), "{words:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(output(&["redis-cli", "GET", "a"]).trim(), "x".repeat(100));
    assert_eq!(output(&["redis-cli", "set", "a", "b"]).trim(), "OK");
    assert_eq!(output(&["redis-cli", "PING"]).trim(), "PONG");
    assert!(output(&["redis-cli", "-3", "HELLO", "3"]).contains("redis"));
    assert!(output(&["redis-cli", "INFO"]).contains("stallion_null:1"));
    let words = [
        "redis-benchmark",
        "-t",
        "get,set",
        "-n",
        "50000",
        "-P",
        "16",
        "-c",
        "20",
        "-r",
        "1000",
        "-q",
        "--csv",
    ];
    let table = output(&words);
    assert!(table.contains("\"GET\"") && table.contains("\"SET\""), "{table}");
    assert!(server.stop().requests >= 100_000);
}

#[test]
fn a_client_too_many_is_told_and_a_place_is_given_again() {
    let server = NullServer::start(&Settings { clients: 2, ..settings() }).unwrap();
    let connect = || {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    };
    let ping = |mut stream: &TcpStream| {
        stream.write_all(b"PING\r\n").unwrap();
        let mut answer = [0; 7];
        stream.read_exact(&mut answer).unwrap();
        answer
    };
    let (first, second) = (connect(), connect());
    assert_eq!(ping(&first), *b"+PONG\r\n");
    assert_eq!(ping(&second), *b"+PONG\r\n");
    let mut refusal = String::new();
    connect().read_to_string(&mut refusal).unwrap();
    assert!(refusal.starts_with("-ERR max number of clients"), "{refusal:?}");
    drop(first);
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let mut third = connect();
        third.write_all(b"PING\r\n").unwrap();
        let mut answer = [0; 7];
        if third.read_exact(&mut answer).is_ok() && answer == *b"+PONG\r\n" {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "the place is not given again");
    }
    assert_eq!(ping(&second), *b"+PONG\r\n");
}

#[test]
fn nonsense_is_hung_up_on_and_a_request_in_pieces_is_answered() {
    let server = NullServer::start(&settings()).unwrap();
    let mut bad = TcpStream::connect(server.address()).unwrap();
    bad.write_all(b"*1\r\nnonsense\r\n").unwrap();
    let mut rest = Vec::new();
    let _ = bad.read_to_end(&mut rest);
    assert!(rest.is_empty());
    let mut slow = TcpStream::connect(server.address()).unwrap();
    slow.set_nodelay(true).unwrap();
    for byte in request(&[b"SET", b"key", b"value"]) {
        slow.write_all(&[byte]).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut answer = [0; 5];
    slow.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+OK\r\n");
}

#[test]
fn what_cannot_be_is_refused_with_the_flag_to_change() {
    let server = NullServer::start(&settings()).unwrap();
    let taken = NullServer::start(&Settings { address: server.address(), ..settings() });
    let error = taken.unwrap_err();
    assert!(matches!(error, NullError::Listen { .. }) && error.to_string().contains("--port"));
    for (clients, value_bytes, flag) in
        [(0, 1, "--conns"), (10_000_000, 1, "--conns"), (1, usize::MAX, "--value-size")]
    {
        let settings = Settings { clients, value_bytes, ..settings() };
        let error = NullServer::start(&settings).unwrap_err().to_string();
        assert!(error.contains(flag), "{error}");
    }
}
