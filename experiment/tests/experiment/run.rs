//! A scenario is run in order to its end, whatever its verbs do; the verbs are played by a script.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use stallion_experiment::Scenario;
use stallion_experiment::run::{Finished, Options, RunError};
use stallion_stack::Interrupt;
use stallion_timeline::clock::monotonic_ns;
use stallion_timeline::{Record, Timeline};
use tempfile::TempDir;

use crate::common::{eventually, processes_within, registry};

const SCENARIO: &str = "\
name = \"small\"
question = \"Does it run?\"
[stack]
slowlog_slower_than_us = 0
[load]
keys = 1000
value_size = 100
[drive]
rate = 5000
conns = 4
duration = \"2s\"
[[chaos]]
at = \"0s\"
action = \"bgsave\"
[[chaos]]
at = \"100ms\"
action = \"bigkey-on\"
fields = 100
";

/// Plays every verb: writes down how it was called, and does what the test adds for it.
const VERBS: &str = r#"#!/bin/bash
echo "$@" >> "$HERE/calls"
out() { while [ "$1" != --out ]; do shift; done; echo "$2"; }
monotonic_ns() { awk -v off="$OFFSET_S" '{printf "%.0f", ($1 - off) * 1e9}' /proc/uptime; }
measure() {
    echo '{"record":"phase","name":"warmup","start_ns":1}' > "$1/drive.jsonl"
    echo "{\"record\":\"phase\",\"name\":\"measure\",\"start_ns\":$(monotonic_ns)}" >> "$1/drive.jsonl"
}
watch() { echo '{"record":"phase","name":"measure","start_ns":1}' > "$1"; }
"#;

/// A shell reads no CLOCK_MONOTONIC; /proc/uptime differs from it by a constant.
fn uptime_s() -> f64 {
    let text = fs::read_to_string("/proc/uptime").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

struct Play {
    folder: TempDir,
    registry: stallion_stack::Registry,
    root: PathBuf,
    _stacks: TempDir,
}

impl Play {
    /// `verbs` maps a verb to its lines of bash.
    fn new(verbs: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (stacks, registry, root) = registry();
        let here = folder.path().display();
        let offset_s = uptime_s() - monotonic_ns() as f64 / 1e9;
        let given = format!("\nHERE={here}\nOFFSET_S={offset_s}\n");
        let mut script = VERBS.replacen('\n', &given, 1);
        for (verb, lines) in verbs {
            script.push_str(&format!("if [ $1 = {verb} ]; then\n{lines}\nfi\n"));
        }
        let program = folder.path().join("stallion");
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder, registry, root, _stacks: stacks }
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("results")
    }

    fn run(&self, interrupt: &Interrupt) -> Result<Finished, RunError> {
        self.run_scenario(SCENARIO, interrupt)
    }

    fn run_scenario(&self, text: &str, interrupt: &Interrupt) -> Result<Finished, RunError> {
        let scenario = Scenario::parse("small.toml", text).unwrap();
        let options = Options {
            program: self.folder.path().join("stallion"),
            tool: "stallion test".to_owned(),
            out: self.out(),
            probes: true,
            source: text.to_owned(),
            registry: self.registry.clone(),
            urls: Vec::new(),
            tls: None,
            allow_foreign: false,
            quiet: false,
            folders: None,
        };
        let result = stallion_experiment::run(&scenario, &options, interrupt, &|_| {});
        assert!(!self.root.exists(), "the stack stays behind");
        assert_eq!(processes_within(&self.root), Vec::<String>::new());
        result
    }

    fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join("calls")).unwrap();
        text.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    }
}

const DRIVE: &str = "measure \"$(out \"$@\")\"; sleep 1";
const PROBE: &str = "trap 'echo end >> \"$HERE/calls\"; exit 0' INT; watch \"$(out \"$@\")\"; \
                     while true; do sleep 0.05; done";
const REPORT: &str = "echo page > \"$(out \"$@\")/report.html\"";

