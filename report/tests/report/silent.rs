//! A server that stops answering is said so, and one that answers is not.

use std::path::Path;

use stallion_report::{analysis, finding};
use stallion_timeline::{Interval, Record, Timeline, Writer, histogram};

use crate::synthetic::{MS, S, START, Scenario, write};

/// A run of 4 s whose server answers nothing from `from_ns` on; `error` is what connections meet then.
fn stopped(from_ns: u64, error: Option<&str>, path: &Path) {
    let whole = tempfile::tempdir().unwrap();
    write(&Scenario::default(), whole.path());
    let timeline = Timeline::read(&whole.path().join("drive.jsonl")).unwrap();
    let mut writer = Writer::create(path, timeline.header).unwrap();
    for record in timeline.records {
        let record = match record {
            Record::Interval(interval) if interval.start_ns >= START + from_ns => {
                Record::Interval(silent(interval, START + from_ns, error))
            }
            Record::SlowOp(op) if op.done_ns >= START + from_ns => continue,
            record => record,
        };
        writer.append(&record).unwrap();
    }
    writer.finish(timeline.footer.unwrap()).unwrap();
}

/// The interval with nothing answered in it: what was due waits.
fn silent(interval: Interval, since_ns: u64, error: Option<&str>) -> Interval {
    let mut waits = histogram::empty();
    let is_last = interval.end_ns >= START + 4 * S;
    let waiting =
        interval.due * (interval.end_ns - since_ns) / (interval.end_ns - interval.start_ns);
    for wait in 0..if is_last { waiting } else { 0 } {
        waits.record((wait + 1) * 50_000).unwrap();
    }
    Interval {
        answered: 0,
        ops: Default::default(),
        backlog: waiting,
        oldest_wait_ns: interval.end_ns - since_ns,
        response_hdr: histogram::encode(&waits),
        unanswered_hdr: histogram::encode(&waits),
        service_hdr: String::new(),
        errors: error.map(|name| (name.to_owned(), 5)).into_iter().collect(),
        slow_count: 0,
        slow_sum_ns: 0,
        ..interval
    }
}

fn told(path: &Path) -> (String, analysis::Analysis) {
    let analysis = analysis::analyse(&[path.to_owned()]).unwrap();
    let findings = finding::findings(&analysis);
    let text = findings.iter().map(|f| format!("{}\n{}\n", f.headline, f.detail)).collect();
    (text, analysis)
}

#[test]
fn a_server_that_stops_for_good_is_the_first_finding() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("drive.jsonl");
    stopped(2 * S, None, &path);
    let (text, analysis) = told(&path);
    let first = text.lines().next().unwrap();
    assert!(first.starts_with("No answer from 2.000 s until the end of the run"), "{text}");
    assert!(
        first.contains("connections stayed open") && first.contains("requests were due"),
        "{text}"
    );
    assert!(!text.contains("Nothing was slow"), "{text}");
    assert!(text.contains("never got an answer") && text.contains("≥"), "{text}");
    let response = analysis.latency.response.unwrap();
    assert!(response.at_least.names("p99") && response.p99_ns > S, "{response:?}");
}

#[test]
fn what_connections_meet_says_how_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("drive.jsonl");
    stopped(3 * S, Some("disconnect"), &path);
    assert!(told(&path).0.contains("the server broke its connections;"), "{}", told(&path).0);
}

#[test]
fn a_short_stall_and_a_quiet_run_are_no_silence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("drive.jsonl");
    write(&Scenario { hidden: vec![(S, 140 * MS)], ..Scenario::default() }, folder.path());
    let (text, analysis) = told(&path);
    assert!(!text.contains("No answer") && !text.contains("never got an answer"), "{text}");
    assert!(analysis.latency.response.unwrap().at_least.is_empty());
}
