//! TLS as users meet it: authorities, client certificates, names, clusters, and what goes wrong.

use std::path::Path;

use serde_json::Value;

use crate::certificates::{Certificates, NAME};
use crate::harness::redis::Redis;
use crate::harness::stallion::{Ended, Running, stallion, timeline};
use crate::harness::{eventually, free_port};

/// A server that speaks TLS at one port, and the clear at another.
struct Secure {
    clear: Redis,
    port: String,
}

impl Secure {
    fn start(certificates: &Certificates, name: &str, clients: &str, more: &[&str]) -> Self {
        let port = free_port();
        let settings = certificates.settings(name, port, clients);
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        let clear = Redis::start(&[&settings, more].concat());
        Self { clear, port: port.to_string() }
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// A second of driving with further flags.
fn drive(port: &str, flags: &[&str]) -> Ended {
    let common = "drive --tls --keys 2000 --rate 2000 --warmup 0s --duration 1s --json - --allow-invalid \
                  -p";
    let common: Vec<&str> = common.split_whitespace().collect();
    stallion(&[&common[..], &[port], flags].concat())
}

#[test]
fn values_come_back_as_they_were_written() {
    let certificates = Certificates::new();
    let server = Secure::start(&certificates, "host", "no", &["--requirepass", "secret"]);
    let ca = text(&certificates.certificate("authority"));
    let url = format!("rediss://:secret@localhost:{}", server.port);
    let load = ["load", "--target", &url, "--tls-ca", &ca, "--keys", "2000"];
    stallion(&[&load[..], &["--value-size", "10-40000"]].concat())
        .expect(0, &["2 000 keys written", "0 absent, 0 wrong"]);
    let out = tempfile::tempdir().unwrap();
    let folder = text(out.path());
    for (io, pipeline) in [("uring", "16"), ("epoll", "1")] {
        let flags = ["--tls-ca", &ca, "-a", "secret", "--value-size", "10-40000", "--verify"];
        let how = ["--io", io, "--pipeline", pipeline, "--rw-ratio", "3:1", "--out", &folder];
        let ended = drive(&server.port, &[&flags[..], &how].concat());
        let summary = ended.expect(0, &[]).all_answered();
        assert_eq!(
            (&summary["misses"], &summary["tls"]["version"]),
            (&0.into(), &"TLSv1.3".into())
        );
        let header = &timeline(out.path()).header;
        assert!(header.target.starts_with("rediss://127.0.0.1:"), "{}", header.target);
        for tls in [&summary["tls"], &header.plan["tls"]] {
            assert!(tls["kernel"].as_str().unwrap().contains("user space"), "{tls}");
        }
    }
}

/// What each run over its own TLS connections is told of the price of opening them.
#[test]
fn churn_over_tls_loses_nothing() {
    let certificates = Certificates::new();
    let server = Secure::start(&certificates, "host", "no", &["--requirepass", "secret"]);
    let ca = text(&certificates.certificate("authority"));
    let opened = |flags: &[&str]| -> (Value, u64) {
        let churn = ["--reconnect-every", "20", "--conns", "4", "--client-name", "churn"];
        let session = ["--tls-ca", &ca, "-a", "secret", "--db", "3", "--rw-ratio", "0:1"];
        let ended = drive(&server.port, &[&churn[..], &session, flags].concat());
        let summary = ended.expect(0, &[]).all_answered();
        let reconnects = summary["reconnects"].as_u64().unwrap();
        (summary, reconnects)
    };
    for flags in [&[][..], &["--tls-resume"], &["--io", "epoll"]] {
        let (summary, reconnects) = opened(flags);
        let ops = summary["ops"].as_u64().unwrap();
        assert!(reconnects.abs_diff(ops / 20) <= 4, "{reconnects} of {ops}: {summary:#}");
        assert!(summary["connect_us"]["p50"].as_f64().unwrap() > 0.0, "{summary:#}");
    }
    let keyspace = server.clear.ask("AUTH secret\r\nINFO keyspace");
    assert!(keyspace.contains("db3:") && !keyspace.contains("db0:"), "{keyspace}");
}

#[test]
fn a_client_shows_its_certificate() {
    let certificates = Certificates::new();
    let server = Secure::start(&certificates, "host", "yes", &[]);
    let ca = text(&certificates.certificate("authority"));
    let own = |name: &str| (text(&certificates.certificate(name)), text(&certificates.key(name)));
    let (client, foreign) = (own("client"), own("foreign"));
    let with = |own: &(String, String)| {
        drive(&server.port, &["--tls-ca", &ca, "--tls-cert", &own.0, "--tls-key", &own.1])
    };
    let summary = with(&client).expect(0, &[]).all_answered();
    assert_eq!(summary["tls"]["client_certificate"], true);
    with(&foreign).expect(2, &["TLS failed", "--tls-cert"]);
    drive(&server.port, &["--tls-ca", &ca]).expect(2, &["TLS failed", "--tls-cert"]);
    // The lab's own client, too.
    let chaos = ["chaos", "--action", "bgsave", "--tls", "-p", &server.port, "--tls-ca", &ca];
    stallion(&chaos).expect(2, &["cannot connect"]);
    let shown = [&chaos[..], &["--tls-cert", &client.0, "--tls-key", &client.1]].concat();
    stallion(&shown).expect(0, &["bgsave"]);
}

#[test]
fn a_server_must_be_who_it_says() {
    let certificates = Certificates::new();
    let server = Secure::start(&certificates, "named", "no", &[]);
    let ca = text(&certificates.certificate("authority"));
    let other = text(&certificates.certificate("other"));
    drive(&server.port, &["--tls-ca", &other]).expect(2, &["UnknownIssuer", "--tls-ca"]);
    drive(&server.port, &["--tls-ca", &other, "--tls-any-name"]).expect(2, &["--tls-ca"]);
    // Nobody on this host trusts an authority that was made a second ago.
    drive(&server.port, &[]).expect(2, &["--tls-ca"]);
    drive(&server.port, &["--tls-ca", &ca]).expect(2, &["not valid for", "--tls-sni"]);
    for flags in [
        &["--tls-ca", &ca, "--tls-sni", NAME][..],
        &["--tls-ca", &ca, "--tls-any-name"],
        &["--tls-insecure"],
    ] {
        drive(&server.port, flags).expect(0, &[]).all_answered();
    }
    let chaos = ["chaos", "--action", "bgsave", "--tls", "-p", &server.port];
    stallion(&[&chaos[..], &["--tls-ca", &ca]].concat()).expect(2, &["--tls-any-name"]);
    stallion(&[&chaos[..], &["--tls-ca", &ca, "--tls-sni", NAME]].concat()).expect(0, &[]);
    stallion(&[&chaos[..], &["--tls-insecure"]].concat()).expect(0, &[]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let server = Redis::start(&[]);
    let tls = Certificates::new();
    let secure = Secure::start(&tls, "host", "no", &[]);
    // The clear spoken to TLS, and TLS to the clear: Redis waits for the end of what it takes for a
    // line, or calls it an unknown command.
    stallion(&["drive", "-p", &secure.port, "--duration", "1s"]).expect(2, &["--tls"]);
    drive(&server.port, &["--tls-insecure"]).expect(2, &["--tls"]);
    let key = text(&tls.key("client"));
    let socket = format!("unix://{}", server.socket().display());
    for (flags, said) in [
        (&["--tls-insecure"][..], "give --tls"),
        (&["--tls", "--tls-ca", "/nowhere.pem"], "No such file"),
        (&["--tls", "--tls-ca", &key], "no certificate in it"),
        (&["--tls", "--tls-cert", &key], "--tls-key"),
        (&["--tls", "--tls-insecure", "--tls-sni", "a b"], "no name of a host"),
        (&["--tls", "--tls-insecure", "--target", &socket], "unix socket"),
        (&["--tls", "--target", "null"], "--target null"),
    ] {
        stallion(&[&["drive", "--duration", "1s"], flags].concat()).expect(2, &[said]);
    }
}

/// Two nodes, which talk to each other by TLS or not.
fn cluster(certificates: &Certificates, by_tls: &str) -> (Secure, Secure) {
    let node = || {
        let bus = free_port().to_string();
        let cluster = ["--cluster-enabled", "yes", "--tls-cluster", by_tls, "--cluster-port", &bus];
        let node = Secure::start(certificates, "host", "yes", &cluster);
        (node, bus)
    };
    let ((one, _), (two, bus)) = (node(), node());
    one.clear.ask("CLUSTER ADDSLOTSRANGE 0 8191");
    two.clear.ask("CLUSTER ADDSLOTSRANGE 8192 16383");
    let port = if by_tls == "yes" { &two.port } else { &two.clear.port };
    one.clear.ask(&format!("CLUSTER MEET 127.0.0.1 {port} {bus}"));
    eventually("the cluster is whole", || {
        [&one, &two].iter().all(|node| node.clear.ask("CLUSTER INFO").contains("cluster_state:ok"))
    });
    (one, two)
}

#[test]
fn a_cluster_is_driven_by_its_tls_ports() {
    let certificates = Certificates::new();
    let (one, _two) = cluster(&certificates, "yes");
    let ca = text(&certificates.certificate("authority"));
    let (certificate, key) = (certificates.certificate("client"), certificates.key("client"));
    let (certificate, key) = (text(&certificate), text(&key));
    let tls = ["--tls", "--tls-ca", &ca, "--tls-cert", &certificate, "--tls-key", &key];
    let place = ["--topology", "cluster", "-p", &one.port, "--keys", "2000"];
    stallion(&[&["load"], &place[..], &tls].concat())
        .expect(0, &["2 000 keys written", "0 absent, 0 wrong"]);
    let how = ["--rate", "2000", "--duration", "2s", "--verify", "--json", "-", "--allow-invalid"];
    let ended = stallion(&[&["drive"], &place[..], &tls, &how].concat());
    let summary = ended.expect(0, &[]).all_answered();
    let nodes = summary["cluster"]["nodes"].as_array().unwrap();
    assert!(nodes.iter().all(|node| node["ops"].as_u64() > Some(500)), "{summary:#}");
    assert!(nodes.iter().all(|node| node["server_busy"].is_number()), "{summary:#}");
    assert_eq!((&summary["misses"], &summary["redirects"]["moved"]), (&0.into(), &0.into()));
}

/// Its nodes tell each other only the ports without TLS.
#[test]
fn a_cluster_that_announces_no_tls_ports_is_refused_by_name() {
    let certificates = Certificates::new();
    let (one, _two) = cluster(&certificates, "no");
    let place = ["--topology", "cluster", "-p", &one.port, "--duration", "1s"];
    let (certificate, key) = (certificates.certificate("client"), certificates.key("client"));
    let (certificate, key) = (text(&certificate), text(&key));
    let tls = ["--tls", "--tls-insecure", "--tls-cert", &certificate, "--tls-key", &key];
    stallion(&[&["drive"], &place[..], &tls].concat())
        .expect(2, &["announces no TLS port", "tls-cluster yes", "leave out --tls"]);
}

#[test]
fn traffic_is_captured_over_tls() {
    let (certificates, folder) = (Certificates::new(), tempfile::tempdir().unwrap());
    let server = Secure::start(&certificates, "host", "no", &[]);
    let ca = text(&certificates.certificate("authority"));
    let trace = text(&folder.path().join("a.trace"));
    let capture = ["capture", "--tls", "--tls-ca", &ca, "-p", &server.port, "--out", &trace];
    let capture = Running::start(&[&capture[..], &["--for", "4s", "--json", "-"]].concat(), None);
    eventually("it listens", || server.clear.ask("CLIENT LIST").contains("cmd=monitor"));
    drive(&server.port, &["--tls-insecure"]).expect(0, &[]);
    let captured = capture.end().expect(0, &[]).json();
    assert!(captured["requests"].as_u64() >= Some(2_000), "{captured}");
    assert_eq!(
        (&captured["breaks"], &captured["unreadable"]),
        (&0.into(), &0.into()),
        "{captured}"
    );
}
