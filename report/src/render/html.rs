//! One self-contained page that works offline.

use askama::Template;
use plotly::Plot;

use crate::analysis::Analysis;
use crate::attribute::{Attribution, Share};
use crate::finding::{self, Finding, Tone, findings};
use crate::render::cluster::{self, Part};
use crate::render::curves;
use crate::render::lanes::{self, Lane};
use crate::render::markdown::{facts, percentiles_note, stalled_note, title, total_note};
use crate::render::overview;
use crate::render::tables::{self, Table};
use crate::words;

/// Spikes told above the picture.
const HEADLINES: usize = 3;

/// The form is in `templates/report.html`, with its style and script beside it.
#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    title: String,
    facts: String,
    validity: Validity,
    headlines: Vec<Item>,
    further: Vec<Item>,
    overview: String,
    overview_px: usize,
    drawn_note: String,
    spikes: Vec<Spike>,
    spikes_untold: String,
    total: Vec<Segment>,
    total_note: String,
    percentile_curves: String,
    percentiles: Table,
    percentiles_note: String,
    worst: Vec<String>,
    cluster_figure: String,
    cluster_px: usize,
    cluster: Vec<Part>,
    sections: Vec<Section>,
    plotly: String,
}

struct Validity {
    class: &'static str,
    text: &'static str,
}

struct Item {
    finding: Finding,
    caution: bool,
    segments: Vec<Segment>,
}

/// A part of a share bar.
struct Segment {
    key: &'static str,
    label: String,
    share: String,
    width_percent: String,
    direct: String,
    inherited: String,
}

struct Spike {
    headline: String,
    harm: String,
    segments: Vec<Segment>,
    worst: Vec<String>,
    from_s: String,
    to_s: String,
    service: String,
    response: String,
}

struct Section {
    title: &'static str,
    note: String,
    table: Table,
}

/// The report as HTML, about 5 MB: the plotting script is in it.
#[must_use]
pub fn render(analysis: &Analysis) -> String {
    let run = &analysis.run;
    let lanes = lanes::lanes(run);
    let (overview, overview_px) = overview::figure(analysis, &lanes);
    let names: Vec<String> =
        analysis.total.shares.iter().map(|share| share.cause.name().to_owned()).collect();
    // What fits above the picture stands there; the rest is read after it.
    let (headlines, further) = findings(analysis)
        .into_iter()
        .map(|found| item(analysis, found))
        .partition(Item::is_headline);
    let page = Page {
        title: title(analysis),
        facts: facts(analysis),
        validity: validity(analysis),
        headlines,
        further,
        overview: for_script(overview),
        overview_px,
        drawn_note: drawn_note(analysis, &lanes),
        spikes: spikes(analysis),
        spikes_untold: spikes_untold(analysis),
        total: segments(&analysis.total, &names),
        total_note: total_note(analysis),
        percentile_curves: for_script(curves::figure(run)),
        percentiles: tables::percentiles(analysis),
        percentiles_note: percentiles_note(),
        worst: analysis.worst.iter().map(finding::story).collect(),
        cluster_figure: for_script(cluster::figure(analysis)),
        cluster_px: cluster::HEIGHT_PX,
        cluster: shown(analysis),
        sections: sections(analysis),
        plotly: plotly_script(),
    };
    // Rendering to a string fails only when a Display does, and these are strings.
    page.render().unwrap_or_default()
}

/// JSON inside a script element: `</script>` in a text would end it.
pub(super) fn for_script(json: String) -> String {
    json.replace('<', "\\u003c")
}

/// The plotting crate's own script. It hands out a second one for formulas, 2 MB that no plot
/// here needs.
pub(super) fn plotly_script() -> String {
    let scripts = Plot::offline_js_sources();
    let end = scripts.find("</script>").map_or(scripts.len(), |at| at + "</script>".len());
    scripts[..end].to_owned()
}

fn validity(analysis: &Analysis) -> Validity {
    match &analysis.run.summary.verdict {
        Some(verdict) if verdict.valid => Validity { class: "good", text: "valid run" },
        Some(_) => Validity { class: "bad", text: "invalid run" },
        None => Validity { class: "unknown", text: "validity unknown" },
    }
}

