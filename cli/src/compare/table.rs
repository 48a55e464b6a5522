//! A comparison as a table on the terminal.

use std::fmt::Write as _;

use stallion_compare::{Comparison, Difference};

use super::figure;
use crate::client::human_count;

pub(super) fn render(comparison: &Comparison) -> String {
    let side = |name: &str, place: usize| {
        let requests = human_count(comparison.requests[place] as f64);
        match comparison.runs[place] {
            1 => format!("{name} ({requests} requests)"),
            runs => format!("{name} ({requests} requests in {runs} runs)"),
        }
    };
    let mut text = format!(
        "before   {}\nafter    {}\n\n",
        side(&comparison.before, 0),
        side(&comparison.after, 1)
    );
    let _ = writeln!(
        text,
        "  {:<7} {:>9} {:>21}  {:>9} {:>21}  {:<32}  answer",
        "", "before", "[95 %]", "after", "[95 %]", "difference"
    );
    comparison.differences.iter().for_each(|difference| text.push_str(&row(difference)));
    text.push('\n');
    for condition in &comparison.conditions {
        let values = match (condition.before.as_str(), condition.after.as_str()) {
            (before, after) if before == after => format!("both {before}"),
            (before, after) => format!("before {} | after {}", given(before), given(after)),
        };
        let mark = if condition.doubtful { "!" } else { " " };
        let _ = writeln!(text, "{mark} {:<22} {values}", condition.what);
    }
    for warning in comparison.warnings() {
        let _ = writeln!(text, "! {:<22} {warning}", "note");
    }
    let _ = writeln!(text, "\n  verdict  {}", comparison.verdict());
    text
}

pub(super) fn given(value: &str) -> &str {
    if value.is_empty() { "-" } else { value }
}

fn row(difference: &Difference) -> String {
    let Difference { metric, before, before_interval, after, after_interval, .. } = difference;
    let interval = |[low, high]: [f64; 2]| match difference.ratio_interval {
        Some(_) => format!("[{}, {}]", figure(*metric, low), figure(*metric, high)),
        None => String::new(),
    };
    format!(
        "  {:<7} {:>9} {:>21}  {:>9} {:>21}  {:<32}  {}\n",
        metric.name(),
        figure(*metric, *before),
        interval(*before_interval),
        figure(*metric, *after),
        interval(*after_interval),
        difference.change(),
        difference.conclusion()
    )
}
