//! A plan as Markdown, which reads on a terminal, too.

use std::fmt::Write as _;

use crate::need::WorkingSet;
use crate::plan::{Line, Plan, bytes};

/// The page.
#[must_use]
pub fn markdown(plan: &Plan) -> String {
    let need = &plan.need;
    let kept = match need.working_set {
        WorkingSet::Keys(keys) => format!("{keys} keys"),
        WorkingSet::Bytes(count) => bytes(count as f64),
    };
    let mut text = format!(
        "# {} shard{} of 1 primary and {} replica{}: {} nodes\n\nFor {:.0} requests/s ({:.0} % reads) on {kept} \
         with values of {} bytes, within {}, at {:.0} % of the measured ceiling.\n\n\
         | what | how much | formula | with figures | measured by |\n|---|--:|---|---|---|\n",
        plan.shards,
        if plan.shards == 1 { "" } else { "s" },
        need.replicas,
        if need.replicas == 1 { "" } else { "s" },
        plan.nodes,
        need.ops_per_s,
        need.reads * 100.0,
        need.value_bytes,
        need.objective.text,
        need.utilisation * 100.0,
    );
    for line in &plan.lines {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            line.what,
            amount(line),
            line.formula,
            line.figures,
            line.measured.replace('|', "/")
        );
    }
    text.push('\n');
    for caution in &plan.cautions {
        let _ = writeln!(text, "- {caution}.");
    }
    text += "\nMeasured on, and true for no other host:\n\n";
    for host in &plan.hosts {
        let _ = writeln!(text, "- {host}");
    }
    text
}

fn amount(line: &Line) -> String {
    match line.unit {
        "bytes" => bytes(line.value),
        "" => format!("{:.0}", line.value),
        unit if line.value >= 100.0 => format!("{:.0} {unit}", line.value),
        unit => format!("{:.1} {unit}", line.value),
    }
}
