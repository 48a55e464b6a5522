//! A short report for pull requests and archives.

use askama::Template;

use crate::analysis::Analysis;
use crate::finding::{self, Finding, findings};
use crate::render::cluster;
use crate::render::tables::{self, Table};
use crate::words;

/// The form is in `templates/report.md`.
#[derive(Template)]
#[template(path = "report.md", escape = "none")]
struct Page {
    title: String,
    facts: String,
    findings: Vec<Finding>,
    sections: Vec<Section>,
    spikes: Vec<Spike>,
    worst: Vec<String>,
}

struct Section {
    title: &'static str,
    note: String,
    table: String,
}

struct Spike {
    headline: String,
    harm: String,
    shares: String,
    worst: Vec<String>,
}

/// The report as Markdown.
#[must_use]
pub fn render(analysis: &Analysis) -> String {
    let page = Page {
        title: title(analysis),
        facts: facts(analysis),
        findings: findings(analysis),
        spikes: analysis
            .spikes
            .iter()
            .map(|told| Spike {
                headline: cell(&finding::headline(analysis, told)),
                harm: finding::harm(told),
                shares: table(&tables::shares(&told.spike.attribution, &told.labels)),
                worst: told.worst.iter().map(finding::story).collect(),
            })
            .collect(),
        sections: sections(analysis),
        worst: analysis.worst.iter().map(finding::story).collect(),
    };
    // Rendering to a string fails only when a Display does, and these are strings.
    page.render().unwrap_or_default()
}

/// What was run, in one line.
#[must_use]
pub fn title(analysis: &Analysis) -> String {
    let target = &analysis.run.header.target;
    if target.is_empty() {
        "Stallion report".to_owned()
    } else {
        format!("Stallion report on {target}")
    }
}

/// Length, rates and host in one line.
#[must_use]
pub fn facts(analysis: &Analysis) -> String {
    let (run, traffic) = (&analysis.run, &analysis.traffic);
    let mut parts = Vec::new();
    if run.driven() {
        let model = run.summary.model.as_deref().unwrap_or("unknown");
        parts.push(format!("{model} model"));
        parts.push(format!("{:.1} s measured", traffic.seconds));
        parts.push(format!("{} ops/s answered", words::count(traffic.ops_per_sec.round() as u64)));
        parts.push(format!("{} due", words::count(traffic.due_per_sec.round() as u64)));
    }
    parts.push(run.header.host.line());
    parts.join(" · ")
}

fn sections(analysis: &Analysis) -> Vec<Section> {
    let labels: Vec<String> =
        analysis.total.shares.iter().map(|share| share.cause.name().to_owned()).collect();
    let all = [
        ("Response and service time", percentiles_note(), tables::percentiles(analysis)),
        (
            "Where the slow time went",
            total_note(analysis),
            tables::shares(&analysis.total, &labels),
        ),
        ("Stalled time of the server", stalled_note(), tables::stalled(analysis)),
        ("Probes against the server's own figures", String::new(), tables::crosscheck(analysis)),
        ("Stalls that the server's own tools miss", String::new(), tables::missed(analysis)),
        ("Accounting", String::new(), tables::accounting(analysis)),
        ("Probes", String::new(), tables::probes(analysis)),
        ("Files", String::new(), tables::sources(analysis)),
        ("Plan and host", String::new(), tables::plan(analysis)),
    ];
    let (latency, rest) = all.split_at(2);
    let between =
        cluster::parts(analysis).into_iter().map(|part| (part.title, part.note, part.table));
    latency
        .iter()
        .cloned()
        .chain(between)
        .chain(rest.iter().cloned())
        .filter(|(_, _, table)| !table.rows.is_empty())
        .map(|(title, note, rows)| Section { title, note, table: table(&rows) })
        .collect()
}

/// Why there are two kinds of latency.
#[must_use]
pub fn percentiles_note() -> String {
    "Response time counts from the moment at which a request was due, service time from its \
     sending: what lies between them is what a client hides that waits before it sends."
        .to_owned()
}

/// What the shares are shares of.
#[must_use]
pub fn total_note(analysis: &Analysis) -> String {
    format!(
        "{} (from {} that were sampled) waited {} in sum.",
        words::plural(analysis.total.requests, "slow request"),
        words::plural(analysis.total.sampled, "record"),
        words::duration(analysis.total.delay_ns),
    )
}

/// How overlapping stalls are told apart.
#[must_use]
pub fn stalled_note() -> String {
    "On the main thread each instant counts once, for the innermost stall; other threads do not \
     stall requests themselves."
        .to_owned()
}

fn table(table: &Table) -> String {
    let mut lines = vec![row(table.head.iter().map(|title| (*title).to_owned()))];
    lines.push(row(table.head.iter().map(|_| "---".to_owned())));
    lines.extend(table.rows.iter().map(|cells| row(cells.iter().map(|text| cell(text)))));
    lines.join("\n")
}

fn row(cells: impl Iterator<Item = String>) -> String {
    format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
}

/// Text of a timeline (a command of SLOWLOG, for one) must not break the table or the page.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace(['\n', '\r'], " ")
}
