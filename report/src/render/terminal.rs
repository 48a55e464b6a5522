//! A few lines for the terminal: findings and shares.

use crate::analysis::Analysis;
use crate::finding::{Tone, findings};
use crate::render::markdown::{facts, title};

/// The summary that `stallion report` prints.
#[must_use]
pub fn render(analysis: &Analysis) -> String {
    let mut lines = vec![title(analysis), format!("  {}", facts(analysis)), String::new()];
    for finding in findings(analysis) {
        let mark = match finding.tone {
            Tone::Fact => "•",
            Tone::Caution => "!",
        };
        lines.push(format!("{mark} {}", finding.headline));
        if !finding.detail.is_empty() {
            lines.push(format!("    {}", finding.detail));
        }
    }
    lines.join("\n") + "\n"
}
