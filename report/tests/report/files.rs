//! Files as they come: cut off, foreign, of another host, alone.

use std::fs;
use std::path::{Path, PathBuf};

use stallion_report::analysis::{Analysis, analyse};
use stallion_report::cause::Cause;
use stallion_report::files::{self, FileError, Format};
use stallion_report::finding::{Tone, findings};
use stallion_report::join::JoinError;
use stallion_report::render;
use stallion_timeline::{Footer, Loss, Record, Role, StallClass, Writer};

use crate::synthetic::{self, MS, S, START, Scenario, stall};

fn run_in(folder: &Path) -> [PathBuf; 2] {
    let scenario = Scenario {
        rate: 5_000,
        capacity: 20_000,
        seconds: 2,
        stalls: vec![stall(StallClass::Fork, 900 * MS, 60 * MS)],
        ..Scenario::default()
    };
    synthetic::write(&scenario, folder);
    ["drive.jsonl", "probe.jsonl"].map(|file| folder.join(file))
}

fn cautions(analysis: &Analysis) -> String {
    let all = findings(analysis).into_iter().filter(|finding| finding.tone == Tone::Caution);
    all.map(|finding| format!("{} {}\n", finding.headline, finding.detail)).collect()
}

#[test]
fn a_run_that_was_cut_off_is_analysed_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let paths = run_in(folder.path());
    let text = fs::read_to_string(&paths[0]).unwrap();
    fs::write(&paths[0], &text[..text.len() * 7 / 10]).unwrap();
    let analysis = analyse(&paths).unwrap();
    assert!(cautions(&analysis).contains("drive.jsonl was cut off"), "{}", cautions(&analysis));
    assert!(analysis.total.share_of(Cause::Stall(StallClass::Fork)) > 9_000);
    assert!(render::html::render(&analysis).contains("validity unknown"));
}

#[test]
fn a_foreign_file_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.jsonl");
    fs::write(&path, "{\"hello\": 1}\n").unwrap();
    let error = analyse(&[path]).unwrap_err().to_string();
    assert!(error.contains("other.jsonl is not a stallion timeline"), "{error}");
}

#[test]
fn a_damaged_histogram_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let paths = run_in(folder.path());
    let text = fs::read_to_string(&paths[0]).unwrap();
    fs::write(&paths[0], text.replacen("\"response_hdr\":\"", "\"response_hdr\":\"!", 1)).unwrap();
    let error = analyse(&paths).unwrap_err();
    assert!(matches!(error, JoinError::Histogram { start_ns: START, .. }), "{error}");
}

#[test]
fn clocks_of_two_hosts_need_an_offset_which_is_applied() {
    let folder = tempfile::tempdir().unwrap();
    let paths = run_in(folder.path());
    let text = fs::read_to_string(&paths[1]).unwrap();
    let other = text.replacen("\"boot_id\":\"synthetic\"", "\"boot_id\":\"other\"", 1);
    fs::write(&paths[1], &other).unwrap();
    assert!(matches!(analyse(&paths).unwrap_err(), JoinError::OtherBoot { .. }));

    // The probes' clock is 5 s behind, known to ±40 µs.
    let mut behind = other.replacen("\"offset_ns\":0", "\"offset_ns\":5000000000", 1);
    behind = behind.replacen("\"offset_error_ns\":0", "\"offset_error_ns\":40000", 1);
    let fork = START + 900 * MS;
    for time in [fork, fork + 60 * MS] {
        behind = behind.replace(&time.to_string(), &(time - 5 * S).to_string());
    }
    fs::write(&paths[1], behind).unwrap();
    let analysis = analyse(&paths).unwrap();
    assert!(analysis.total.share_of(Cause::Stall(StallClass::Fork)) > 9_500);
    assert!(cautions(&analysis).contains("±40.0 µs"), "{}", cautions(&analysis));
}