fn chaos_of(out: &Path) -> Vec<String> {
    let timeline = Timeline::read(&out.join("chaos.jsonl")).unwrap();
    assert!(!timeline.truncated());
    let records = timeline.records.iter().map(|record| match record {
        Record::Chaos(chaos) => format!("{} {}", chaos.action, chaos.outcome),
        other => panic!("{other:?} among the chaos"),
    });
    let mut records: Vec<String> = records.collect();
    records.sort();
    records
}

#[test]
fn the_verbs_are_called_in_order_and_chaos_is_recorded() {
    let play = Play::new(&[("drive", DRIVE), ("probe", PROBE), ("report", REPORT)]);
    let finished = play.run(&Interrupt::new()).unwrap();
    assert_eq!(play.calls(), ["load", "probe", "drive", "end", "report"]);
    assert_eq!(chaos_of(&play.out()), ["bgsave ok", "bigkey-on ok"]);
    assert_eq!(finished.html, Some(play.out().join("report.html")));
    assert!(!finished.invalid && !finished.interrupted);
    assert_eq!((finished.warnings, finished.undone), (Vec::new(), Vec::new()));
    let kept = fs::read_to_string(play.out().join("scenario.toml")).unwrap();
    assert_eq!(kept, SCENARIO);
}

#[test]
fn an_invalid_run_is_reported_and_refused_probes_are_told() {
    let refuse = "echo 'error: needs root' >&2; exit 2";
    let invalid = format!("{DRIVE}; exit 3");
    let play = Play::new(&[("drive", &invalid), ("probe", refuse), ("report", REPORT)]);
    let finished = play.run(&Interrupt::new()).unwrap();
    assert!(finished.invalid && finished.html.is_some());
    let warnings = finished.warnings.join("\n");
    assert!(warnings.contains("no probes (error: needs root)"), "{warnings}");
    assert!(warnings.contains("invalid"), "{warnings}");
}

#[test]
fn chaos_after_the_end_of_drive_does_not_begin() {
    let play = Play::new(&[("drive", DRIVE), ("probe", PROBE), ("report", REPORT)]);
    let late = format!("{SCENARIO}\n[[chaos]]\nat = \"1900ms\"\naction = \"bgsave\"\n");
    let finished = play.run_scenario(&late, &Interrupt::new()).unwrap();
    assert_eq!(chaos_of(&play.out()), ["bgsave ok", "bigkey-on ok"]);
    assert_eq!(finished.undone, ["1 of 3 disturbances did not begin: the run was over"]);
}

#[test]
fn a_verb_that_fails_is_named_and_nothing_stays() {
    for verb in ["load", "drive", "report"] {
        let play = Play::new(&[(verb, "exit 1"), ("drive", DRIVE), ("probe", PROBE)]);
        let text = play.run(&Interrupt::new()).unwrap_err().to_string();
        assert!(text.contains(&format!("`stallion {verb}` failed")), "{text}");
    }
}

#[test]
fn an_interrupt_lets_the_verbs_finish_their_files_and_still_reports() {
    let drive = "trap 'echo drained >> \"$HERE/calls\"; exit 0' INT; \
                 measure \"$(out \"$@\")\"; while true; do sleep 0.05; done";
    let play = Play::new(&[("drive", drive), ("probe", PROBE), ("report", REPORT)]);
    let interrupt = Interrupt::new();
    let late = format!("{SCENARIO}\n[[chaos]]\nat = \"1900ms\"\naction = \"bgsave\"\n");
    let finished = thread::scope(|scope| {
        scope.spawn(|| {
            eventually("the chaos", || play.out().join("chaos.jsonl").exists());
            thread::sleep(Duration::from_millis(500));
            interrupt.raise();
        });
        play.run_scenario(&late, &interrupt).unwrap()
    });
    assert_eq!(chaos_of(&play.out()), ["bgsave ok", "bigkey-on ok"]);
    assert!(finished.interrupted && finished.html.is_some());
    assert_eq!(play.calls(), ["load", "probe", "drive", "drained", "end", "report"]);
    let timeline = Timeline::read(&play.out().join("chaos.jsonl")).unwrap();
    assert_eq!(timeline.footer.unwrap().reason, "interrupted");
}
