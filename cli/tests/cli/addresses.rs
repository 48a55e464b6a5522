//! One address has one meaning: each form of it leads every verb to the same server, user and database.

use std::process::Command;
use std::time::Duration;

use crate::certificates::Certificates;
use crate::harness::redis::Redis;
use crate::harness::stallion::{Ended, Running, stallion};
use crate::harness::{eventually, free_port};

/// A password that must be encoded in a URL.
const PASSWORD: &str = "p@s:s/%";
const ENCODED: &str = "p%40s%3As%2F%25";

/// A server on IPv4, IPv6, a unix socket and TLS that admits only alice and the default user.
struct Guarded {
    redis: Redis,
    tls_port: String,
    certificates: Certificates,
}

impl Guarded {
    fn start() -> Self {
        let certificates = Certificates::new();
        let tls_port = free_port();
        let settings = certificates.settings("host", tls_port, "no");
        let password = format!(">{PASSWORD}");
        let mut all: Vec<&str> = settings.iter().map(String::as_str).collect();
        all.extend(["--bind", "127.0.0.1", "::1", "--requirepass", "secret"]);
        all.extend(["--user", "alice", "on", &password, "~*", "&*", "+@all"]);
        Self { redis: Redis::start(&all), tls_port: tls_port.to_string(), certificates }
    }

    /// Which databases have keys.
    fn databases(&self) -> Vec<String> {
        let text = self.redis.ask("AUTH secret\r\nINFO keyspace");
        let names = text.lines().filter_map(|line| line.split_once(":keys"));
        names.map(|(name, _)| name.to_owned()).collect()
    }

    fn flush(&self) {
        self.redis.ask("AUTH secret\r\nFLUSHALL");
    }

    /// Database 3 as alice or as the default user, by every form.
    fn addresses(&self) -> Vec<Vec<String>> {
        let (port, tls_port) = (&self.redis.port, &self.tls_port);
        let socket = self.redis.socket().display().to_string();
        let authority = self.certificates.certificate("authority").display().to_string();
        let words = |words: &[&str]| words.iter().copied().map(str::to_owned).collect();
        vec![
            words(&["--target", &format!("redis://alice:{ENCODED}@127.0.0.1:{port}/3")]),
            words(&["--target", &format!("valkey://:secret@[::1]:{port}/3")]),
            words(&["--target", &format!("redis://alice@127.0.0.1:{port}/3"), "-a", PASSWORD]),
            words(&[
                "--target",
                &format!("redis://[::1]:{port}?db=3"),
                "--user=alice",
                "-a",
                PASSWORD,
            ]),
            words(&["--target", &format!("unix://alice:{ENCODED}@{socket}?db=3")]),
            words(&[
                "--target",
                &format!("rediss://alice:{ENCODED}@localhost:{tls_port}/3"),
                "--tls-ca",
                &authority,
            ]),
        ]
    }
}

fn run(verb: &str, flags: &str, address: &[String]) -> Ended {
    let mut words: Vec<&str> = vec![verb];
    words.extend(flags.split_whitespace());
    words.extend(address.iter().map(String::as_str));
    stallion(&words)
}

#[test]
fn every_form_of_an_address_leads_every_verb_to_the_same_database() {
    let server = Guarded::start();
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace").display().to_string();
    for address in server.addresses() {
        server.flush();
        run("load", "--keys 300 --conns 4", &address).expect(0, &["0 absent, 0 wrong"]);
        assert_eq!(server.databases(), ["db3"], "load {address:?}");
        let drive = "--keys 300 --conns 4 --rate 1000 --duration 300ms --warmup 0 --rw-ratio 1:0 \
                     --allow-invalid --json -";
        let summary = run("drive", drive, &address).expect(0, &[]).all_answered();
        assert_eq!(summary["misses"], 0, "drive {address:?}: {summary:#}");
        let ceiling = "--keys 300 --conns 4 --rw-ratio 1:0 --from 200 --step 100ms --warmup 0 \
                       --repeats 1 --precision 0.5 --slo p50<1s";
        let ended = run("ceiling", ceiling, &address);
        assert!(matches!(ended.code, Some(0 | 3)), "ceiling {address:?}: {ended:#?}");
        let triage = run("triage", "--for 200ms --no-probes --sample 50 --json -", &address).json();
        assert!(triage["facts"]["sample"]["keys"].as_u64().unwrap() > 0, "triage {address:?}");
        let capture = format!("--for 300ms --out {trace}");
        run("capture", &capture, &address).expect(0, &["0 requests"]);
        assert_eq!(server.databases(), ["db3"], "after all verbs by {address:?}");
    }
}

