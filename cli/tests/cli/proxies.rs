//! Proxies that do not know all that a server knows, and the client that does their work itself.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::harness::others::envoy;
use crate::harness::redis::Redis;
use crate::harness::stallion::stallion;
use crate::harness::{eventually, free_port};

/// A proxy before some servers.
struct Proxy {
    child: Child,
    port: String,
    _folder: tempfile::TempDir,
}

impl Proxy {
    /// Debian's nutcracker (twemproxy).
    fn nutcracker(distribution: &str, servers: &[String]) -> Self {
        let list: String = servers.iter().map(|server| format!("   - {server}:1\n")).collect();
        let (port, stats) = (free_port(), free_port().to_string());
        let text = format!(
            "pool:\n  listen: 127.0.0.1:{port}\n  hash: md5\n  distribution: {distribution}\n  \
             redis: true\n  servers:\n{list}"
        );
        let mut command = Command::new("nutcracker");
        command.args(["-s", &stats]);
        Self::start(command, port, &text)
    }

    /// Envoy, which shares keys out by a ring of its own.
    fn envoy(servers: &[String]) -> Self {
        let port = free_port();
        let endpoint = |server: &String| {
            let (host, port) = server.split_once(':').unwrap();
            let place = format!("{{socket_address: {{address: {host}, port_value: {port}}}}}");
            format!("        - endpoint: {{address: {place}}}\n")
        };
        let endpoints: String = servers.iter().map(endpoint).collect();
        let text = ENVOY.replace("LISTEN", &port.to_string()).replace("ENDPOINTS\n", &endpoints);
        let mut command = Command::new(envoy());
        command.args(["--concurrency", "1", "--disable-hot-restart"]);
        Self::start(command, port, &text)
    }

