//! `cargo xtask test`: what must hold before a change is good; `--all`: everything, as CI runs it.

use std::time::{Duration, Instant};

use anyhow::bail;

use crate::ebpf::Check;
use crate::install::Need;
use crate::{book, deny, dist, ebpf, fuzz, install, roots, shell, tidy};

/// How long each fuzz target runs: the corpus, and a little beyond.
const FUZZ: Duration = Duration::from_secs(10);

/// Other people's programs that the tests drive, or are driven by.
const NEEDS: [Need; 8] = [
    install::REDIS,
    Need::Program { any_of: &["nutcracker"], package: "nutcracker" },
    Need::Program { any_of: &["promtool"], package: "prometheus" },
    Need::Program { any_of: &["prometheus-redis-exporter"], package: "prometheus-redis-exporter" },
    Need::Package("postgresql"),
    Need::Program { any_of: &["ip"], package: "iproute2" },
    Need::Program { any_of: &["java"], package: "default-jre-headless" },
    // HdrHistogram's reference reader, which is Java's.
    Need::Package("libhdrhistogram-java"),
];

/// The compiler of libFuzzer.
const FUZZ_NEEDS: [Need; 1] = [Need::Program { any_of: &["g++"], package: "g++" }];

/// How much is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Circle {
    /// What a developer waits for.
    Inner,
    /// What CI runs.
    All,
}

/// One check, and what became of it.
struct Step {
    name: &'static str,
    took: Duration,
    outcome: anyhow::Result<Outcome>,
}

enum Outcome {
    Ok,
    /// It could not be judged here, and why stands above.
    NotChecked,
}

/// What the tests need besides Rust, from nothing on.
pub(crate) fn set_up(circle: Circle) -> anyhow::Result<()> {
    let more: &[Need] = if circle == Circle::All { &FUZZ_NEEDS } else { &[] };
    install::ensure(&[&NEEDS[..], more].concat())?;
    install::ensure_python()
}

pub(crate) fn run(circle: Circle) -> anyhow::Result<()> {
    set_up(circle)?;
    if !install::is_root() {
        println!(
            "\nWithout probes: eBPF programs are loaded by root only (sudo cargo xtask test)\n"
        );
    }
    let lint = ["cargo", "clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    // All of them, whatever fails: one look at the end tells everything that is to be mended.
    let mut steps = vec![
        step("format", || shell::run(&["cargo", "fmt", "--all", "--check"])),
        step("lint", || shell::run(&lint)),
        step("tidy", || tidy::run(&[])),
    ];
    if circle == Circle::All {
        steps.extend([
            step("documentation", || shell::run(&["cargo", "test", "--workspace", "--doc"])),
            step("book", || book::run(&[])),
            judged("dependencies", || {
                Ok(if deny::check()? { Outcome::Ok } else { Outcome::NotChecked })
            }),
            step("packages", || dist::check(&[])),
            judged("clean roots", clean_roots),
            step("fuzz", || fuzz::run(FUZZ, None, false)),
            judged("eBPF object", || {
                Ok(match ebpf::check()? {
                    Check::Same => Outcome::Ok,
                    Check::NotCompared => Outcome::NotChecked,
                })
            }),
        ]);
    }
    // Last, so that the log ends with the failures.
    steps.push(step("test", || run_tests(circle)));
    summarise(&steps)
}

/// The packages of the step before, and our own set-ups, in roots that nothing has been in before.
fn clean_roots() -> anyhow::Result<Outcome> {
    if install::is_root() && shell::installed(&["apt-get"]) {
        return roots::run().map(|()| Outcome::Ok);
    }
    println!("\nNothing is installed in clean roots: they need root and a Debian\n");
    Ok(Outcome::NotChecked)
}

/// By nextest, which runs each test in a process of its own and keeps to the groups of
/// .config/nextest.toml; by cargo's own runner where it cannot be had.
fn run_tests(circle: Circle) -> anyhow::Result<()> {
    if let Err(error) = install::ensure_cargo_tool("cargo-nextest", &[]) {
        println!("{error:#}: the tests run one after the other instead");
        return shell::run(&["cargo", "test", "--workspace", "--bins", "--lib", "--tests"]);
    }
    let profile = if circle == Circle::All { "default" } else { "inner" };
    shell::run(&["cargo", "nextest", "run", "--workspace", "--profile", profile])
}

fn step(name: &'static str, check: impl FnOnce() -> anyhow::Result<()>) -> Step {
    judged(name, || check().map(|()| Outcome::Ok))
}

fn judged(name: &'static str, check: impl FnOnce() -> anyhow::Result<Outcome>) -> Step {
    println!("\n== {name}");
    let start = Instant::now();
    let outcome = check();
    let took = start.elapsed();
    println!("== {name}: {} s", took.as_secs());
    Step { name, took, outcome }
}

fn summarise(steps: &[Step]) -> anyhow::Result<()> {
    println!();
    for Step { name, took, outcome } in steps {
        let verdict = match outcome {
            Ok(Outcome::Ok) => "ok".to_owned(),
            Ok(Outcome::NotChecked) => "NOT CHECKED here, see above".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        println!("{name:>14} {:>5} s  {verdict}", took.as_secs());
    }
    match steps.iter().filter(|step| step.outcome.is_err()).count() {
        0 => Ok(()),
        failed => bail!("{failed} of {} checks failed", steps.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So whatever passes here is built by the oldest compiler that is promised.
    #[test]
    fn the_pinned_compiler_is_the_oldest_that_is_promised() {
        let read = |file: &str| std::fs::read_to_string(shell::root().join(file)).unwrap();
        let value = |text: &str, key: &str| {
            let line = text.lines().find(|line| line.starts_with(key)).unwrap();
            line.split('"').nth(1).unwrap().to_owned()
        };
        let pinned = value(&read("rust-toolchain.toml"), "channel");
        let promised = value(&read("Cargo.toml"), "rust-version");
        assert_eq!(pinned, format!("{promised}.0"));
    }
}
