//! A comparison as a table for a pull request.

use std::fmt::Write as _;

use stallion_compare::{Comparison, Verdict};

use super::figure;

pub(super) fn render(comparison: &Comparison, notes: &[String]) -> String {
    let mut text = format!("**{}**\n\n", comparison.verdict());
    text.push_str(
        "| | before | after | difference | 95 % interval | |\n|---|--:|--:|--:|--:|---|\n",
    );
    for difference in &comparison.differences {
        let metric = difference.metric;
        let [low, high] = difference.interval_percent;
        let _ = match difference.verdict {
            Verdict::TooFew => {
                writeln!(text, "| {} | | | | | too few requests to say |", metric.name())
            }
            verdict => writeln!(
                text,
                "| {} | {} | {} | {:+.1} % | {low:+.1} to {high:+.1} % | {} |",
                metric.name(),
                figure(metric, difference.before),
                figure(metric, difference.after),
                difference.percent,
                if verdict == Verdict::Real { "**real**" } else { "no difference shown" }
            ),
        };
    }
    let _ = writeln!(
        text,
        "\n{} ({} requests) against {} ({} requests); response times from the intended time on, \
         intervals by a bootstrap over blocks of the timelines.",
        comparison.after, comparison.requests[1], comparison.before, comparison.requests[0]
    );
    for note in notes {
        let _ = writeln!(text, "\nNote: {note}.");
    }
    text
}
