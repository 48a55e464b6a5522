//! A cluster and its disturbances in tables, and the requests of each node over time.

use plotly::common::{DashType, Line, LineShape, Mode, Title};
use plotly::layout::{Axis, AxisRange, AxisType, Margin};
use plotly::{Configuration, Plot, Scatter};
use stallion_timeline::Redirects;

use crate::analysis::Analysis;
use crate::around::Stretch;
use crate::cluster::Cluster;
use crate::render::axes::{self, axis, seconds};
use crate::render::overview::{POINTS, middle_ns};
use crate::render::tables::Table;
use crate::run::{Run, Slice};
use crate::words;

/// Rows of one table; what is beyond is counted in its note.
const ROWS: usize = 40;

/// Height of the picture.
pub const HEIGHT_PX: usize = 260;

/// Nodes with a line of their own, and their colours.
const LINES: [&str; 8] = [
    "$c-fsync",
    "$c-fork",
    "$c-off_cpu",
    "$c-throttle",
    "$c-file_fault",
    "$c-command",
    "$c-network",
    "$c-client",
];

/// A table with what it is about and what must be known to read it.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its heading.
    pub title: &'static str,
    /// What must be known; may be empty.
    pub note: String,
    /// The figures; a part without rows is not shown.
    pub table: Table,
}

/// All tables, those without rows too.
#[must_use]
pub fn parts(analysis: &Analysis) -> Vec<Part> {
    let mut all = vec![around(analysis)];
    if let Some(cluster) = &analysis.cluster {
        all.extend([nodes(cluster), outages(cluster), hot_slots(cluster)]);
    }
    all.push(commands(analysis));
    all
}

fn around(analysis: &Analysis) -> Part {
    let with_cluster = analysis.cluster.is_some();
    let mut head = vec!["disturbance", "at", "lasted", "p99 before", "p99 during", "p99 after"];
    head.extend(["slowest during", "answered/s before", "during", "after", "errors during"]);
    if with_cluster {
        head.push("redirects");
    }
    let p99 = |stretch: &Stretch| stretch.response.map_or_else(dash, |p| words::duration(p.p99_ns));
    let slowest =
        |stretch: &Stretch| stretch.response.map_or_else(dash, |p| words::duration(p.max_ns));
    let rows = analysis.around.iter().take(ROWS).map(|around| {
        let mut row = vec![
            around.action.clone(),
            words::at(around.begin_axis_ns),
            words::duration(around.lasted_ns),
            p99(&around.before),
            p99(&around.during),
            p99(&around.after),
            slowest(&around.during),
            rate(&around.before),
            rate(&around.during),
            rate(&around.after),
            words::count(around.during.errors),
        ];
        if with_cluster {
            row.push(words::count(around.during.redirects));
        }
        row
    });
    let mut note = "Response times of what was answered before, during and after each disturbance; \
         before and after are as long as it (1 to 30 s), but end at the next one. An outage that it \
         caused belongs to it until every slot was answered again."
        .to_owned();
    note.push_str(&left_out(analysis.around.len()));
    let table = Table { head, rows: rows.collect() };
    Part { title: "Before, during and after each disturbance", note, table }
}

fn dash() -> String {
    "–".to_owned()
}

fn left_out(rows: usize) -> String {
    let more = rows.saturating_sub(ROWS) as u64;
    if more == 0 { String::new() } else { format!(" {} are left out.", words::plural(more, "row")) }
}

fn rate(stretch: &Stretch) -> String {
    if stretch.seconds > 0.0 {
        words::count((stretch.answered as f64 / stretch.seconds).round() as u64)
    } else {
        dash()
    }
}

fn nodes(cluster: &Cluster) -> Part {
    let rows = cluster.nodes.iter().map(|node| {
        let busy = |busy: f64| words::share((busy * 10_000.0) as u32);
        vec![
            node.node.clone(),
            words::count(node.ops),
            words::share(node.share_basis_points),
            words::bytes(node.bytes as f64),
            node.slots.map_or_else(dash, words::count),
            node.server_busy.map_or_else(dash, busy),
            redirects(node.redirects),
            counts(node.errors.iter()),
        ]
    });
    let Cluster { again, overflowed, gave_up, .. } = cluster;
    let note = format!(
        "Redirects of all nodes: {}. Sent again: {}. Never sent because too many waited: {}. Failed \
         after as many attempts as are allowed: {}.",
        redirects(cluster.redirects),
        counts(again.iter()),
        words::count(*overflowed),
        words::count(*gave_up),
    );
    let head = vec![
        "node",
        "answered",
        "share",
        "bytes",
        "slots at the end",
        "main thread busy",
        "redirects",
        "other errors",
    ];
    Part { title: "Nodes of the cluster", note, table: Table { head, rows: rows.collect() } }
}

fn redirects(count: Redirects) -> String {
    let kinds = [("MOVED", count.moved), ("ASK", count.ask), ("TRYAGAIN", count.tryagain)];
    let kinds = kinds.map(|(kind, count)| (kind.to_owned(), count));
    counts(kinds.iter().filter(|(_, count)| *count > 0).map(|(kind, count)| (kind, count)))
}

/// `MOVED 12, ASK 3`.
fn counts<'a>(kinds: impl Iterator<Item = (&'a String, &'a u64)>) -> String {
    let texts: Vec<String> =
        kinds.map(|(kind, count)| format!("{kind} {}", words::count(*count))).collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
}

