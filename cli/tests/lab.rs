//! `stallion lab` as a user meets it.

#![expect(clippy::unwrap_used, reason = "what a test needs must be there")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

fn lab(words: &[&str]) -> (Option<i32>, String, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_stallion")).arg("lab").args(words).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn scenarios_are_listed_and_shown() {
    let (code, list, _) = lab(&["list"]);
    assert_eq!(code, Some(0));
    assert!(list.contains("demo") && list.contains('?'), "{list}");
    let (code, text, _) = lab(&["show", "demo"]);
    assert_eq!(code, Some(0));
    assert!(text.contains("[[chaos]]"), "{text}");
}

#[test]
fn a_bad_scenario_is_refused_with_file_line_and_field() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    let (_, demo, _) = lab(&["show", "demo"]);
    fs::write(&file, demo.replacen("conns = 50", "connz = 50", 1)).unwrap();
    let (code, _, error) = lab(&["run", file.to_str().unwrap()]);
    assert_eq!(code, Some(2), "{error}");
    for part in ["mine.toml", "line ", "connz"] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
    let (code, _, error) = lab(&["run", "nonsense"]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("demo"), "{error}");
}

/// A sweep of two runs, with everything that a scenario may have; some three seconds each.
const SWEEP: &str = r#"
name = "smoke"
question = "Does all of it work together?"
[load]
keys = 5000
value_size = 64
[ceiling]
slo = "p99<100ms"
step = "200ms"
precision = 0.3
repeats = 1
[drive]
rate = "50% of ceiling"
conns = 4
duration = "1s"
interval = "50ms"
[probe]
enabled = false
[sweep]
drive.pipeline = [1, 8]
[[plot]]
name = "rate"
title = "Rate"
x = "drive.pipeline"
y = "ops_per_sec"
[[claim]]
holds = "p99 < 10s at 50% of ceiling"
"#;

