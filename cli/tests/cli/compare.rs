//! `stallion compare` and `drive --baseline`.

use std::time::Duration;

use crate::harness::fake::{Fake, Script};
use crate::harness::redis::Redis;
use crate::harness::stallion::{lenient_drive, stallion};

/// A run against a server that takes so long for each answer; gives its folder.
fn run(folder: &tempfile::TempDir, name: &str, delay: Duration) -> String {
    let server = Fake::play(Script { faults: Vec::new(), delay });
    let path = folder.path().join(name).display().to_string();
    let flags = ["--rate", "300", "--duration", "3s", "--conns", "4", "--out", &path];
    stallion(&lenient_drive(&server.port, &flags)).expect(0, &[]);
    path
}

#[test]
fn a_slower_server_is_found_and_the_same_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let before = run(&folder, "before", Duration::from_millis(4));
    let after = run(&folder, "after", Duration::from_millis(8));
    let compared = stallion(&["compare", &before, &after, "--fail-on", "p50>50%"]);
    compared.expect(99, &["verdict  slower: p50 ", "objective broken", "not enough data: give "]);
    stallion(&["compare", &before, &after, "--fail-on", "p50>900000%", "--undecided", "pass"])
        .expect(0, &["verdict  slower: p50 "]);
    // p99.99 of 900 requests is not known: that is no pass, unless it is asked to be one.
    let unknown = ["compare", &after, &before, "--fail-on", "p99.99"];
    stallion(&unknown).expect(4, &["undecided: p99.99", "faster: p50 "]);
    stallion(&[&unknown[..], &["--undecided", "pass"]].concat()).expect(0, &["--undecided pass"]);
    stallion(&["compare", &before, &before, "--margin", "100%"])
        .expect(0, &["same within 100 %: p50"]);
    stallion(&["compare", &before, &before, "--margin", "much"]).expect(2, &["give per cent"]);
    let table = stallion(&["compare", &before, &after, "--markdown", "-"]);
    table.expect(0, &["| p50 |", "**slower**", "| validity |"]);
    let object = stallion(&["compare", &before, &after, "--json", "-"]).json();
    assert_eq!(object["differences"][0]["answer"], "slower");
    assert!(object["differences"][0]["before_interval"][0].as_f64().unwrap() > 0.0);
    let sides = ["--before", &before, &before, "--after", &after, &after];
    stallion(&[&["compare"], &sides[..]].concat()).expect(0, &["and 1 more", "slower: p50 "]);
    // The same by a log of HdrHistogram, and at the end of a run.
    stallion(&["export", &before, "--to", "hdr"]).expect(0, &[]);
    let log = format!("{before}/drive.hlog");
    stallion(&["compare", &log, &after]).expect(0, &["slower: p50 "]);
    let server = Fake::play(Script { faults: Vec::new(), delay: Duration::from_millis(8) });
    let out = folder.path().join("again").display().to_string();
    let flags = ["--rate", "300", "--duration", "3s", "--conns", "4", "--out", &out];
    let against = ["--baseline", &before, "--fail-on", "p50>50%"];
    stallion(&lenient_drive(&server.port, &[&flags[..], &against].concat()))
        .expect(99, &["verdict  slower: p50 "]);
}

/// What a run against this server comes to, as its folder; invalid runs, too.
fn against(server: &Redis, folder: &tempfile::TempDir, name: &str) -> String {
    let path = folder.path().join(name).display().to_string();
    let work = ["--rw-ratio", "1:1", "--rate", "1000", "--conns", "20"];
    let run = ["--duration", "12s", "--out", &path];
    stallion(&lenient_drive(&server.port, &[&work[..], &run].concat())).expect(0, &[]);
    path
}

#[test]
fn an_fsync_for_every_write_is_slower() {
    let folder = tempfile::tempdir().unwrap();
    let server = Redis::start(&["--appendonly", "yes", "--appendfsync", "no"]);
    let before = against(&server, &folder, "no");
    server.ask("CONFIG SET appendfsync always");
    let after = against(&server, &folder, "always");
    let limits = ["--fail-on", "p50>5%", "--fail-on", "p99>5%"];
    stallion(&[&["compare", &before, &after], &limits[..]].concat())
        .expect(99, &["validity", "objective broken: p50 ", "slower"]);
    // How much of a p99 is a busy machine's is not for this test to say, but it does not pass.
    let alone = stallion(&["compare", &before, &after, "--fail-on", "p99>5%"]);
    assert!(matches!(alone.code, Some(99 | 4)), "{alone:#?}");
    // Back again it became faster: passed, unless a run that ended invalid may not pass.
    let back = stallion(&["compare", &after, &before, "--fail-on", "p50>5%"]);
    assert!(matches!(back.code, Some(0 | 4)) && back.out.contains("faster: p50"), "{back:#?}");
    let object = stallion(&["compare", &before, &after, "--json", "-"]).json();
    for difference in object["differences"].as_array().unwrap() {
        let edges = ["before_interval", "after_interval"].map(|name| &difference[name][0]);
        assert!(edges.iter().all(|edge| edge.as_f64().unwrap() > 0.0), "{difference:#}");
    }
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().display().to_string();
    stallion(&["compare", "/nowhere", "/nowhere"]).expect(2, &["/nowhere"]);
    stallion(&["compare", &empty, &empty]).expect(2, &["no .jsonl file"]);
    stallion(&["compare"]).expect(2, &["name two runs"]);
    stallion(&["compare", &empty, &empty, "--fail-on", "p98"]).expect(2, &["p98", "p99.9"]);
    stallion(&["drive", "--fail-on", "p99"]).expect(2, &["--baseline"]);
    std::fs::write(folder.path().join("drive.jsonl"), "").unwrap();
    let itself = ["drive", "--out", &empty, "--baseline", &empty];
    stallion(&itself).expect(2, &["would overwrite"]);
    let drive = ["drive", "--out", &empty, "--baseline", "/nowhere"];
    stallion(&drive).expect(2, &["/nowhere"]);
}
