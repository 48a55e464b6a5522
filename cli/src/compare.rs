//! `stallion compare`: whether one run was slower than another, or only looks so.

mod markdown;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;
use stallion_compare::{Comparison, Difference, Limit, Metric, Side, Verdict, compare};
use stallion_export::source::{Named, client};
use stallion_timeline::Timeline;

use crate::client::{self, human_count, human_us};
use crate::exit::{Failure, Outcome};
use crate::inputs;

const EXAMPLES: &str = "\
Examples:
  stallion compare results/before results/after
  stallion compare results/before results/after --fail-on 'p99>5%' --fail-on ops   exit 99 if worse
  stallion compare --before runs/a1 runs/a2 runs/a3 --after runs/b1 runs/b2 runs/b3
  stallion compare before.hlog after.hlog --markdown -     HdrHistogram logs; a table for a pull request
A difference is real when chance does not explain it: the intervals (in brackets) come from a bootstrap
over blocks of the timelines' intervals, and all of them together hold at 95 %.
Exit: 0 compared, 1 failed, 2 not comparable, 99 a --fail-on was broken.";

/// The flags of `compare`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The run before, and the run after: timelines, their folders, or HdrHistogram logs
    #[arg(value_name = "RUN", num_args = 2, conflicts_with_all = ["before", "after"])]
    runs: Vec<PathBuf>,
    /// Several runs of what was before
    #[arg(long, value_name = "RUN", num_args = 1.., requires = "after")]
    before: Vec<PathBuf>,
    /// Several runs of what is now
    #[arg(long, value_name = "RUN", num_args = 1.., requires = "before")]
    after: Vec<PathBuf>,
    #[command(flatten)]
    limits: Limits,
    /// Write the table as Markdown to a file, or to standard output with -
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write all figures as one JSON object to a file, or to standard output with -
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Seed of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

/// What must not become worse; `drive` has the same.
#[derive(Debug, clap::Args)]
pub(crate) struct Limits {
    /// Exit 99 when this figure is really worse by more than so much: p50, p90, p99, p99.9, p99.99 or
    /// ops; may be given again
    #[arg(long, value_name = "FIGURE[>N%]")]
    fail_on: Vec<Limit>,
}

impl Limits {
    /// Whether any was asked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.fail_on.is_empty()
    }

    fn check(&self, comparison: &Comparison) -> Outcome {
        let broken: Vec<String> = self
            .fail_on
            .iter()
            .filter_map(|limit| limit.broken(comparison))
            .map(Difference::sentence)
            .collect();
        if broken.is_empty() { Ok(()) } else { Err(Failure::SloBroken(broken.join("; "))) }
    }
}

pub(crate) fn run(args: &Args) -> Outcome {
    let (before, after) = match args.runs.as_slice() {
        [before, after] => (std::slice::from_ref(before), std::slice::from_ref(after)),
        _ if args.before.is_empty() => {
            return Err(Failure::usage("name two runs, or several with --before and --after"));
        }
        _ => (args.before.as_slice(), args.after.as_slice()),
    };
    let (before, after) = (clients(before)?, clients(after)?);
    let comparison = compared(&before, &after, args.seed)?;
    let on_stdout = |path: &Option<PathBuf>| path.as_deref() == Some(Path::new("-"));
    if !on_stdout(&args.json) && !on_stdout(&args.markdown) {
        print!("{}", table(&comparison));
        notes(&before, &after).iter().for_each(|note| println!("  note     {note}"));
    }
    if let Some(path) = &args.json {
        client::write_json(path, &comparison)?;
    }
    if let Some(path) = &args.markdown {
        let text = markdown::render(&comparison, &notes(&before, &after));
        if on_stdout(&args.markdown) {
            print!("{text}");
        } else {
            std::fs::write(path, text).with_context(|| format!("--markdown {}", path.display()))?;
        }
    }
    args.limits.check(&comparison)
}

/// The run that was just written, against an earlier one.
pub(crate) fn with_baseline(baseline: &Path, folder: &Path, limits: &Limits) -> Outcome {
    let before = clients(&[baseline.to_owned()])?;
    let after = clients(&[folder.join("drive.jsonl")])?;
    let comparison = compared(&before, &after, 1)?;
    print!("\n{}", table(&comparison));
    notes(&before, &after).iter().for_each(|note| println!("  note     {note}"));
    limits.check(&comparison)
}

