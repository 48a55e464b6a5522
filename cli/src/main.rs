//! `stallion`: one verb for each thing a user does; one file for each verb.

mod exit;

mod settings;

mod client;

mod log;

mod inputs;

mod live;

mod compare;

mod capture;

mod ceiling;
mod chaos;
mod doctor;
mod export;
mod lab;
mod load;
mod null;
mod plan;
mod shell;
mod triage;

mod drive;
mod probe;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};

/// Drives a Redis or Valkey shard to its ceiling and names every stall it meets on the way.
#[derive(Debug, Parser)]
#[command(name = "stallion", version, about, propagate_version = true)]
#[command(after_help = HELP)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    everywhere: Everywhere,
}

const HELP: &str = "\
Examples:
  stallion doctor                                    what can this host do, and what is missing?
  stallion load -p 6379 --keys 1000000               fill a server
  stallion drive -p 6379 --rate 20000 --tui          measure it, on the whole terminal
  stallion report results/run                        what its spikes were due to
  stallion help drive                                every flag of a verb

Every flag may also be set by the environment (STALLION_DRIVE_RATE=20000) or by a file, stallion.toml
(rate = 20000 under [drive]); the command line goes first. `stallion shell --settings` prints such a
file with every flag.";

/// The flags of every verb.
#[derive(Debug, clap::Args)]
struct Everywhere {
    /// Read flags from this file, or from none [default: stallion.toml, where there is one]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    config: Option<PathBuf>,
    /// Log to standard error: a level such as info or debug, or levels by part such as
    /// stallion_client::control=debug
    #[arg(long, global = true, value_name = "LEVEL", value_parser = log::filter, help_heading = "Everywhere")]
    log: Option<log::Filter>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Fill a server with N seeded keys, and check that they are there
    Load(Box<load::Args>),
    /// The measured run: open or closed model, response and service time, a timeline
    Drive(Box<drive::Args>),
    /// Find the highest rate that meets an objective, and what bounds it
    Ceiling(Box<ceiling::Args>),
    /// Watch a redis-server with eBPF and write down what stalls it (root)
    Probe(probe::Args),
    /// Inject one fault: bgsave, pause, bigkey-on, reshard, kill-primary and more
    Chaos(Box<chaos::Args>),
    /// Join timelines, attribute spikes to stalls, write HTML, Markdown and JSON
    Report(report::Args),
    /// Say whether one run was slower than another, or only looks so
    Compare(compare::Args),
    /// Turn a run into the files of other tools: HdrHistogram, memtier, CSV, Perfetto, Parquet
    Export(export::Args),
    /// Say why the hit rate fell: evictions, shorter times to live, renamed keys, a degraded cluster,
    /// or resharding
    Triage(triage::Args),
    /// How many shards, how much memory, how many connections: from what was measured, with formulas
    Plan(Box<plan::Args>),
    /// Write down what clients ask a server (MONITOR), for drive --trace
    Capture(capture::Args),
    /// Run a scenario: servers, load, drive, chaos, probes and report by one command
    Lab(lab::Args),
    /// A RESP server as cheap as possible, to measure the client's own ceiling
    Null(null::Args),
    /// Completions of a shell, or the manual's pages, made from these flags
    Shell(shell::Args),
    /// Say what this host can and cannot do, and how to fix it
    Doctor(doctor::Args),
}

fn main() -> ExitCode {
    let words = chaos::modern(std::env::args_os().collect());
    let completed = match words.and_then(|words| settings::complete(&Cli::command(), words)) {
        Ok(completed) => completed,
        Err(failure) => return exit::code(Err(failure)),
    };
    let Cli { verb, everywhere } = match Cli::try_parse_from(&completed.words) {
        Ok(cli) => cli,
        Err(error) => return ExitCode::from(completed.refuse(&error)),
    };
    let Everywhere { config, log } = everywhere;
    log.iter().for_each(log::begin);
    tracing::debug!(?config, "settings");
    let outcome = exit::unless_unheard(|| {
        completed.tell();
        run(&verb)
    });
    log::release();
    exit::code(outcome)
}

fn run(verb: &Verb) -> exit::Outcome {
    match verb {
        Verb::Load(args) => load::run(args),
        Verb::Drive(args) => drive::run(args),
        Verb::Ceiling(args) => ceiling::run(args),
        Verb::Probe(args) => probe::run(args),
        Verb::Chaos(args) => chaos::run(args),
        Verb::Report(args) => report::run(args),
        Verb::Compare(args) => compare::run(args),
        Verb::Export(args) => export::run(args),
        Verb::Triage(args) => triage::run(args),
        Verb::Plan(args) => plan::run(args),
        Verb::Capture(args) => capture::run(args),
        Verb::Lab(args) => lab::run(args),
        Verb::Null(args) => null::run(args),
        Verb::Shell(args) => shell::run(args, Cli::command()),
        Verb::Doctor(args) => doctor::run(args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The command lines of a verb's examples: what stands before two blanks, a pipe or another
    /// program.
    fn examples(help: &str) -> Vec<Vec<String>> {
        let lines = help.lines().filter_map(|line| {
            let line = line.trim_start().strip_prefix("sudo ").unwrap_or(line.trim_start());
            line.starts_with("stallion ").then_some(line)
        });
        let typed = |line: &str| {
            let ends = ["  ", " | ", " > ", " && "].map(|end| line.find(end).unwrap_or(line.len()));
            line[..ends.into_iter().min().unwrap_or(line.len())].to_owned()
        };
        lines.map(|line| words(&typed(line))).collect()
    }

    /// Words as a shell takes them apart, as far as the examples need it.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
        for letter in line.chars() {
            match (quote, letter) {
                (None, '\'' | '"') => quote = Some(letter),
                (Some(open), _) if open == letter => quote = None,
                (None, ' ') => words.push(std::mem::take(&mut word)),
                _ => word.push(letter),
            }
        }
        words.push(word);
        words
    }

    #[test]
    fn every_verb_teaches_by_examples_that_parse() {
        let program = Cli::command();
        for verb in program.get_subcommands() {
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            let examples = examples(&help);
            assert!(!examples.is_empty(), "`stallion help {}` has no example", verb.get_name());
            for words in examples {
                let error = Cli::try_parse_from(&words).err().map(|error| error.to_string());
                assert_eq!(error, None, "{}", words.join(" "));
            }
        }
    }

    #[test]
    fn the_flags_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }
}
