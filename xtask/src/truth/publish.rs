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
         are wanted.{} {} events of the probes were lost.",
        matrix.quiet_s,
        matrix.quiet_share() * 100.0,
        quiet_causes(matrix),
        QUIET * 100.0,
        holders(matrix),
        matrix.lost_events
    )?;
    text += &counts(matrix);
    text += "\n";
    text += NOTES;
    Ok(text)
}

/// Who took the core from the server meanwhile, if that was worth a hundredth of a per cent.
fn holders(matrix: &Matrix) -> String {
    let share = |ns: u64| ns as f64 / (matrix.quiet_s * 1e7);
    let mut all: Vec<(&String, f64)> =
        matrix.quiet_holders_ns.iter().map(|(name, ns)| (name, share(*ns))).collect();
    all.retain(|(_, share)| *share >= 0.01);
    all.sort_by(|one, other| other.1.total_cmp(&one.1));
    let said: Vec<String> =
        all.iter().take(6).map(|(name, share)| format!("{name} {share:.2} %")).collect();
    if said.is_empty() { String::new() } else { format!(" Who had the core: {}.", said.join(", ")) }
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

/// Those that stall no main thread.
fn counts(matrix: &Matrix) -> String {
    let head = "\nWhat stalls no main thread, or is told within another stall, is counted: it harms one \
                connection, ends the server, or is the disk's part of an fsync.\n\n\
                | induced | times | by | told by the probes |\n| --- | --- | --- | --- |\n";
    let rows = matrix.counts.iter().map(|count| {
        format!(
            "| {} | {} | {:.1}, {} | {:.1} |\n",
            count.name, count.count, count.truth, count.truth_source, count.told
        )
    });
    std::iter::once(head.to_owned()).chain(rows).collect()
}

/// Why some classes have no row, and how to read some that have.
const NOTES: &str = "\
Without a row: reclaim for the whole host and compaction. Their hooks attach, and they begin only \
where no memory is free: filling this host would let the kernel end processes at its choice. The \
same probe sees a memory cgroup that reclaims at its limit, which has a row. Behind the relay nothing is \
wrong with the server, and right is that nothing of it is blamed. Softirqs are watched by `--probes all` \
in that session; the others run with the default set.\n\n\
[The report of the first session](report.md) tells what happened when, in words, and the page that it \
belongs to is left in `target/truth`.\n";

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
    let found = row.found().map_or_else(|| "–".to_owned(), |found| percent(found, good(found)));
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
        "counts": matrix.counts.iter().map(|count| json!({
            "induced": count.name, "truth": count.truth_source, "count": count.count,
            "induced_sum": count.truth, "told_sum": count.told,
        })).collect::<Vec<_>>(),
        "suite": "truth", "seed": seed, "repeats": repeats, "host": facts, "rows": rows,
        "quiet_seconds": matrix.quiet_s, "quiet_ns": matrix.quiet_ns,
        "quiet_holders_ns": matrix.quiet_holders_ns, "quiet_share": matrix.quiet_share(), "lost_events": matrix.lost_events,
    })
}
