//! `stallion compare`: whether one run was slower than another, or only looks so.

mod causes;

mod table;

mod markdown;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use stallion_compare::comparison::MARGIN;
use stallion_compare::limit::read_percent;
use stallion_compare::{Causes, Comparison, Held, Limit, Metric, Side, compare, conditions};
use stallion_export::source::{Named, client};
use stallion_timeline::Timeline;

use crate::client::{self, human_count, human_us};
use crate::exit::{Failure, Outcome};
use crate::inputs;

const EXAMPLES: &str = "\
Examples:
  stallion compare results/before results/after
  stallion compare results/before results/after --fail-on 'p99>5%' --fail-on ops
  stallion compare --before runs/a1 runs/a2 runs/a3 --after runs/b1 runs/b2 runs/b3
  stallion compare before.hlog after.hlog --markdown -     HdrHistogram logs; a table for a pull request
Each figure is told to be the same (its whole interval lies within --margin), slower, faster, or that the
runs are not enough data, and what would be. Intervals (in brackets) are those of the ratio, by a
bootstrap over blocks of a run, over whole runs from three a side on; all of them together hold at 95 %.
Exit: 0 compared, 1 failed, 2 not comparable, 4 a --fail-on cannot be decided, 99 a --fail-on is broken.";

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
    /// Figures that differ by less are the same
    #[arg(long, value_name = "N%", default_value = "3%", value_parser = margin)]
    margin: f64,
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

fn margin(text: &str) -> Result<f64, String> {
    let percent = read_percent(text)?;
    if percent > 100.0 {
        return Err(format!("{text:?} is too wide for what is to be the same: give up to 100%"));
    }
    Ok(percent / 100.0)
}

/// What must not become worse; `drive` has the same.
#[derive(Debug, clap::Args)]
pub(crate) struct Limits {
    /// Exit 99 when this figure is worse by more than so much, 4 when the runs cannot tell: p50, p90, p99,
    /// p99.9, p99.99 or ops; may be given again
    #[arg(long, value_name = "FIGURE[>N%]")]
    fail_on: Vec<Limit>,
    /// What a --fail-on that cannot be decided does
    #[arg(long, value_enum, default_value_t = Undecided::Fail, requires = "fail_on")]
    undecided: Undecided,
}

/// What becomes of a limit that cannot be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Undecided {
    /// Exit 4
    Fail,
    /// Say so, and exit 0
    Pass,
}

impl Limits {
    /// Whether any was asked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.fail_on.is_empty()
    }

    fn check(&self, comparison: &Comparison) -> Outcome {
        let (mut broken, mut undecided) = (Vec::new(), Vec::new());
        for limit in &self.fail_on {
            match limit.held(comparison) {
                Held::Passed => {}
                Held::Broken(difference) => broken.push(difference.sentence()),
                Held::Undecided(difference) => undecided.push(difference.sentence()),
            }
        }
        let doubt = if comparison.is_doubtful() { " (a run had ended as invalid)" } else { "" };
        let undecided = format!("{}{doubt}", undecided.join("; "));
        if !broken.is_empty() {
            Err(Failure::SloBroken(broken.join("; ")))
        } else if undecided.is_empty() || undecided == doubt {
            Ok(())
        } else if self.undecided == Undecided::Pass {
            eprintln!("undecided, and passed as --undecided pass asks: {undecided}");
            Ok(())
        } else {
            Err(Failure::Undecided(undecided))
        }
    }
}

/// The runs of one side, as they are read.
struct Runs {
    named: Vec<Named>,
    causes: Causes,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let (before, after) = match args.runs.as_slice() {
        [before, after] => (std::slice::from_ref(before), std::slice::from_ref(after)),
        _ if args.before.is_empty() => {
            return Err(Failure::usage("name two runs, or several with --before and --after"));
        }
        _ => (args.before.as_slice(), args.after.as_slice()),
    };
    let comparison = compared(&Runs::read(before)?, &Runs::read(after)?, args.margin, args.seed)?;
    let on_stdout = |path: &Option<PathBuf>| path.as_deref() == Some(Path::new("-"));
    if !on_stdout(&args.json) && !on_stdout(&args.markdown) {
        print!("{}", table::render(&comparison));
    }
    if let Some(path) = &args.json {
        client::write_json(path, &comparison)?;
    }
    if let Some(path) = &args.markdown {
        let text = markdown::render(&comparison);
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
    let before = Runs::read(&[baseline.to_owned()])?;
    let after = Runs::read(&[folder.join("drive.jsonl")])?;
    let comparison = compared(&before, &after, MARGIN, 1)?;
    print!("\n{}", table::render(&comparison));
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

impl Runs {
    fn read(paths: &[PathBuf]) -> Result<Self, Failure> {
        Ok(Self { named: clients(paths)?, causes: causes::of(paths) })
    }

    fn timelines(&self) -> Vec<&Timeline> {
        self.named.iter().map(|run| &run.timeline).collect()
    }
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

fn compared(before: &Runs, after: &Runs, margin: f64, seed: u64) -> Result<Comparison, Failure> {
    let comparison = compare(&side(&before.named)?, &side(&after.named)?, margin, seed);
    let rows = conditions(&before.timelines(), &after.timelines());
    Ok(comparison.told([&before.causes, &after.causes], rows))
}

/// A figure in the unit of its metric.
fn figure(metric: Metric, value: f64) -> String {
    match metric {
        Metric::Ops => format!("{}/s", human_count(value)),
        _ => human_us(value / 1e3),
    }
}
