//! `stallion`: one verb for each thing a user does; one file for each verb.

mod exit;

mod client;

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

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};

/// Drives a Redis or Valkey shard to its ceiling and names every stall it meets on the way.
#[derive(Debug, Parser)]
#[command(name = "stallion", version, about, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
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
    /// One disturbance: bgsave, aof-rewrite, bigkey-on
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
    let verb = Cli::parse().verb;
    exit::code(exit::unless_unheard(|| run(&verb)))
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