#[test]
fn chaos_acts_in_the_database_of_its_address() {
    let server = Guarded::start();
    for address in server.addresses() {
        server.flush();
        let words: Vec<&str> = ["chaos", "bigkey-on", "--fields", "300000"]
            .into_iter()
            .chain(address.iter().map(String::as_str))
            .collect();
        let running = Running::start(&words, None);
        let mut seen = Vec::new();
        eventually("the big key is there", || {
            seen = server.databases();
            !seen.is_empty()
        });
        assert_eq!(seen, ["db3"], "{address:?}");
        running.end().expect(0, &["bigkey-on"]);
    }
}

#[test]
fn a_capture_of_a_database_leaves_out_the_others() {
    let server = Guarded::start();
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace").display().to_string();
    let mut found = Vec::new();
    for database in ["", "/3", "/4"] {
        let target = format!("redis://:secret@127.0.0.1:{}{database}", server.redis.port);
        let words = ["capture", "--target", &target, "--for", "1s", "--out", &trace, "--json", "-"];
        let running = Running::start(&words, None);
        std::thread::sleep(Duration::from_millis(400));
        server.redis.ask("AUTH secret\r\nSELECT 3\r\nSET a 1\r\nSET a 2\r\nSET a 3");
        let captured = running.end().expect(0, &[]).json();
        found.push(captured["requests"].as_u64().unwrap());
    }
    assert!(found[0] >= found[1] && found[1] >= 3, "{found:?}");
    assert_eq!(found[2], 0, "{found:?}");
}

#[test]
fn the_password_of_the_environment_combines_with_a_url() {
    let server = Guarded::start();
    let target = format!("redis://127.0.0.1:{}/3", server.redis.port);
    let short = ["--keys", "100", "--conns", "2"];
    let with = |words: &[&str], password: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stallion"));
        command.args(words).env("REDISCLI_AUTH", password).output().unwrap()
    };
    for user in [&["--user", "alice"][..], &[]] {
        let password = if user.is_empty() { "secret" } else { PASSWORD };
        let words = [&["load", "--target", &target][..], user, &short].concat();
        let output = with(&words, password);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let chaos = [&["chaos", "bgsave", "--target", &target][..], user].concat();
        let output = with(&chaos, password);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    assert_eq!(server.databases(), ["db3"]);
}

#[test]
fn what_has_no_one_meaning_is_refused_by_every_verb_in_the_same_words() {
    let out = tempfile::tempdir().unwrap();
    let trace = out.path().join("trace").display().to_string();
    let verbs: [&[&str]; 6] = [
        &["load"],
        &["drive"],
        &["ceiling"],
        &["triage"],
        &["capture", "--out", &trace],
        &["chaos", "bgsave"],
    ];
    let cases: [(&[&str], &str); 9] = [
        (&["--user", "alice"], "--user alice has no password"),
        (&["--target", "redis://alice@127.0.0.1:1"], "names a user and no password"),
        (&["--target", "redis://127.0.0.1:1/abc"], "database"),
        (&["--target", "redis://127.0.0.1:1?timeout=5"], "?timeout="),
        (&["--target", "http://127.0.0.1:1"], "redis://"),
        (&["--target", "redis://a:b@127.0.0.1:1", "-a", "c"], "differ"),
        (&["--target", "unix:///nowhere", "--tls"], "unix socket is without TLS"),
        (&["-h", "127.0.0.1:7000"], "-h/--host"),
        (&["--target", "redis://u:hunter2%4@127.0.0.1:1"], "%25"),
    ];
    for verb in verbs {
        for (flags, wanted) in cases {
            let ended = stallion(&[verb, flags].concat());
            ended.expect(2, &[wanted]);
            assert!(!ended.err.contains("hunter2"), "{ended:#?}");
        }
    }
    let refused = |words: &[&str], wanted: &str| {
        stallion(words).expect(2, &[wanted]);
    };
    refused(&["drive", "--target", "redis://127.0.0.1:1/2", "--db", "3"], "differ");
    let cluster = ["--target", "redis://127.0.0.1:1/2", "--topology", "cluster"];
    refused(&[&["drive"][..], &cluster].concat(), "a cluster has only database 0");
    refused(&[&["load"][..], &cluster].concat(), "a cluster has only database 0");
}

#[test]
fn a_bare_number_is_seconds_for_every_flag() {
    let redis = Redis::start(&[]);
    let port = ["-p", &redis.port];
    stallion(&[&["chaos", "bgsave", "--after", "0.1"][..], &port].concat()).expect(0, &["bgsave"]);
    let triage = ["triage", "--for", "1", "--no-probes", "--json", "-"];
    let window = stallion(&[&triage[..], &port].concat()).json()["facts"]["window_s"].clone();
    assert!(window.as_f64().unwrap() >= 1.0, "{window}");
}