/// `stallion lab run` with its servers below a folder of the test's own.
fn run(folder: &Path, more: &[&str]) -> Command {
    let scenario = folder.join("smoke.toml");
    fs::write(&scenario, SWEEP).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_stallion"));
    command.args(["lab", "run", scenario.to_str().unwrap(), "--no-probes", "--out"]);
    command.arg(folder.join("results")).args(more).env("TMPDIR", folder);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Processes that work below a folder: servers, and what they forked.
fn processes_within(folder: &Path) -> Vec<PathBuf> {
    let folder = folder.canonicalize().unwrap();
    let all = fs::read_dir("/proc").unwrap().flatten();
    let within = |path: &Path| fs::read_link(path).is_ok_and(|cwd| cwd.starts_with(&folder));
    all.map(|entry| entry.path()).filter(|path| within(&path.join("cwd"))).collect()
}

fn stacks_within(folder: &Path) -> usize {
    let roots = fs::read_dir(folder).unwrap().flatten();
    let roots = roots.filter(|entry| entry.file_name().to_string_lossy().starts_with("stallion-"));
    roots.map(|root| fs::read_dir(root.path()).unwrap().count()).sum()
}

fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let start = Instant::now();
    while !check() {
        assert!(start.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_killed_sweep_leaves_nothing_for_long_and_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let first = here.join("results/points/00-drive-pipeline-1/point.json");
    let mut child = run(here, &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    eventually("the first run is finished", || first.is_file());
    child.kill().unwrap();
    child.wait().unwrap();
    eventually("its server is gone", || processes_within(here).is_empty());
    assert_eq!(stacks_within(here), 1, "a killed runner cannot remove its folder");

    let output = run(here, &[]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{text}{error}");
    assert!(text.contains("[1/2] drive.pipeline 1: finished already"), "{text}");
    assert!(text.contains("`p99 < 10s at 50% of ceiling`: holds"), "{text}");
    assert_eq!((stacks_within(here), processes_within(here).len()), (0, 0));
    let page = fs::read_to_string(here.join("results/README.md")).unwrap();
    for part in ["Does all of it work together?", "rate.svg", "drive.pipeline", "rate = \"50%"] {
        assert!(page.contains(part), "{part} is not in: {page}");
    }
    assert!(here.join("results/rate.svg").is_file());
    let data = fs::read_to_string(here.join("results/data.json")).unwrap();
    assert!(data.contains("ceiling_ops_per_sec"), "{data}");
    // What is claimed is no part of a run: it is checked anew.
    let broken = "claim.0.holds=p99 < 1ns at 50% of ceiling";
    let output = run(here, &["--set", broken]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(99), "{error}");
    assert!(error.contains("does not hold in 2 of 2 runs"), "{error}");
    // Runs that the client spoilt are measured again when it is asked for, and no others.
    for (run, valid) in [("00-drive-pipeline-1", false), ("01-drive-pipeline-8", true)] {
        let path = here.join("results/points").join(run).join("point.json");
        let mut point: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        (point["valid"], point["words"]["bound"]) = (valid.into(), "schedule".into());
        fs::write(&path, point.to_string()).unwrap();
    }
    let output = run(here, &["--retry-invalid"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!text.contains("[1/2] drive.pipeline 1: finished already"), "{text}");
    assert!(text.contains("[2/2] drive.pipeline 8: finished already"), "{text}");
    // A plan that was changed is not the same run.
    let output =
        run(here, &["--set", "sweep.drive.pipeline=[2]", "--set", "ceiling.step=\"100ms\""]);
    let child = { output }.spawn().unwrap();
    eventually("a server", || !processes_within(here).is_empty());
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!((stacks_within(here), processes_within(here).len()), (0, 0));
}

/// A run that is finished but for its disturbance is not finished.
#[test]
fn a_disturbance_that_fails_is_seen_in_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let scenario = "name = \"sick\"\nquestion = \"Is it told?\"\n[load]\nkeys = 10\nvalue_size = 1\n\
                    [drive]\nrate = 100\nconns = 1\nduration = \"300ms\"\n[probe]\nenabled = false\n\
                    [[chaos]]\nat = \"0s\"\naction = \"replica-cut\"\n[sweep]\ndrive.pipeline = [1]\n";
    fs::write(here.join("sick.toml"), scenario).unwrap();
    for _ in 0..2 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stallion"));
        command.args(["lab", "run", "sick.toml", "--out", "results"]).current_dir(here);
        let output = command.env("TMPDIR", here).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("replica-cut") && error.contains("has no replica"), "{error}");
    }
}

/// Two of the runs of an embedded scenario, as short as they can be: on a busy host a claim may break,
/// and nothing else.
#[test]
fn a_proxy_is_compared_with_what_is_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_stallion"));
    command.args(["lab", "run", "proxy", "--scale", "small", "--set", "drive.duration=500ms"]);
    command.args(["--set", "load.keys=1000", "--set", "sweep.drive.rate=[2000]"]);
    command.args(["--set", "sweep.drive.pipeline=[4]"]).current_dir(folder.path());
    let output = command.env("TMPDIR", folder.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!([Some(0), Some(99)].contains(&output.status.code()), "{text}{error}");
    for part in ["the hop makes", "these do not: ", "MULTI", "Transactions, blocking"] {
        assert!(text.contains(part), "{part} is not in: {text}{error}");
    }
    assert_eq!(processes_within(folder.path()).len(), 0);
}

/// The scenarios of memory, persistence, threads and growth, each as short as it can be; what is there
/// after one is the figure that its finding is made of.
#[test]
fn limits_are_measured_by_their_scenarios() {
    let short = ["drive.duration=600ms", "drive.warmup=100ms", "load.keys=2000"];
    let fewer = ["task.0.keys=2000", "task.0.for=200ms"];
    let cases: [(&str, &[&str], &str); 5] = [
        (
            "memory",
            &["task.0.at=100ms", "task.0.entries=2000", "case=[{label=\"plain keys\"}]"],
            "chaos.weigh.bytes_per_entry",
        ),
        (
            "durability",
            &["task.0.at=100ms", "sweep.task.0.keys=[2000]", "case=[{label=\"nothing\"}]"],
            "chaos.guard-rail.lost",
        ),
        (
            "guard-rail",
            &["task.0.at=100ms", "sweep.task.0.memory=[\"70%\"]", "case=[{label=\"BGSAVE\"}]"],
            "chaos.guard-rail.killed_processes",
        ),
        (
            "io-threads",
            &["sweep.stack.io_threads=[2]", "sweep.drive.pipeline=[16]"],
            "main_thread_kernel_share",
        ),
        (
            "vertical",
            &["chaos.0.at=100ms", "sweep.load.keys=[2000]", "sweep.stack.huge_pages=[false]"],
            "chaos.bgsave.latest_fork_usec",
        ),
    ];
    for (name, own, figure) in cases {
        if name == "guard-rail" && !nix::unistd::Uid::effective().is_root() {
            println!("without root no limit of memory can be set");
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let of_guard = fewer.iter().filter(|_| ["durability", "guard-rail"].contains(&name));
        let sets = short.iter().chain(of_guard).chain(own).flat_map(|set| ["--set", set]);
        let mut command = Command::new(env!("CARGO_BIN_EXE_stallion"));
        command.args(["lab", "run", name, "--scale", "small", "--no-probes", "--out", "results"]);
        let output = command.args(sets).current_dir(folder.path()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{name}: {text}{error}");
        let data = fs::read_to_string(folder.path().join("results/data.json")).unwrap();
        assert!(data.contains(figure), "{name}: {text}{error}{data}");
        assert!(text.lines().any(|line| line.starts_with("* ")), "{name}: no finding: {text}");
    }
}

#[test]
fn a_set_value_that_makes_no_sense_is_refused() {
    for (set, part) in [("drive.conns=many", "conns"), ("drive", "KEY=VALUE"), ("chaos.0.x=1", "x")]
    {
        let (code, _, error) = lab(&["run", "demo", "--set", set]);
        assert_eq!(code, Some(2), "{error}");
        assert!(error.contains(part), "{error}");
    }
    let (code, schema, _) = lab(&["schema"]);
    assert_eq!(code, Some(0));
    assert!(schema.contains("\"Scenario\""), "{schema}");
}
