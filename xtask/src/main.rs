//! The project's own commands: `cargo xtask COMMAND`. One file for each.

mod shell;

mod install;

mod child;

mod prober;

mod ebpf;

mod tidy;

mod fuzz;

mod deny;

mod dist;

mod roots;

mod book;

mod test;

mod demo;

mod host;

mod bench;

mod truth;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;

use crate::test::Circle;

const USAGE: &str = "\
cargo xtask COMMAND

  demo [--quick]  from nothing to a report: installs what is missing, builds, runs the scenario
                  `demo` against a real server, and writes results/demo/ (--quick: under 40 s)
  test [--all]    installs what the tests need, then runs those a developer waits for
                  (--all: every test and every check, as CI does)
  setup demo|test|test --all
                  installs what they need, and no more
  fuzz [--for TIME] [--target NAME] [--merge]
                  fuzzes the parsers of replies, trees and redirects, each for so long (10m), or adds
                  what was found to the committed corpus (needs a C++ compiler)
  tidy            checks what a machine can check of the project's rules
  deny            holds the dependencies against deny.toml: licences, sources, bans, advisories
  dist [--debug]  packs target/dist/release/ for x86-64 and aarch64: .deb, .rpm, archives with static
                  programs, debug information, checksums (--debug: the packing alone, with the
                  program that tests built)
  roots           installs the packages, and what demo and test need, in clean Debian roots (root)
  book            writes the book's reference of the command line, and builds the book (docs/book)
                  into target/book/
  ebpf [--check]  for those who change probes/ebpf or probes-common: compiles the eBPF objects that
                  every build embeds, probes/object (--check: compares them, byte by byte)
  truth [--quick] [--seed N] [--only WORDS]
                  induces stalls whose length is known, and writes what the probes and the report
                  make of them to results/truth/ (root, an idle host, eight minutes); --only: those
                  with these words in their name (or quiet), and nothing is written
  bench NAME [--quick]
                  measures: engine, peers, pacing, hot, link, load, scale, ceiling, probes,
                  cluster, hotkey or metrics;
                  writes results/bench/ and docs/book/src/performance.md (on an idle host, up to ten minutes;
                  `load` needs 12 GB of memory; --quick: less of all, and writes nothing)

Whatever is to be installed is said first: what, where and how big. Where there is a terminal it is
asked for, too, unless a command ends with --yes.
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn truth(flags: &[&str]) -> anyhow::Result<()> {
    let mut effort = truth::Effort { seed: 1, quick: false, only: None };
    let mut left = flags.iter();
    while let Some(flag) = left.next() {
        match (*flag, left.as_slice()) {
            ("--quick", _) => effort.quick = true,
            ("--seed", [seed, ..]) => effort.seed = seed.parse()?,
            ("--only", [words, ..]) => effort.only = Some(words),
            _ => bail!("truth takes --quick, --seed N and --only WORDS"),
        }
        if *flag != "--quick" {
            left.next();
        }
    }
    truth::run(&effort)
}

fn fuzz(flags: &[&str]) -> anyhow::Result<()> {
    let (mut length, mut target, mut merge) = (Duration::from_secs(600), None, false);
    let mut rest = flags;
    while !rest.is_empty() {
        rest = match *rest {
            ["--for", time, ref rest @ ..] => {
                length = fuzz::length(time)?;
                rest
            }
            ["--target", name, ref rest @ ..] => {
                target = Some(name);
                rest
            }
            ["--merge", ref rest @ ..] => {
                merge = true;
                rest
            }
            _ => bail!("fuzz takes --for TIME, --target NAME and --merge"),
        };
    }
    fuzz::run(length, target, merge)
}

fn run(args: &[String]) -> anyhow::Result<()> {
    let mut words: Vec<&str> = args.iter().map(String::as_str).collect();
    if words.last() == Some(&"--yes") {
        words.pop();
        install::agree();
    }
    match words.as_slice() {
        ["demo"] => demo::run(false),
        ["demo", "--quick"] => demo::run(true),
        ["test"] => test::run(Circle::Inner),
        ["test", "--all"] => test::run(Circle::All),
        ["setup", "demo"] => demo::set_up(),
        ["setup", "test"] => test::set_up(Circle::Inner),
        ["setup", "test", "--all"] => test::set_up(Circle::All),
        ["tidy"] => tidy::run(&[]),
        ["fuzz", flags @ ..] => fuzz(flags),
        ["deny"] => deny::check().map(drop),
        ["dist"] => dist::run(),
        ["roots"] => roots::run(),
        ["dist", "--debug"] => dist::check(&[]),
        ["ebpf"] => ebpf::run(),
        ["book"] => book::run(&[]),
        ["ebpf", "--check"] => ebpf::check().map(drop),
        ["truth", flags @ ..] => truth(flags),
        ["bench", name] => bench::run(name, false),
        ["bench", name, "--quick"] => bench::run(name, true),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        [] => bail!("no command given\n\n{USAGE}"),
        _ => bail!("`{}` is no command\n\n{USAGE}", words.join(" ")),
    }
}