#[test]
fn one_side_alone_is_a_part_of_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let [drive, probe] = run_in(folder.path());
    let client_only = analyse(&[drive]).unwrap();
    assert_eq!(client_only.total.share_of(Cause::Unexplained), 10_000);
    assert!(cautions(&client_only).contains("No probe timeline"));
    let probes_only = analyse(&[probe]).unwrap();
    assert!(cautions(&probes_only).contains("No client timeline"));
    assert_eq!(probes_only.stalled[0].main_ns, 60 * MS);
    for analysis in [client_only, probes_only] {
        assert!(render::html::render(&analysis).contains("</html>"));
        assert!(!render::terminal::render(&analysis).is_empty());
    }
}

#[test]
fn an_empty_run_and_lost_records_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("drive.jsonl");
    let mut writer = Writer::create(&path, synthetic::header(Role::Drive)).unwrap();
    let source = "ring buffer".to_owned();
    writer.append(&Record::Loss(Loss { at_ns: START, source, count: 7 })).unwrap();
    let summary = serde_json::Value::Null;
    writer.finish(Footer { end_ns: START, reason: "interrupted".to_owned(), summary }).unwrap();
    let analysis = analyse(&[path]).unwrap();
    assert!(cautions(&analysis).contains("7 from ring buffer"), "{}", cautions(&analysis));
    assert!(render::html::render(&analysis).contains("</html>"));
}

#[test]
fn the_page_is_self_contained_and_text_stays_text() {
    let folder = tempfile::tempdir().unwrap();
    let paths = run_in(folder.path());
    let text = fs::read_to_string(&paths[1]).unwrap();
    let hostile = text.replacen("\"count\":1", "\"count\":1,\"what\":\"</script><b>x\"", 1);
    assert_ne!(hostile, text);
    fs::write(&paths[1], hostile).unwrap();
    let page = render::html::render(&analyse(&paths).unwrap());
    assert!(!page.contains("</script><b>"));
    assert!(page.contains("Plotly"));
    // Nothing is fetched: no element names a resource.
    for fetched in ["<script src", "<link", "<img", "@import"] {
        assert!(!page.contains(fetched), "{fetched}");
    }
    assert!(page.len() < 6_000_000, "{}", page.len());
}

#[test]
fn reports_are_written_whole_and_folders_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let paths = run_in(folder.path());
    let inputs = [folder.path().to_owned(), paths[0].clone()];
    let found = files::timelines(&inputs).unwrap();
    assert_eq!(found, paths, "a file named twice is read once");
    assert_eq!(files::default_folder(&inputs), folder.path());
    let analysis = analyse(&found).unwrap();
    let out = folder.path().join("new/report");
    let formats = [Format::Html, Format::Markdown, Format::Json];
    let written = files::write(&analysis, &out, &formats).unwrap();
    assert_eq!(written.len(), 3);
    assert_eq!(fs::read_dir(&out).unwrap().count(), 3, "no part is left");
    let blocked = files::write(&analysis, &paths[0], &formats).unwrap_err();
    assert!(matches!(blocked, FileError::Output { .. }), "{blocked}");
    let empty = tempfile::tempdir().unwrap();
    let nothing = files::timelines(&[empty.path().to_owned()]).unwrap_err();
    assert!(matches!(nothing, FileError::NoTimeline(_)), "{nothing}");
}

#[test]
fn stalls_of_a_shard_that_was_not_driven_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut scenario = crate::scenarios::scenario("fork");
    for stall in &mut scenario.stalls {
        stall.port = 7_001;
    }
    let mut own = synthetic::stall(StallClass::Fsync, synthetic::S, 2 * synthetic::MS);
    own.port = 7_000;
    scenario.stalls.push(own);
    synthetic::write(&scenario, folder.path());
    let analysis =
        analyse(&["drive.jsonl", "probe.jsonl"].map(|file| folder.path().join(file))).unwrap();
    assert_eq!(analysis.run.other_servers, [7_001]);
    assert!(analysis.run.stalls.iter().all(|stall| stall.class == StallClass::Fsync));
    assert_eq!(analysis.total.share_of(Cause::Stall(StallClass::Fork)), 0);
    let told = findings(&analysis);
    assert!(told.iter().any(|finding| finding.headline.contains("(ports 7001)")), "{told:#?}");
}
