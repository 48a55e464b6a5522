//! `stallion compare` and `drive --baseline`.

use std::time::Duration;

use crate::harness::fake::{Fake, Script};
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
    compared.expect(99, &["p50 +", "real", "objective broken", "too few requests beyond it"]);
    stallion(&["compare", &before, &after, "--fail-on", "p50>900%"]).expect(0, &["verdict  p50 +"]);
    stallion(&["compare", &after, &before, "--fail-on", "p50"]).expect(0, &["p50 -"]);
    stallion(&["compare", &before, &before]).expect(0, &["verdict  no difference shown"]);
    let table = stallion(&["compare", &before, &after, "--markdown", "-"]);
    table.expect(0, &["| p50 |", "**real**"]);
    let object = stallion(&["compare", &before, &after, "--json", "-"]).json();
    assert_eq!(object["differences"][0]["verdict"], "real");
    let sides = ["--before", &before, &before, "--after", &before, &before];
    stallion(&[&["compare"], &sides[..]].concat())
        .expect(0, &["and 1 more", "no difference shown"]);
    // The same by a log of HdrHistogram, and at the end of a run.
    stallion(&["export", &before, "--to", "hdr"]).expect(0, &[]);
    let log = format!("{before}/drive.hlog");
    stallion(&["compare", &log, &after]).expect(0, &["p50 +", "real"]);
    let server = Fake::play(Script { faults: Vec::new(), delay: Duration::from_millis(8) });
    let out = folder.path().join("again").display().to_string();
    let flags = ["--rate", "300", "--duration", "3s", "--conns", "4", "--out", &out];
    let against = ["--baseline", &before, "--fail-on", "p50>50%"];
    stallion(&lenient_drive(&server.port, &[&flags[..], &against].concat()))
        .expect(99, &["p50 +", "real", "verdict"]);
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
