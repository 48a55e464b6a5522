//! Proxies that know neither HELLO nor INFO, and the client that does their work itself.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::harness::redis::Redis;
use crate::harness::stallion::stallion;
use crate::harness::{eventually, free_port};

/// Debian's nutcracker (twemproxy) before some servers.
struct Nutcracker {
    child: Child,
    port: String,
    _folder: tempfile::TempDir,
}

impl Nutcracker {
    fn start(distribution: &str, servers: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (port, stats) = (free_port().to_string(), free_port().to_string());
        let list: String = servers.iter().map(|server| format!("   - {server}:1\n")).collect();
        let text = format!(
            "pool:\n  listen: 127.0.0.1:{port}\n  hash: md5\n  distribution: {distribution}\n  \
             redis: true\n  servers:\n{list}"
        );
        let file = folder.path().join("nutcracker.yml");
        std::fs::write(&file, text).unwrap();
        let child = Command::new("nutcracker")
            .arg("-c")
            .arg(&file)
            .args(["-s", &stats])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nutcracker is installed by `cargo xtask test`");
        eventually("nutcracker listens", || {
            std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_ok()
        });
        Self { child, port, _folder: folder }
    }
}

impl Drop for Nutcracker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

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
        let proxy = Nutcracker::start(distribution, &names);
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
        (&["--topology", "ring", "--ring-nodes", "a:1", "--mix", "mget:3=1"], "several keys"),
        (&["--topology", "ring", "--ring-nodes", "a:1", "--ring-points", "0"], "--ring-points"),
    ] {
        stallion(&[&["drive", "--duration", "1s"], flags].concat()).expect(2, &[said]);
    }
}
