//! `stallion triage`: why the hit rate fell.

mod stalls;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use stallion_server::duration;
use stallion_stack::Interrupt;
use stallion_stack::survey::{Survey, SurveyError};
use stallion_triage::facts::FORMAT;
use stallion_triage::{Facts, Triage, Verdict, render, triage};

use crate::client::{self, Place};
use crate::exit::{Failure, Outcome};

const EXAMPLES: &str = "\
Examples:
  stallion triage -p 6379                                    against the server's own counters
  stallion triage -p 6379 --save good-day.json               keep what a good day looks like …
  stallion triage -p 6379 --since good-day.json              … and compare with it
  stallion triage -p 7000 --for 10s --json - | jq .cause     a cluster; one node finds the others

It reads INFO twice, CLUSTER NODES, SLOWLOG, LATENCY and a sample of the keys (SCAN, PTTL, OBJECT
IDLETIME), and as root on the server's own host watches its stalls with the probes. Nothing is changed;
hits that its own look at the keys counts fall outside of the window. It knows five causes: evictions,
shorter times to live, renamed keys, a degraded cluster, resharding.

Exit: 0 healthy, 99 a cause is named, 3 it fell (or nobody reads) and no cause is shown, 2 it could not ask.";

/// Keys that are looked at in all; more is more load than it is worth.
const MOST_SAMPLED: usize = 100_000;
const LONGEST_WINDOW: Duration = Duration::from_secs(3_600);

/// The flags of `triage`.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    /// How long to watch the counters
    #[arg(long = "for", value_name = "TIME", default_value = "5s", value_parser = duration::parse)]
    window: Duration,
    /// Compare with what an earlier triage wrote (--save or --json)
    #[arg(long, value_name = "FILE", alias = "baseline")]
    since: Option<PathBuf>,
    /// Write what was seen, for a later --since
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// How many keys to look at
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    sample: usize,
    /// Do not watch the server's stalls (needs no root then)
    #[arg(long)]
    no_probes: bool,
    /// Write verdict, evidence and everything that was seen as one JSON object to a file, or to standard
    /// output with -
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What `--json` writes.
#[derive(Debug, Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    triage: &'a Triage,
    facts: &'a Facts,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let survey = survey(args)?;
    let before = args.since.as_deref().map(read).transpose()?;
    let target = args.place.lab_target()?;
    let interrupt = Interrupt::on_signals().context("cannot handle Ctrl-C")?;
    let ask = |watched: &mut dyn FnMut()| survey.ask(&target, &interrupt, watched);
    let facts = if args.no_probes { ask(&mut || {}) } else { stalls::watched(&target, ask) };
    let facts = facts.map_err(|error| match error {
        SurveyError::Interrupted => Failure::Failed(error.into()),
        SurveyError::Target(_) | SurveyError::Refused { .. } => Failure::usage(error),
    })?;
    if let Some(path) = &args.save {
        let text = serde_json::to_string(&facts).context("what was seen as JSON")? + "\n";
        std::fs::write(path, text).with_context(|| format!("--save {}", path.display()))?;
    }
    let told = triage(&facts, before.as_ref());
    if args.json.as_deref() != Some(Path::new("-")) {
        print!(
            "{}",
            render::text(&told, &facts, &compared_with(args, &told, &facts, before.as_ref()))
        );
    }
    if let Some(path) = &args.json {
        client::write_json(path, &Told { triage: &told, facts: &facts })?;
    }
    match told.verdict {
        Verdict::Healthy => Ok(()),
        Verdict::Named(_) => Err(Failure::Said(99)),
        Verdict::NotShown => Err(Failure::Said(3)),
    }
}

fn survey(args: &Args) -> Result<Survey, Failure> {
    if !(1..=MOST_SAMPLED).contains(&args.sample) {
        let text = format!("--sample is out of range: give 1 to {MOST_SAMPLED}");
        return Err(Failure::usage(text));
    }
    if args.window < Duration::from_millis(100) || args.window > LONGEST_WINDOW {
        return Err(Failure::usage("--for is out of range: give 100ms to 1h"));
    }
    Ok(Survey { window: args.window, sample: args.sample })
}

/// What an earlier triage saw, as `--save` or as `--json` wrote it.
fn read(path: &Path) -> Result<Facts, Failure> {
    let wrong = |what: String| Failure::usage(format!("--since {}: {what}", path.display()));
    let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let mut value: serde_json::Value = serde_json::from_slice(&text)
        .map_err(|error| wrong(format!("no JSON ({error}); give a file that --save wrote")))?;
    if let Some(facts) = value.get_mut("facts") {
        value = facts.take();
    }
    let format = value["format"].as_u64();
    if format != Some(u64::from(FORMAT)) {
        let text = "not what `stallion triage --save` of this version writes; save it anew";
        return Err(wrong(text.to_owned()));
    }
    serde_json::from_value(value)
        .map_err(|error| wrong(format!("not what `stallion triage --save` writes ({error})")))
}

/// What now was compared with, in words.
fn compared_with(args: &Args, told: &Triage, now: &Facts, before: Option<&Facts>) -> String {
    match (&args.since, before) {
        (Some(path), Some(before)) => {
            let ago = Duration::from_secs_f64((now.at_unix_s - before.at_unix_s).clamp(0.0, 1e9));
            let ago = humantime::format_duration(Duration::from_secs(ago.as_secs()));
            format!("{}, {ago} ago", path.display())
        }
        _ if told.against == "life" => {
            "the counters since the servers' start (give --since FILE for a better one)".to_owned()
        }
        _ => "nothing: the servers have hardly been read before (give --since FILE)".to_owned(),
    }
}