/// That a baseline is there, can be compared with and is not about to be overwritten is known before
/// the run.
pub(crate) fn check_baseline(baseline: &Path, out: Option<&Path>) -> Outcome {
    let same = |out: &Path| {
        let ours = out.canonicalize().ok();
        let theirs = baseline.canonicalize().ok();
        let folder = theirs.as_ref().filter(|path| path.is_file()).and_then(|path| path.parent());
        ours.is_some() && (ours == theirs || ours.as_deref() == folder)
    };
    if out.is_some_and(same) {
        let text = format!(
            "--out would overwrite the --baseline {}: give another folder",
            baseline.display()
        );
        return Err(Failure::usage(text));
    }
    let before = clients(&[baseline.to_owned()])?;
    side(&before).map(|_| ())
}

/// The client's timeline of each run.
fn clients(paths: &[PathBuf]) -> Result<Vec<Named>, Failure> {
    let one = |path: &PathBuf| {
        let timelines: Vec<Timeline> = inputs::read(std::slice::from_ref(path))?
            .into_iter()
            .map(|named| named.timeline)
            .collect();
        let timeline = client(&timelines)
            .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?
            .clone();
        Ok(Named { name: path.display().to_string(), timeline })
    };
    paths.iter().map(one).collect()
}

fn side(runs: &[Named]) -> Result<Side, Failure> {
    let name = match runs {
        [one] => one.name.clone(),
        [first, rest @ ..] => format!("{} and {} more", first.name, rest.len()),
        [] => String::new(),
    };
    Side::of(&name, runs.iter().map(|run| &run.timeline)).map_err(Failure::usage)
}

fn compared(before: &[Named], after: &[Named], seed: u64) -> Result<Comparison, Failure> {
    Ok(compare(&side(before)?, &side(after)?, seed))
}

/// What makes a comparison doubtful: plans or hosts that differ.
fn notes(before: &[Named], after: &[Named]) -> Vec<String> {
    let (Some(first), Some(second)) = (before.first(), after.first()) else { return Vec::new() };
    let mut notes = Vec::new();
    let (left, right) = (&first.timeline.header, &second.timeline.header);
    if let (Value::Object(left), Value::Object(right)) = (&left.plan, &right.plan) {
        for (name, value) in left {
            let other = right.get(name).unwrap_or(&Value::Null);
            if value != other && !["target", "labels"].contains(&name.as_str()) {
                notes.push(format!("the plans differ in {name}: {value} and {other}"));
            }
        }
    }
    if left.host != right.host {
        notes.push(format!("the hosts differ: {} and {}", left.host.line(), right.host.line()));
    }
    notes
}

/// A figure in the unit of its metric.
fn figure(metric: Metric, value: f64) -> String {
    match metric {
        Metric::Ops => format!("{}/s", human_count(value)),
        _ => human_us(value / 1e3),
    }
}

fn table(comparison: &Comparison) -> String {
    let mut text = format!(
        "before   {} ({} requests)\nafter    {} ({} requests)\n\n",
        comparison.before,
        human_count(comparison.requests[0] as f64),
        comparison.after,
        human_count(comparison.requests[1] as f64)
    );
    let _ = writeln!(
        text,
        "  {:<7} {:>9} {:>19}  {:>9} {:>19}  difference",
        "", "before", "[95 %]", "after", "[95 %]"
    );
    for difference in &comparison.differences {
        let Difference { metric, before, before_interval, after, after_interval, .. } = difference;
        let interval = |[low, high]: [f64; 2]| {
            format!("[{}, {}]", figure(*metric, low), figure(*metric, high))
        };
        let name = metric.name();
        if difference.verdict == Verdict::TooFew {
            let _ = writeln!(text, "  {name:<7} too few requests beyond it to say");
            continue;
        }
        let sentence = difference.sentence();
        let _ = writeln!(
            text,
            "  {name:<7} {:>9} {:>19}  {:>9} {:>19}  {}",
            figure(*metric, *before),
            interval(*before_interval),
            figure(*metric, *after),
            interval(*after_interval),
            sentence.strip_prefix(name).unwrap_or(&sentence).trim()
        );
    }
    let _ = writeln!(text, "\n  verdict  {}", comparison.verdict());
    text
}