impl Item {
    fn is_headline(&self) -> bool {
        self.caution || self.finding.spike.is_some_and(|index| index < HEADLINES)
    }
}

fn item(analysis: &Analysis, finding: Finding) -> Item {
    let told = finding.spike.and_then(|index| analysis.spikes.get(index));
    Item {
        caution: finding.tone == Tone::Caution,
        segments: told
            .map_or_else(Vec::new, |told| segments(&told.spike.attribution, &told.labels)),
        finding,
    }
}

fn segments(attribution: &Attribution, labels: &[String]) -> Vec<Segment> {
    let mut shares: Vec<(&Share, &String)> = attribution.shares.iter().zip(labels).collect();
    shares.sort_by_key(|(share, _)| std::cmp::Reverse(share.share_basis_points));
    shares
        .into_iter()
        .map(|(share, label)| Segment {
            key: share.cause.key(),
            label: label.clone(),
            share: words::share(share.share_basis_points),
            width_percent: format!("{:.2}", f64::from(share.share_basis_points) / 100.0),
            direct: words::duration(share.direct_ns),
            inherited: words::duration(share.inherited_ns),
        })
        .collect()
}

fn spikes(analysis: &Analysis) -> Vec<Spike> {
    let axis_s = |time_ns| format!("{:.6}", analysis.run.axis_ns(time_ns) as f64 / 1e9);
    let told = analysis.spikes.iter();
    told.map(|told| Spike {
        headline: finding::headline(analysis, told),
        harm: finding::harm(told),
        segments: segments(&told.spike.attribution, &told.labels),
        worst: told.worst.iter().map(finding::story).collect(),
        from_s: axis_s(told.spike.start_ns),
        to_s: axis_s(told.spike.end_ns),
        service: words::duration(told.spike.service.p999_ns),
        response: words::duration(told.spike.response.p999_ns),
    })
    .collect()
}

fn spikes_untold(analysis: &Analysis) -> String {
    let (count, delay_ns) = analysis.spikes_untold;
    if count == 0 {
        return String::new();
    }
    format!(
        "And {}, together {}.",
        words::plural(count, "smaller spike"),
        words::duration(delay_ns)
    )
}

/// What the picture leaves out, and by which rule.
fn drawn_note(analysis: &Analysis, lanes: &[Lane]) -> String {
    let merged: usize = lanes.iter().map(|lane| lane.merged).sum();
    let per_point = analysis.run.slices.len().div_ceil(overview::POINTS).max(1);
    let mut notes = Vec::new();
    if per_point > 1 {
        notes.push(format!(
            "Each point stands for {per_point} intervals whose histograms were merged."
        ));
    }
    if merged > 0 {
        notes.push(format!(
            "{} nearer to a neighbour than 1/{} of the axis are drawn together with it.",
            words::plural(merged as u64, "stall"),
            lanes::RESOLUTION
        ));
    }
    notes.join(" ")
}

fn shown(analysis: &Analysis) -> Vec<Part> {
    let parts = cluster::parts(analysis).into_iter();
    parts.filter(|part| !part.table.rows.is_empty()).collect()
}

fn sections(analysis: &Analysis) -> Vec<Section> {
    let all = [
        ("Stalled time of the server", stalled_note(), tables::stalled(analysis)),
        (
            "Probes against the server's own figures",
            "Two independent measurements of the same events; the difference is in per cent of the server's figure.".to_owned(),
            tables::crosscheck(analysis),
        ),
        (
            "Stalls that the server's own tools miss",
            "Single stalls of 10 ms and more with no entry in SLOWLOG, LATENCY or latest_fork_usec.".to_owned(),
            tables::missed(analysis),
        ),
        (
            "Accounting",
            "Every request that came due has exactly one end. Warm-up and drain are included.".to_owned(),
            tables::accounting(analysis),
        ),
        ("Probes", String::new(), tables::probes(analysis)),
        ("Files", String::new(), tables::sources(analysis)),
        ("Plan and host", String::new(), tables::plan(analysis)),
    ];
    all.into_iter()
        .filter(|(_, _, table)| !table.rows.is_empty())
        .map(|(title, note, table)| Section { title, note, table })
        .collect()
}
