//! Stall lanes and disturbances as rows of bars.

use plotly::common::{Anchor, Font, HoverInfo, Line, Marker, MarkerSymbol, Mode};
use plotly::layout::{Annotation, Axis, AxisRange};
use plotly::{Plot, Scatter};

use crate::render::axes::{axis, escape, seconds};
use crate::render::lanes::{Bar, Lane, Weight};
use crate::run::Run;
use crate::words;

/// Names of disturbances that fit beside each other.
const NAMES: u64 = 80;

/// Letters of such a name, and the height of one.
const NAME_LETTERS: usize = 34;
const LETTER_PX: usize = 6;

pub(super) fn lane_bars(plot: &mut Plot, run: &Run, lane: &Lane, row: f64) {
    let weights = [
        (Weight::Background, 0.28, true),
        (Weight::Faint, 0.13, false),
        (Weight::Thin, 0.55, false),
        (Weight::Strong, 1.0, true),
    ];
    for (weight, opacity, marked) in weights {
        let bars: Vec<&Bar> = lane.bars.iter().filter(|bar| bar.weight == weight).collect();
        let spans =
            bars.iter().map(|bar| (bar.start_ns, bar.end_ns, bar_text(lane, bar))).collect();
        let colour = format!("$c-{}", lane.cause.key());
        row_of_bars(plot, run, spans, &colour, (opacity, marked), row);
    }
}

fn bar_text(lane: &Lane, bar: &Bar) -> String {
    let name = lane.cause.name();
    let what =
        if bar.what.is_empty() { String::new() } else { format!(" ({})", escape(&bar.what)) };
    let thread = if bar.weight == Weight::Background { ", another thread" } else { "" };
    let busy = words::duration(bar.busy_ns);
    if bar.count <= 1 {
        return format!("{name}{what}: {busy}{thread}");
    }
    let span = words::duration(bar.end_ns - bar.start_ns);
    format!("{name}{what}: {busy} in {} over {span}{thread}", words::plural(bar.count, "stall"))
}

pub(super) fn chaos_bars(plot: &mut Plot, run: &Run, row: f64) {
    let spans = run.chaos.iter().map(|chaos| {
        let lasted = words::duration(chaos.end_ns.saturating_sub(chaos.begin_ns));
        let text = format!("{}: {lasted}, {}", escape(&chaos.action), escape(&chaos.outcome));
        (chaos.begin_ns, chaos.end_ns.max(chaos.begin_ns), text)
    });
    row_of_bars(plot, run, spans.collect(), "$chaos", (1.0, true), row);
}

/// What was done, upright above its bar (`top` of the lanes is a part of the height); names that would run into each other are left to the
/// pointer.
pub(super) fn chaos_names(run: &Run, top: f64, axis_ns: u64) -> Vec<Annotation> {
    let mut last_ns = None;
    let mut names = Vec::new();
    for chaos in &run.chaos {
        let apart = |last: u64| chaos.begin_ns.saturating_sub(last) >= axis_ns / NAMES;
        if last_ns.is_some_and(|last| !apart(last)) {
            continue;
        }
        last_ns = Some(chaos.begin_ns);
        names.push(
            Annotation::new()
                .text(escape(&shortened(&chaos.action)))
                .x(seconds(run, chaos.begin_ns))
                .x_ref("x")
                .x_anchor(Anchor::Center)
                .y(top)
                .y_ref("paper")
                .y_anchor(Anchor::Bottom)
                .text_angle(-90.0)
                .show_arrow(false)
                .font(Font::new().size(10).color("$muted")),
        );
    }
    names
}

/// Height that the names take.
pub(super) fn chaos_names_px(run: &Run) -> usize {
    let longest = run.chaos.iter().map(|chaos| shortened(&chaos.action).chars().count()).max();
    longest.map_or(0, |letters| letters * LETTER_PX + LETTER_PX)
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME_LETTERS {
        return name.to_owned();
    }
    name.chars().take(NAME_LETTERS - 1).chain(['…']).collect()
}

/// Bars as thick lines, each with a small mark in its middle, which the pointer finds. Where it is
/// marked, a bar shorter than a pixel is still seen by it.
fn row_of_bars(
    plot: &mut Plot,
    run: &Run,
    spans: Vec<(u64, u64, String)>,
    colour: &str,
    (opacity, marked): (f64, bool),
    row: f64,
) {
    if spans.is_empty() {
        return;
    }
    let mut x = Vec::with_capacity(spans.len() * 3);
    let mut y = Vec::with_capacity(spans.len() * 3);
    for (start_ns, end_ns, _) in &spans {
        x.extend([Some(seconds(run, *start_ns)), Some(seconds(run, *end_ns)), None]);
        y.extend([Some(row), Some(row), None]);
    }
    let bars = Scatter::new(x, y)
        .mode(Mode::Lines)
        .y_axis("y3")
        .line(Line::new().color(colour.to_owned()).width(13.0).simplify(false))
        .opacity(opacity)
        .hover_info(HoverInfo::Skip)
        .show_legend(false);
    plot.add_trace(bars);
    let middles =
        spans.iter().map(|(start_ns, end_ns, _)| seconds(run, start_ns.midpoint(*end_ns)));
    let marks = Scatter::new(middles.collect(), vec![row; spans.len()])
        .mode(Mode::Markers)
        .y_axis("y3")
        .marker(
            Marker::new()
                .symbol(MarkerSymbol::DiamondTall)
                .size(if marked { 9 } else { 1 })
                .color(colour.to_owned()),
        )
        .opacity(opacity)
        .hover_text_array(spans.into_iter().map(|(_, _, text)| text).collect())
        .hover_template("%{hovertext}<extra></extra>")
        .show_legend(false);
    plot.add_trace(marks);
}

pub(super) fn lane_axis(run: &Run, lanes: &[Lane]) -> Axis {
    let mut names: Vec<String> = lanes.iter().map(|lane| lane.cause.name().to_owned()).collect();
    if !run.chaos.is_empty() {
        names.push("disturbance".to_owned());
    }
    let rows = names.len();
    axis()
        .range(AxisRange::new(-0.5, rows as f64 - 0.5))
        .fixed_range(true)
        .tick_values((0..rows).map(|row| row as f64).collect())
        .tick_text(names)
        .tick_font(Font::new().size(11))
}
