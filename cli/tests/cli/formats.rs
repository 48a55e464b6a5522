//! `stallion export`: what it writes, other people's readers open, and they say the same.

use std::path::Path;

use serde_json::Value;

use crate::harness::others::{output, python};
use crate::harness::redis::Redis;
use crate::harness::stallion::{lenient_drive, stallion};

/// HdrHistogram with three digits is right to a part in a thousand; twice that for the tools that
/// round to microseconds, too.
const PRECISION: f64 = 0.002;

/// Half a microsecond: what rounding to microseconds costs short times.
const ROUNDED_US: f64 = 1.0;

#[track_caller]
fn agrees(what: &str, found: &Value, wanted: &Value) {
    let (found, wanted) = (found.as_f64().unwrap(), wanted.as_f64().unwrap());
    let apart = (found - wanted).abs();
    assert!(apart <= wanted * PRECISION + ROUNDED_US, "{what}: {found}, and we say {wanted}");
}

/// A short run, exported to every format; gives its summary.
fn exported(folder: &Path) -> Value {
    let server = Redis::start(&[]);
    let path = folder.display().to_string();
    let flags = ["--rate", "3000", "--duration", "2s", "--rw-ratio", "1:1", "--out", &path];
    let run = stallion(&lenient_drive(&server.port, &[&flags[..], &["--json", "-"]].concat()));
    run.expect(0, &[]);
    for format in ["hdr", "memtier", "csv", "perfetto", "parquet"] {
        stallion(&["export", &path, "--to", format]).expect(0, &[&path]);
    }
    run.json()
}

#[test]
fn other_peoples_readers_say_what_we_say() {
    let folder = tempfile::tempdir().unwrap();
    let summary = exported(folder.path());
    let said = python("formats.py", &[&folder.path().display().to_string()]);
    for (format, says) in said.as_object().unwrap() {
        if format == "perfetto" {
            continue;
        }
        assert_eq!(says["count"], summary["ops"], "{format}");
        for name in ["p50", "p99", "p999", "max"] {
            agrees(&format!("{format} {name}"), &says[name], &summary["response_us"][name]);
        }
    }
    let memtier = &said["memtier"];
    agrees("decoded", &memtier["decoded_p99"], &summary["response_us"]["p99"]);
    assert_eq!(memtier["series"], memtier["count"]);
    assert_eq!(said["parquet"]["due"], summary["accounting"]["due"]);
    let tags = &said["hdr"]["tags"];
    assert_eq!((&tags["service"], &tags["lag"]), (&tags["response"], &tags["response"]));
    let trace = &said["perfetto"];
    assert_eq!(trace["unknown_fields"], 0, "fields that Perfetto's schema does not have");
    assert_eq!((&trace["lowest_depth"], &trace["left_open"]), (&0.into(), &0.into()));
    assert_eq!(trace["in_order"], true);
    for track in ["phases", "response p99", "answered", "used_memory"] {
        assert!(trace["tracks"].as_array().unwrap().contains(&track.into()), "no track {track}");
    }
    java_says_the_same(folder.path(), &summary);
    a_log_is_read_back(folder.path(), &summary);
    csv_has_every_interval(folder.path(), &summary);
    the_ten_questions_are_answered(folder.path(), &summary);
}

/// docs/book/src/analysis.md: each query runs, and those that any run has an answer to have one.
fn the_ten_questions_are_answered(folder: &Path, summary: &Value) {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/book/src/analysis.md");
    let answers = python("analysis.py", &[&folder.display().to_string(), page]);
    let answers = answers.as_array().unwrap();
    assert_eq!(answers.len(), 10);
    for answer in answers {
        let title = answer["title"].as_str().unwrap();
        // A run without probes and disturbances has none of these.
        let may_be_empty = ["6.", "7.", "8.", "9."].iter().any(|number| title.starts_with(number));
        assert!(may_be_empty || !answer["rows"].as_array().unwrap().is_empty(), "{title}");
    }
    let number = |field: &Value| field.as_str().unwrap().parse::<f64>().unwrap();
    let rows = answers[0]["rows"].as_array().unwrap();
    let is_p99 = |row: &&Value| row[0] == "response" && (number(&row[1]) - 0.99).abs() < 1e-9;
    let us = number(&rows.iter().find(is_p99).unwrap()[2]) * 1e3;
    agrees("p99 of question 1", &us.into(), &summary["response_us"]["p99"]);
}

/// HdrHistogram's own log processor: percentiles of all intervals without a tag, in microseconds.
fn java_says_the_same(folder: &Path, summary: &Value) {
    let log = folder.join("drive.hlog").display().to_string();
    let class =
        ["-cp", "/usr/share/java/hdrhistogram.jar", "org.HdrHistogram.HistogramLogProcessor"];
    let flags = ["-i", &log, "-outputValueUnitRatio", "1000", "-csv"];
    let text = output("java", &[&class[..], &flags].concat());
    let rows: Vec<Vec<f64>> = text
        .lines()
        .filter_map(|line| line.split(',').map(|field| field.parse().ok()).collect())
        .collect();
    let last = rows.last().unwrap();
    assert_eq!(last[2] as u64, summary["ops"], "java's count");
    agrees("java's max", &last[0].into(), &summary["response_us"]["max"]);
    let median = rows.iter().find(|row| row[1] >= 0.5).unwrap();
    agrees("java's p50", &median[0].into(), &summary["response_us"]["p50"]);
}

fn a_log_is_read_back(folder: &Path, summary: &Value) {
    let log = folder.join("drive.hlog").display().to_string();
    let again = folder.join("again").display().to_string();
    stallion(&["export", &log, "--to", "memtier", "--out", &again]).expect(0, &[]);
    let text = std::fs::read_to_string(&again).unwrap();
    let object: Value = serde_json::from_str(&text).unwrap();
    let percentiles = &object["ALL STATS"]["Totals"]["Percentile Latencies"];
    let us = percentiles["p99.00"].as_f64().unwrap() * 1e3;
    agrees("p99 of the log read back", &us.into(), &summary["response_us"]["p99"]);
}

fn csv_has_every_interval(folder: &Path, summary: &Value) {
    let text = std::fs::read_to_string(folder.join("drive.csv")).unwrap();
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let column = |name: &str| names.iter().position(|other| *other == name).unwrap();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert!(rows.iter().all(|row| row.len() == names.len()));
    let due: u64 = rows.iter().map(|row| row[column("due")].parse::<u64>().unwrap()).sum();
    assert_eq!(due, summary["accounting"]["due"]);
}

#[test]
fn what_cannot_be_exported_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.jsonl");
    let path = file.display().to_string();
    std::fs::write(&file, "{\"some\": \"object\"}\n").unwrap();
    stallion(&["export", &path, "--to", "csv"]).expect(2, &["not a stallion timeline"]);
    std::fs::write(&file, "#[Histogram log format version 1.3]\n0.0,1.0,2.0,HISTFnonsense\n")
        .unwrap();
    stallion(&["export", &path, "--to", "csv"]).expect(2, &["histogram is broken"]);
    stallion(&["export", "/nowhere", "--to", "hdr"]).expect(2, &["/nowhere"]);
    stallion(&["export", &path, "--to", "xml"]).expect(2, &["xml", "perfetto"]);
}
