//! The matrix for people and for programs: `results/truth/`.

use std::fmt::Write as _;
use std::fs;

use serde_json::{Value, json};

use super::matrix::{Matrix, Row};
use crate::{host, shell};

/// Share of the induced time that must be on the right cause.
const FOUND: f64 = 0.95;

/// Share of a quiet time that may be attributed to anything.
const QUIET: f64 = 0.02;

pub(super) fn write(
    matrix: &Matrix,
    seed: u64,
    repeats: usize,
    publish: bool,
) -> anyhow::Result<()> {
    let facts = host::facts()?;
    let text = markdown(matrix, &facts, seed, repeats)?;
    println!("\n{text}");
    if !publish {
        println!("Too short to rely on: nothing was written.");
        return Ok(());
    }
    let folder = shell::root().join("results/truth");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("README.md"), text)?;
    fs::write(folder.join("report.md"), &matrix.story)?;
    let data = serde_json::to_string_pretty(&data(matrix, facts, seed, repeats))?;
    Ok(fs::write(folder.join("truth.json"), data + "\n")?)
}

fn markdown(matrix: &Matrix, facts: &Value, seed: u64, repeats: usize) -> anyhow::Result<String> {
    let mut text = format!(
        "# Induced against attributed\n\n`cargo xtask truth` (seed {seed}, {repeats} of each) on {}.\n\n\
         Each stall is made on purpose, at a random time over a steady load of 15 000 requests a \
         second, and timed by somebody who is not the prober. The matrix holds milliseconds for \
         which the server's main thread was stalled; **bold** is the cause that is right.\n\n",
        host::line(facts)
    );
    let causes = matrix.causes();
    writeln!(
        text,
        "| induced | times | ms, by | on its cause | of what was attributed | of the requests' delay | {} |",
        causes.join(" | ")
    )?;
    writeln!(text, "|{}", " --- |".repeat(6 + causes.len()))?;
    for row in &matrix.rows {
        writeln!(text, "{}", line(row, &causes))?;
    }
    writeln!(
        text,
        "\n\"On its cause\": attributed to the right cause, of the time that the source of truth says; \
         {:.0} % are wanted. \"Of what was attributed\": the rest was said of another cause within the \
         same time, true or not. \"Of the requests' delay\": of the slow requests that it met in its \
         first 250 ms.\n",
        FOUND * 100.0
    )?;
    writeln!(
        text,
        "In {:.0} s without a disturbance {:.2} % of the time was attributed to anything{}; at most {:.0} % \
         are wanted. {} events of the probes were lost.",
        matrix.quiet_s,
        matrix.quiet_share() * 100.0,
        quiet_causes(matrix),
        QUIET * 100.0,
        matrix.lost_events
    )?;
    text += "\n";
    text += ABSENT;
    Ok(text)
}

/// What it was attributed to, where that was a hundredth of a per cent or more.
fn quiet_causes(matrix: &Matrix) -> String {
    let share = |ns: u64| ns as f64 / (matrix.quiet_s * 1e7);
    let said: Vec<String> = matrix
        .quiet_ns
        .iter()
        .filter(|(_, ns)| share(**ns) >= 0.01)
        .map(|(cause, ns)| format!("{cause} {:.2} %", share(*ns)))
        .collect();
    if said.is_empty() { String::new() } else { format!(" ({})", said.join(", ")) }
}

/// Why some classes have no row.
const ABSENT: &str = "\
Without a row: `block_io`, because an instant that a disk request takes inside an fsync or a write is \
given to the call (its part of it is in the call's own words); `network`, because it harms one \
connection and stalls no thread (it is counted); `softirq`, which is off by default for its cost; and \
compaction and reclaim for the whole host, which take a host without free memory. The tests in \
`probes/tests/probes` provoke each of the first three ([docs/PROBES.md](../../docs/PROBES.md)).\n\n\
[The report of the first session](report.md) tells what happened when, in words.\n";

fn line(row: &Row, causes: &[&str]) -> String {
    let percent = |share: f64, good: bool| {
        format!("{:.1} %{}", share * 100.0, if good { "" } else { " (!)" })
    };
    let cells = causes.iter().map(|cause| {
        let ms = row.stalled_ns.get(*cause).copied().unwrap_or(0) as f64 / 1e6;
        match (ms < 0.05, row.expected.contains(cause)) {
            (true, _) => String::new(),
            (false, true) => format!("**{ms:.1}**"),
            (false, false) => format!("{ms:.1}"),
        }
    });
    let good = |found| (FOUND..=2.0 - FOUND).contains(&found);
    let found =
        row.found().map_or_else(|| "not provoked".to_owned(), |found| percent(found, good(found)));
    let mut all = vec![
        row.name.to_owned(),
        row.count.to_string(),
        format!("{:.1}, {}", row.truth_ns as f64 / 1e6, row.truth_source),
        found,
        percent(row.purity(), true),
        percent(row.of_delay(), true),
    ];
    all.extend(cells);
    format!("| {} |", all.join(" | "))
}

fn data(matrix: &Matrix, facts: Value, seed: u64, repeats: usize) -> Value {
    let rows: Vec<Value> = matrix
        .rows
        .iter()
        .map(|row| {
            json!({
                "induced": row.name, "expected": row.expected, "truth": row.truth_source,
                "count": row.count, "truth_ns": row.truth_ns, "stalled_ns": row.stalled_ns,
                "delay_ns": row.delay_ns, "found": row.found(), "purity": row.purity(),
                "of_delay": row.of_delay(),
            })
        })
        .collect();
    json!({
        "suite": "truth", "seed": seed, "repeats": repeats, "host": facts, "rows": rows,
        "quiet_seconds": matrix.quiet_s, "quiet_ns": matrix.quiet_ns,
        "quiet_share": matrix.quiet_share(), "lost_events": matrix.lost_events,
    })
}
