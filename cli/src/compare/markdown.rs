//! A comparison as a table for a pull request.

use std::fmt::Write as _;

use stallion_compare::{Answer, Comparison};

use super::figure;
use super::table::given;

pub(super) fn render(comparison: &Comparison) -> String {
    let mut text = format!("**{}**\n\n", comparison.verdict());
    text.push_str("| | before | after | difference | answer |\n|---|--:|--:|--:|---|\n");
    for difference in &comparison.differences {
        let metric = difference.metric;
        let conclusion = difference.conclusion();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            metric.name(),
            figure(metric, difference.before),
            figure(metric, difference.after),
            difference.change(),
            match difference.answer {
                Answer::Slower | Answer::Faster => format!("**{conclusion}**"),
                Answer::Same | Answer::NotEnoughData => conclusion,
            }
        );
    }
    for condition in &comparison.conditions {
        // A bar would end the cell.
        let cell = |value: &str| given(value).replace('|', "\\|");
        let (before, after) = (cell(&condition.before), cell(&condition.after));
        let mark = if condition.doubtful { "**differs**" } else { "" };
        let _ = writeln!(text, "| {} | {before} | {after} | {mark} | |", condition.what);
    }
    let _ = writeln!(
        text,
        "\n{} ({} requests) against {} ({} requests); response times from the intended time on; in \
         brackets the intervals of the ratios, by a block bootstrap, all together at 95 %.",
        comparison.after, comparison.requests[1], comparison.before, comparison.requests[0]
    );
    for note in comparison.warnings() {
        let _ = writeln!(text, "\nNote: {note}.");
    }
    text
}
