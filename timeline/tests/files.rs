//! A timeline survives writing and reading, and a bad one is named for what it is.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write;
use std::path::Path;

use stallion_timeline::{
    Clock, Footer, Header, HostFacts, Loss, ReadError, Record, Role, SCHEMA_VERSION, Timeline,
    Writer, schema,
};

fn header() -> Header {
    Header {
        schema: SCHEMA_VERSION,
        tool: "stallion test".to_owned(),
        role: Role::Drive,
        host: HostFacts::of_this_host(),
        clock: Clock::of_this_host(),
        plan: serde_json::json!({"rate": 20_000}),
        target: "redis://127.0.0.1:6379".to_owned(),
        probes: Vec::new(),
    }
}

fn loss(count: u64) -> Record {
    Record::Loss(Loss { at_ns: 5, source: "test".to_owned(), count })
}

fn write(path: &Path) {
    let mut writer = Writer::create(path, header()).unwrap();
    writer.append(&loss(1)).unwrap();
    writer.append(&loss(2)).unwrap();
    let summary = serde_json::json!({"ops": 3});
    writer.finish(Footer { end_ns: 9, reason: "complete".to_owned(), summary }).unwrap();
}

#[test]
fn a_file_survives_the_round_trip() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder/run.jsonl");
    write(&path);
    let timeline = Timeline::read(&path).unwrap();
    assert_eq!(timeline.records, [loss(1), loss(2)]);
    assert_eq!(timeline.header.plan["rate"], 20_000);
    assert!(!timeline.truncated() && !timeline.torn);
}

#[test]
fn a_cut_file_gives_what_came_before_the_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.jsonl");
    write(&path);
    let text = fs::read(&path).unwrap();
    let second = text.iter().enumerate().filter(|(_, b)| **b == b'\n').nth(1).unwrap().0;
    fs::write(&path, &text[..second + 10]).unwrap();
    let timeline = Timeline::read(&path).unwrap();
    assert_eq!(timeline.records, [loss(1)]);
    assert!(timeline.truncated() && timeline.torn);
}

#[test]
fn foreign_files_are_refused_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other");
    for text in ["", "hello\n", "{\"a\":1}\n", "\u{0}\u{1}"] {
        fs::write(&path, text).unwrap();
        let error = Timeline::read(&path).unwrap_err();
        assert!(matches!(error, ReadError::Foreign { .. }), "{text:?}: {error}");
        assert!(error.to_string().contains("stallion drive"));
    }
    fs::write(&path, "{\"record\":\"header\",\"schema\":99,\"tool\":\"stallion 9\"}\n").unwrap();
    assert!(Timeline::read(&path).unwrap_err().to_string().contains("stallion 9"));
    assert!(matches!(
        Timeline::read(&folder.path().join("absent")).unwrap_err(),
        ReadError::Io { .. }
    ));
}

#[test]
fn a_broken_line_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.jsonl");
    write(&path);
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    writeln!(file, "{{\"record\":\"nonsense\"}}").unwrap();
    let error = Timeline::read(&path).unwrap_err();
    assert!(matches!(error, ReadError::Line { line: 5, .. }), "{error}");
}

#[test]
fn the_committed_schema_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.json");
    let wanted = schema::json_schema();
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "timeline/schema.json is stale: UPDATE_SCHEMA=1 cargo test -p stallion-timeline"
    );
}
