//! `cargo xtask test`: everything that must hold before a change is good.

use std::time::{Duration, Instant};

use anyhow::bail;

use crate::{dist, ebpf, fuzz, install, shell, tidy};

/// How long each fuzz target runs: the corpus, and a little beyond.
const FUZZ: Duration = Duration::from_secs(10);

/// One check, and what became of it.
struct Step {
    name: &'static str,
    took: Duration,
    error: Option<anyhow::Error>,
}

pub(crate) fn run() -> anyhow::Result<()> {
    if !shell::installed(&["redis-server", "valkey-server"]) {
        install::ensure_apt(&["redis-server", "nutcracker"])?;
    }
    install::ensure_apt(&["prometheus", "prometheus-redis-exporter"])?;
    install::ensure_apt(&["postgresql"])?;
    install::ensure_python()?;
    install::ensure_java()?;
    let features = features()?;
    let lint =
        [&["cargo", "clippy", "--workspace", "--all-targets"], features, &["--", "-D", "warnings"]];
    let documentation = [&["cargo", "test", "--workspace", "--doc"], features];
    // All of them, whatever fails: one look at the end tells everything that is to be mended.
    let steps = [
        step("format", || shell::run(&["cargo", "fmt", "--all", "--check"])),
        step("lint", || shell::run(&lint.concat())),
        step("documentation", || shell::run(&documentation.concat())),
        step("tidy", || tidy::run(features)),
        step("packages", || dist::check(features)),
        step("fuzz", || fuzz::run(FUZZ, None, false)),
        // Last, so that the log ends with the failures.
        step("test", || shell::run(&[test_runner(), features].concat())),
    ];
    summarise(&steps)
}

/// With root the probes are part of the tests, and not to be had is a failure; without it they
/// are left out, and that is said.
fn features() -> anyhow::Result<&'static [&'static str]> {
    if install::is_root() {
        ebpf::run()?;
        return Ok(&["--features", "stallion/probes"]);
    }
    println!("\nWithout probes: eBPF programs are loaded by root only (sudo cargo xtask test)\n");
    Ok(&[])
}

/// nextest, which runs each test in a process of its own and keeps to the groups of
/// .config/nextest.toml; cargo's own runner where it cannot be had.
fn test_runner() -> &'static [&'static str] {
    let nextest = ["cargo", "nextest", "--version"];
    if !shell::succeeds(&nextest) {
        let install = ["cargo", "install", "cargo-nextest", "--locked"];
        if let Err(error) = shell::run(&install) {
            println!("{error:#}: the tests run one after the other instead");
        }
    }
    if shell::succeeds(&nextest) {
        &["cargo", "nextest", "run", "--workspace"]
    } else {
        &["cargo", "test", "--workspace", "--bins", "--lib", "--tests"]
    }
}

fn step(name: &'static str, check: impl FnOnce() -> anyhow::Result<()>) -> Step {
    println!("\n== {name}");
    let start = Instant::now();
    let error = check().err();
    let took = start.elapsed();
    println!("== {name}: {} s", took.as_secs());
    Step { name, took, error }
}

fn summarise(steps: &[Step]) -> anyhow::Result<()> {
    println!();
    for Step { name, took, error } in steps {
        let verdict = error.as_ref().map_or_else(|| "ok".to_owned(), |error| format!("{error:#}"));
        println!("{name:>14} {:>5} s  {verdict}", took.as_secs());
    }
    match steps.iter().filter(|step| step.error.is_some()).count() {
        0 => Ok(()),
        failed => bail!("{failed} of {} checks failed", steps.len()),
    }
}