fn outages(cluster: &Cluster) -> Part {
    let rows = cluster.outages.iter().take(ROWS).map(|failure| {
        let outage = &failure.outage;
        vec![
            outage.node.clone(),
            words::at(failure.at_axis_ns),
            failure.first_answer_after_ns.map_or_else(dash, words::duration),
            failure
                .recovered_after_ns
                .map_or_else(|| "not within the run".to_owned(), words::duration),
            format!(
                "{} of {}",
                words::count(outage.slots_back.into()),
                words::count(outage.slots.into())
            ),
            format!("{} to {}", outage.first_slot, outage.last_slot),
            if failure.chaos.is_empty() { dash() } else { words::list(&failure.chaos) },
        ]
    });
    let head = vec![
        "node",
        "first error at",
        "first answer after",
        "all answered after",
        "slots answered again",
        "between slots",
        "disturbance",
    ];
    let mut note = "Slots count as failed from their first error or lost request until they are \
         answered without an error; slots that nobody asks show nothing."
        .to_owned();
    note.push_str(&left_out(cluster.outages.len()));
    Part { title: "Outages", note, table: Table { head, rows: rows.collect() } }
}

fn hot_slots(cluster: &Cluster) -> Part {
    let rows = cluster.hot_slots.iter().map(|slot| {
        vec![
            slot.share.slot.to_string(),
            words::count(slot.share.ops),
            words::share(slot.share_basis_points),
            words::bytes(slot.share.bytes as f64),
            words::count(slot.share.redirects),
            words::count(slot.share.errors),
            if slot.node.is_empty() { dash() } else { slot.node.clone() },
        ]
    });
    let note = if cluster.hot_slots_exact {
        String::new()
    } else {
        "The client's summary is missing: these are lower bounds, from the hottest slots of each interval.".to_owned()
    };
    let head =
        vec!["slot", "answered", "share", "bytes", "redirects", "other errors", "node at the end"];
    Part { title: "Hottest slots", note, table: Table { head, rows: rows.collect() } }
}

fn commands(analysis: &Analysis) -> Part {
    let rows = analysis.commands.iter().map(|(name, counts)| {
        let reads = counts.hits + counts.misses;
        let of_reads = |count| if reads == 0 { dash() } else { words::count(count) };
        vec![
            name.clone(),
            words::count(counts.ok),
            of_reads(counts.hits),
            of_reads(counts.misses),
            words::count(counts.errors),
        ]
    });
    let head = vec!["command", "answered", "hits", "misses", "errors"];
    let table = Table { head, rows: rows.collect() };
    Part { title: "Requests by command", note: String::new(), table }
}

/// Answers a second of each node, and redirects, as JSON for the page's script; empty with a
/// single server.
#[must_use]
pub fn figure(analysis: &Analysis) -> String {
    let Some(cluster) = &analysis.cluster else { return String::new() };
    let run = &analysis.run;
    let size = run.slices.len().div_ceil(POINTS).max(1);
    let groups: Vec<&[Slice]> = run.slices.chunks(size).collect();
    let mut plot = Plot::new();
    for (node, colour) in cluster.nodes.iter().zip(LINES) {
        let ops = |slice: &Slice| {
            let nodes = slice.interval.cluster.iter().flat_map(|part| &part.nodes);
            nodes.filter(|share| share.node == node.node).map(|share| share.ops).sum()
        };
        line(&mut plot, run, &groups, &node.node, (colour, DashType::Solid), ops);
    }
    let redirects =
        |slice: &Slice| {
            slice.interval.cluster.as_ref().map_or(0, |part| {
                part.redirects.moved + part.redirects.ask + part.redirects.tryagain
            })
        };
    line(&mut plot, run, &groups, "redirects", ("$ink", DashType::Dot), redirects);
    let left = groups.first().map_or(0.0, |group| seconds(run, group[0].interval.start_ns));
    let time: Axis = axis()
        .range(AxisRange::new(left, seconds(run, run.end_ns)))
        .title(Title::with_text("seconds since the measured phase began"));
    plot.set_layout(
        axes::layout(HEIGHT_PX)
            .margin(Margin::new().left(70).right(14).top(56).bottom(48))
            .x_axis(time)
            // An outage's backlog comes back at many times the usual rate.
            .y_axis(axis().type_(AxisType::Log).dtick(1.0).title(Title::with_text("answered/s"))),
    );
    plot.set_configuration(Configuration::new().responsive(true).display_logo(false));
    plot.to_json()
}

fn line(
    plot: &mut Plot,
    run: &Run,
    groups: &[&[Slice]],
    name: &str,
    (colour, dash): (&'static str, DashType),
    count: impl Fn(&Slice) -> u64,
) {
    let rate = |group: &&[Slice]| {
        let ns: u64 = group.iter().map(|s| s.interval.end_ns - s.interval.start_ns).sum();
        let sum: u64 = group.iter().map(&count).sum();
        (sum > 0).then(|| (sum as f64 * 1e9 / ns.max(1) as f64).round())
    };
    let rates: Vec<Option<f64>> = groups.iter().map(rate).collect();
    let text =
        rates.iter().map(|rate| rate.map_or_else(String::new, |rate| words::count(rate as u64)));
    let text = text.collect();
    let x = groups.iter().map(|group| seconds(run, middle_ns(group))).collect();
    plot.add_trace(
        Scatter::new(x, rates)
            .name(name)
            .mode(Mode::Lines)
            .line(Line::new().color(colour).width(1.5).dash(dash).shape(LineShape::Hvh))
            .text_array(text)
            .hover_template(format!("{name} %{{text}}/s<extra></extra>")),
    );
}