    /// Starts a program with a file of settings, and waits until it listens.
    fn start(mut command: Command, port: u16, text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("settings.yaml");
        std::fs::write(&file, text).unwrap();
        let child = command
            .arg("-c")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("proxies are installed by `cargo xtask test`");
        eventually("the proxy listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        Self { child, port: port.to_string(), _folder: folder }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What of Envoy's settings is needed for Redis.
const ENVOY: &str = r#"
static_resources:
  listeners:
  - name: redis
    address: {socket_address: {address: 127.0.0.1, port_value: LISTEN}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.redis_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy
          stat_prefix: redis
          settings: {op_timeout: 5s}
          prefix_routes: {catch_all_route: {cluster: servers}}
  clusters:
  - name: servers
    type: STATIC
    connect_timeout: 1s
    lb_policy: RING_HASH
    load_assignment:
      cluster_name: servers
      endpoints:
      - lb_endpoints:
ENDPOINTS
"#;

fn drive(flags: &[&str]) -> Value {
    let common = "drive --keys 500 --dist sequential --conns 6 --pipeline 4 --rate 2000 --duration 1s \
                  --json - --allow-invalid";
    let common: Vec<&str> = common.split_whitespace().collect();
    let ended = stallion(&[&common[..], flags].concat());
    let summary: Value = serde_json::from_str(&ended.out).expect(&ended.err);
    for name in ["failed", "timeouts", "lost", "unsent"] {
        assert_eq!(summary["accounting"][name], 0, "{name} of {summary:#}");
    }
    summary
}

/// What a proxy writes by its own rule, the ring finds by ours: the same key is on the same server.
#[test]
fn the_ring_puts_each_key_where_twemproxy_puts_it() {
    let servers = [Redis::start(&[]), Redis::start(&[]), Redis::start(&[])];
    let mut names: Vec<String> =
        servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
    // twemproxy takes them in this order, whatever stands in its file.
    names.sort();
    let list = names.join(",");
    for (distribution, hash, other) in
        [("ketama", "ketama", "modulo"), ("modula", "modulo", "ketama")]
    {
        let proxy = Proxy::nutcracker(distribution, &names);
        drive(&["-p", &proxy.port, "--rw-ratio", "0:1"]);
        let through = drive(&["-p", &proxy.port, "--verify"]);
        assert_eq!(through["misses"], 0, "{through:#}");
        let ring = ["--topology", "ring", "--ring-nodes", &list, "--ring-hash", hash];
        let own = drive(&[&ring[..], &["--verify"]].concat());
        assert_eq!((&own["misses"], &own["hits"]), (&0.into(), &2_000.into()), "{own:#}");
        let nodes = own["ring"]["nodes"].as_array().unwrap();
        assert!(nodes.iter().all(|node| node["ops"].as_u64().unwrap() > 200), "{own:#}");
        let wrong = ["--topology", "ring", "--ring-nodes", &list, "--ring-hash", other];
        assert!(drive(&wrong)["misses"].as_u64().unwrap() > 500, "by another rule it is elsewhere");
        for server in &servers {
            server.ask("FLUSHALL");
        }
    }
}

/// Neither answers DBSIZE; nutcracker hangs up at it, and at INFO. What cannot be known is not taken for
/// a failure.
#[test]
fn keys_are_loaded_and_driven_through_proxies() {
    let servers = [Redis::start(&[]), Redis::start(&[])];
    let names: Vec<String> =
        servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
    for proxy in [Proxy::envoy(&names), Proxy::nutcracker("ketama", &names)] {
        let load = ["load", "-p", &proxy.port, "--keys", "500", "--json", "-"];
        let loaded = stallion(&load).expect(0, &[]).json();
        assert_eq!((&loaded["fill"]["absent"], &loaded["fill"]["wrong"]), (&0.into(), &0.into()));
        assert_eq!(loaded["fill"]["dbsize_after"], Value::Null, "{loaded:#}");
        let through = drive(&["-p", &proxy.port, "--verify", "--rw-ratio", "3:1"]);
        assert_eq!((&through["misses"], &through["errors"]), (&0.into(), &serde_json::json!({})));
        for flags in [&["--resp3"][..], &["--topology", "cluster"]] {
            let more = ["drive", "-p", &proxy.port, "--duration", "1s"];
            stallion(&[&more, flags].concat()).expect(2, &[&proxy.port]);
        }
        for server in &servers {
            assert!(server.ask("DBSIZE").starts_with(":2"), "both have some of the keys");
            server.ask("FLUSHALL");
        }
    }
}

#[test]
fn a_ring_says_how_many_keys_move() {
    let servers = [Redis::start(&[]), Redis::start(&[])];
    let names: Vec<String> =
        servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
    let list = names.join(",");
    let more = format!("{list},127.0.0.1:1,127.0.0.1:2");
    let load = ["load", "--topology", "ring", "--ring-nodes", &list, "--keys", "500"];
    stallion(&load).expect(0, &["500 keys written"]);
    let moved = |hash: &str| {
        let ring = ["--topology", "ring", "--ring-nodes", &list, "--ring-hash", hash];
        let summary = drive(&[&ring[..], &["--ring-compare", &more]].concat());
        let share = |name: &str| summary["ring"][name].as_f64().unwrap();
        (share("moved_without_last"), share("moved_to_compared"))
    };
    let (ketama, modulo) = (moved("ketama"), moved("modulo"));
    // Half of the keys were on the last of two; two of four servers get half of them.
    assert!((0.3..0.7).contains(&ketama.0) && (0.3..0.7).contains(&ketama.1), "{ketama:?}");
    assert!((0.3..0.7).contains(&modulo.0) && (0.4..0.6).contains(&modulo.1), "{modulo:?}");
}

#[test]
fn a_ring_that_cannot_be_is_refused() {
    for (flags, said) in [
        (&["--topology", "ring"][..], "--ring-nodes"),
        (&["--ring-nodes", "a:1"], "--topology ring"),
        (&["--topology", "ring", "--ring-nodes", "a:1,a:1"], "different servers"),
        (&["--topology", "ring", "--ring-nodes", "a:1", "--ring-points", "0"], "--ring-points"),
    ] {
        stallion(&[&["drive", "--duration", "1s"], flags].concat()).expect(2, &[said]);
    }
}
