//! How often `compare` answers rightly, with runs whose truth is known: simulated ones, and real ones that
//! are dealt to two sides by chance. Nothing here depends on the speed of the host.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::effort::Effort;
use super::publish::{Table, publish};
use crate::shell;

/// Pairs of runs for each scenario and true ratio.
const TRIALS: u64 = 400;
const QUICK_TRIALS: u64 = 10;

/// Timelines of real runs, left there by whoever wants them to be dealt, too.
const REAL_RUNS: &str = "target/bench/compare";

pub(super) fn run(effort: Effort) -> anyhow::Result<()> {
    let trials = if effort.publish { TRIALS } else { QUICK_TRIALS };
    let text = shell::output(&words(&trials.to_string(), &real_runs()))?;
    let rows: Vec<Value> =
        text.lines().map(serde_json::from_str).collect::<Result<_, _>>().context("trials")?;
    ensure!(!rows.is_empty(), "no trials in what was printed:\n{text}");
    let mut table = Table::new(&[
        "runs",
        "true ratio",
        "intervals hold the truth",
        "false alarms",
        "wrongly same",
        "found, of the judged",
        "found, of the promised",
    ]);
    let mut order: Vec<&Value> = rows.iter().collect();
    order.sort_by_key(|row| row["scenario"].as_str().unwrap_or_default().to_owned());
    table.rows = order.iter().map(|row| cells(row)).collect();
    let note = format!(
        "{trials} pairs of runs for each row, each run 30 s of 3 000 requests a second (a real one: 60 s), \
         by seed. *Intervals hold the truth*: all of a comparison's at once, 95 % is promised. *False \
         alarm*: any figure is called slower or faster against the truth. *Promised*: percentiles whose \
         interval has a half-width of at most 1/1.55 of the true ratio's logarithm. Drift, the same in \
         both runs, makes intervals wider than need be: a run that drifts does not tell chance from drift, \
         and a warning says so."
    );
    publish("compare", effort, json!({ "trials": trials, "rows": rows }), &[table], &note)
}

fn words<'a>(trials: &'a str, real: &'a [String]) -> Vec<&'a str> {
    let program =
        ["cargo", "run", "--quiet", "--package", "stallion-compare", "--example", "trials"];
    let mut words = program.to_vec();
    words.extend(["--", trials]);
    words.extend(real.iter().map(String::as_str));
    words
}

fn real_runs() -> Vec<String> {
    let Ok(folder) = std::fs::read_dir(shell::root().join(REAL_RUNS)) else { return Vec::new() };
    let paths = folder.flatten().map(|entry| entry.path());
    let timelines = paths.filter(|path| path.extension().is_some_and(|it| it == "jsonl"));
    let mut names: Vec<String> = timelines.map(|path| path.display().to_string()).collect();
    names.sort();
    names
}

fn cells(row: &Value) -> Vec<String> {
    let count = |name: &str| row["tally"][name].as_u64().unwrap_or(0);
    let share = |part: &str, whole: &str| match count(whole) {
        0 => "–".to_owned(),
        all => format!("{:.1} %", count(part) as f64 / all as f64 * 100.0),
    };
    let ratio = row["ratio"].as_f64().unwrap_or(0.0);
    let found = |part: &str, whole: &str| {
        if ratio > 1.0 {
            format!("{} of {}", share(part, whole), count(whole))
        } else {
            "–".to_owned()
        }
    };
    vec![
        row["scenario"].as_str().unwrap_or_default().to_owned(),
        format!("{ratio}"),
        share("covered", "trials"),
        share("wrong", "trials"),
        format!("{} of {}", count("wrongly_same"), count("same")),
        found("found", "judged"),
        found("kept", "promised"),
    ]
}
