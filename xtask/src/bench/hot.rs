//! The pieces of the hot path in nanoseconds, by divan.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::effort::Effort;
use super::figures::tenth;
use super::publish::{Table, publish};
use crate::shell;

/// Calls in one timed call; `BATCH` of gen/client/benches/hot.rs.
const BATCH: f64 = 1_000.0;

pub(super) fn run(effort: Effort) -> anyhow::Result<()> {
    let seconds = effort.seconds.to_string();
    let text = shell::output(&[
        "cargo",
        "bench",
        "--package",
        "stallion-client",
        "--bench",
        "hot",
        "--",
        "--max-time",
        &seconds,
    ])?;
    let found = medians(&text);
    ensure!(!found.is_empty(), "no figures in what the benchmark printed:\n{text}");
    let mut table = Table::new(&["piece", "ns"]);
    let mut data = serde_json::Map::new();
    for (name, median_ns) in found {
        let each_ns = median_ns / BATCH;
        table.rows.push(vec![name.replace('_', " "), tenth(each_ns)]);
        data.insert(name, json!({ "median_ns": each_ns }));
    }
    let note = "One call, median; pieces are timed in batches of a thousand.";
    publish("hot", effort, Value::Object(data), &[table], note)
}

/// Name and median of each row of divan's table: its columns are name and fastest, slowest,
/// median, mean.
fn medians(text: &str) -> Vec<(String, f64)> {
    text.lines()
        .filter_map(|line| {
            let row = line.strip_prefix("├─ ").or_else(|| line.strip_prefix("╰─ "))?;
            let cells: Vec<&str> = row.split('│').map(str::trim).collect();
            let name = cells.first()?.split_whitespace().next()?;
            Some((name.to_owned(), nanoseconds(cells.get(2)?).ok()?))
        })
        .collect()
}

fn nanoseconds(text: &str) -> anyhow::Result<f64> {
    let (number, unit) = text.split_once(' ').context("no unit")?;
    let factor = match unit {
        "ps" => 1e-3,
        "ns" => 1.0,
        "µs" | "us" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        _ => anyhow::bail!("no unit of time: {unit}"),
    };
    Ok(number.parse::<f64>()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divans_table_is_read() {
        let text = "\
Timer precision: 20 ns
hot                     fastest       │ slowest       │ median        │ mean          │ samples │ iters
├─ draw_zipf_1e6        9.1 µs        │ 12.2 µs       │ 9.5 µs        │ 9.6 µs        │ 100     │ 400
│                       109 Mitem/s   │ 81 Mitem/s    │ 105 Mitem/s   │ 104 Mitem/s   │         │
╰─ record               950.1 ns      │ 1.2 µs        │ 960 ns        │ 1 µs          │ 100     │ 400
";
        let found = medians(text);
        assert_eq!(found.len(), 2);
        assert!(found[0].0 == "draw_zipf_1e6" && (found[0].1 - 9_500.0).abs() < 1e-6);
        assert!(found[1].0 == "record" && (found[1].1 - 960.0).abs() < 1e-6);
    }
}
