//! The main picture: latency, throughput and stall lanes on one time axis.

use plotly::common::{
    Anchor, DashType, Font, Line, LineShape, Marker, MarkerSymbol, Mode, Position, Title,
};
use plotly::layout::{
    Annotation, Axis, AxisRange, DragMode, Layout, Margin, Shape, ShapeLayer, ShapeLine, ShapeType,
};
use plotly::{Configuration, Plot, Scatter};

use stallion_timeline::PhaseName;

use crate::analysis::Analysis;
use crate::render::axes::{self, axis, escape, log_milliseconds, seconds};
use crate::render::lanes::{Lane, first_ns};
use crate::render::rows::{chaos_bars, chaos_names, chaos_names_px, lane_axis, lane_bars};
use crate::run::{Distribution, Run, Slice, merged};
use crate::silence;
use crate::summary::Percentiles;
use crate::words;

/// Points of one line; longer runs merge neighbouring intervals (histograms, never percentiles).
pub const POINTS: usize = 1_500;

const LATENCY_PX: usize = 300;
const TRAFFIC_PX: usize = 110;
const LANE_PX: usize = 26;
const GAP_PX: usize = 34;
/// Above and below the plots: the legend, and the axis with its title.
const FRAME_PX: (usize, usize) = (44, 48);

/// Where the three plots lie, as parts of the height from below.
#[derive(Debug, Clone, Copy)]
struct Domains {
    lanes: [f64; 2],
    traffic: [f64; 2],
    latency: [f64; 2],
    height_px: usize,
}

/// One line of a plot: how it looks and what it reads from its data.
struct Series<T> {
    name: &'static str,
    colour: &'static str,
    width: f64,
    dash: DashType,
    read: fn(&T) -> u64,
}

/// The figure as JSON for the page's script, and its height in pixels.
#[must_use]
pub fn figure(analysis: &Analysis, lanes: &[Lane]) -> (String, usize) {
    let run = &analysis.run;
    let rows = lanes.len() + usize::from(!run.chaos.is_empty());
    let domains = domains(rows, chaos_names_px(run));
    let mut plot = Plot::new();
    let groups = groups(run);
    latency_lines(&mut plot, run, &groups);
    spike_marks(&mut plot, analysis);
    traffic_lines(&mut plot, run, &groups);
    for (row, lane) in lanes.iter().enumerate() {
        lane_bars(&mut plot, run, lane, row as f64);
    }
    chaos_bars(&mut plot, run, lanes.len() as f64);
    plot.set_layout(layout(analysis, lanes, domains));
    plot.set_configuration(Configuration::new().responsive(true).display_logo(false));
    (plot.to_json(), domains.height_px)
}

fn domains(rows: usize, names_px: usize) -> Domains {
    let lanes_px = rows * LANE_PX;
    let gap_px = names_px + if rows > 0 { GAP_PX } else { 0 };
    let plots_px = lanes_px + gap_px + TRAFFIC_PX + GAP_PX + LATENCY_PX;
    let part = |px: usize| px as f64 / plots_px as f64;
    Domains {
        lanes: [0.0, part(lanes_px)],
        traffic: [part(lanes_px + gap_px), part(lanes_px + gap_px + TRAFFIC_PX)],
        latency: [part(plots_px - LATENCY_PX), 1.0],
        height_px: plots_px + FRAME_PX.0 + FRAME_PX.1,
    }
}

/// Neighbouring intervals that one point stands for.
fn groups(run: &Run) -> Vec<&[Slice]> {
    let size = run.slices.len().div_ceil(POINTS).max(1);
    run.slices.chunks(size).collect()
}

fn response(group: &[Slice]) -> Option<Percentiles> {
    match group {
        [one] => one.response,
        many => Percentiles::of(&merged(many, Distribution::Response)),
    }
}

fn latency_lines(plot: &mut Plot, run: &Run, groups: &[&[Slice]]) {
    let points: Vec<(f64, Option<Percentiles>)> =
        groups.iter().map(|group| (seconds(run, middle_ns(group)), response(group))).collect();
    let line =
        |name, colour, width, read| Series { name, colour, width, dash: DashType::Solid, read };
    let lines: [Series<Percentiles>; 4] = [
        line("max", "$max", 1.0, |p: &Percentiles| p.max_ns),
        line("p50", "$p50", 1.6, |p: &Percentiles| p.p50_ns),
        line("p99", "$p99", 1.6, |p: &Percentiles| p.p99_ns),
        // Last, so that it lies on top where the lines meet.
        line("p99.9", "$p999", 1.8, |p: &Percentiles| p.p999_ns),
    ];
    for series in lines {
        let values = points.iter().map(|(x, p)| (*x, p.as_ref().map(series.read))).collect();
        duration_line(plot, &series, values);
    }
    oldest_wait_line(plot, run, groups);
}

/// How long the oldest request has waited, while a server does not answer: percentiles are of requests
/// that have ended, and there are none of that time.
fn oldest_wait_line(plot: &mut Plot, run: &Run, groups: &[&[Slice]]) {
    let silences = silence::silences(run);
    if silences.is_empty() {
        return;
    }
    let within = |at_ns: u64| silences.iter().any(|s| (s.start_ns..=s.end_ns).contains(&at_ns));
    let values = groups.iter().map(|group| {
        let oldest = group.iter().map(|slice| slice.interval.oldest_wait_ns).max();
        let at_ns = middle_ns(group);
        (seconds(run, at_ns), oldest.filter(|oldest| *oldest > 0 && within(at_ns)))
    });
    let (name, colour, dash) = ("oldest wait", "$p999", DashType::Dot);
    let series = Series { name, colour, width: 1.8, dash, read: |ns: &u64| *ns };
    duration_line(plot, &series, values.collect());
}

/// One line of the upper picture.
fn duration_line<T>(plot: &mut Plot, series: &Series<T>, values: Vec<(f64, Option<u64>)>) {
    let Series { name, colour, width, .. } = *series;
    let text = values.iter().map(|(_, ns)| ns.map_or_else(String::new, words::duration)).collect();
    let x = values.iter().map(|(x, _)| *x).collect();
    let y: Vec<Option<f64>> = values.iter().map(|(_, ns)| ns.map(|ns| ns as f64 / 1e6)).collect();
    let line = Line::new().color(colour).width(width).dash(series.dash.clone());
    plot.add_trace(
        Scatter::new(x, y)
            .name(name)
            .mode(Mode::Lines)
            .line(line.shape(LineShape::Hvh))
            .text_array(text)
            .hover_template(format!("{name} %{{text}}<extra></extra>")),
    );
}

pub(super) fn middle_ns(group: &[Slice]) -> u64 {
    let start = group.first().map_or(0, |slice| slice.interval.start_ns);
    start.midpoint(group.last().map_or(start, |slice| slice.interval.end_ns))
}

/// A numbered mark on top of each spike; the page's script leads from it to the story.
fn spike_marks(plot: &mut Plot, analysis: &Analysis) {
    let spikes = &analysis.spikes;
    if spikes.is_empty() {
        return;
    }
    let x = spikes.iter().map(|told| seconds(&analysis.run, told.spike.peak_ns));
    let y = spikes.iter().map(|told| told.spike.response.max_ns as f64 / 1e6 * 1.6);
    let numbers = (1..=spikes.len()).map(|number| number.to_string()).collect();
    let headlines = spikes.iter().map(|told| crate::finding::headline(analysis, told)).collect();
    plot.add_trace(
        Scatter::new(x.collect(), y.collect())
            .name("spikes")
            .mode(Mode::MarkersText)
            .marker(Marker::new().symbol(MarkerSymbol::Circle).size(17).color("$accent"))
            .text_array(numbers)
            .text_font(Font::new().color("$on-accent").size(10))
            .text_position(Position::MiddleCenter)
            .hover_text_array(headlines)
            .hover_template("%{hovertext}<extra></extra>")
            .show_legend(false),
    );
}

fn traffic_lines(plot: &mut Plot, run: &Run, groups: &[&[Slice]]) {
    let x: Vec<f64> = groups.iter().map(|group| seconds(run, middle_ns(group))).collect();
    let line = |name, colour, dash, read| Series { name, colour, width: 1.4, dash, read };
    let lines: [Series<Slice>; 3] = [
        line("due", "$due", DashType::Dot, |slice: &Slice| slice.interval.due),
        line("sent", "$sent", DashType::Solid, |slice: &Slice| slice.interval.sent),
        line("answered", "$answered", DashType::Solid, |slice: &Slice| slice.interval.answered),
    ];
    for Series { name, colour, width, dash, read } in lines {
        let rates: Vec<f64> = groups.iter().map(|group| rate(group, read)).collect();
        let text = rates.iter().map(|rate| words::count(*rate as u64)).collect();
        plot.add_trace(
            Scatter::new(x.clone(), rates)
                .name(name)
                .mode(Mode::Lines)
                .y_axis("y2")
                .line(Line::new().color(colour).width(width).dash(dash).shape(LineShape::Hvh))
                .text_array(text)
                .hover_template(format!("{name} %{{text}}/s<extra></extra>")),
        );
    }
}

fn rate(group: &[Slice], read: fn(&Slice) -> u64) -> f64 {
    let start = group.first().map_or(0, |slice| slice.interval.start_ns);
    let end = group.last().map_or(0, |slice| slice.interval.end_ns);
    let requests: u64 = group.iter().map(read).sum();
    if end > start { (requests as f64 * 1e9 / (end - start) as f64).round() } else { 0.0 }
}

fn layout(analysis: &Analysis, lanes: &[Lane], domains: Domains) -> Layout {
    let run = &analysis.run;
    let (left, right) = (seconds(run, first_ns(run)), seconds(run, run.end_ns));
    let axis_ns = run.end_ns.saturating_sub(first_ns(run));
    let mut annotations = phase_labels(run);
    annotations.extend(chaos_names(run, domains.lanes[1], axis_ns));
    let below = if lanes.is_empty() && run.chaos.is_empty() { "y2" } else { "y3" };
    let mut layout = axes::layout(domains.height_px)
        .margin(Margin::new().left(118).right(18).top(FRAME_PX.0).bottom(FRAME_PX.1))
        .drag_mode(DragMode::Zoom)
        .x_axis(
            axis()
                .range(AxisRange::new(left, right))
                .anchor(below)
                .title(Title::with_text("seconds since the measured phase began"))
                .show_grid(true)
                .tick_suffix(" s"),
        )
        .y_axis(latency_axis(run).domain(&domains.latency))
        .y_axis2(axis().domain(&domains.traffic).title(Title::with_text("requests/s")).n_ticks(4))
        .shapes(shades(analysis))
        .annotations(annotations);
    if below == "y3" {
        layout = layout.y_axis3(lane_axis(run, lanes).domain(&domains.lanes));
    }
    layout
}

fn latency_axis(run: &Run) -> Axis {
    let values = run.slices.iter().filter_map(|slice| slice.response);
    let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
    for percentiles in values {
        least = least.min(percentiles.p50_ns as f64 / 1e6);
        most = most.max(percentiles.max_ns as f64 / 1e6);
    }
    if most == 0.0 {
        (least, most) = (0.1, 10.0);
    }
    // Room for the marks above the highest point.
    let range = AxisRange::new((least * 0.7).log10(), (most * 3.0).log10());
    log_milliseconds().range(range).title(Title::with_text("response time"))
}

/// Spikes are shaded over all three plots; every second measured phase is, too, and what is not
/// measured more than that.
fn shades(analysis: &Analysis) -> Vec<Shape> {
    let run = &analysis.run;
    let mut shapes = Vec::new();
    let mut measured = 0;
    for phase in &run.phases {
        let colour = if phase.name == PhaseName::Measure { "$shade" } else { "$shade-out" };
        measured += usize::from(phase.name == PhaseName::Measure);
        if phase.name != PhaseName::Measure || measured % 2 == 0 {
            shapes.push(shade(run, phase.start_ns, phase.end_ns, colour));
        }
    }
    let spikes = analysis.spikes.iter();
    let spikes =
        spikes.map(|told| shade(run, told.spike.start_ns, told.spike.end_ns, "$shade-spike"));
    shapes.extend(spikes);
    shapes
}

fn shade(run: &Run, start_ns: u64, end_ns: u64, colour: &'static str) -> Shape {
    Shape::new()
        .shape_type(ShapeType::Rect)
        .x_ref("x")
        .y_ref("paper")
        .x0(seconds(run, start_ns))
        .x1(seconds(run, end_ns))
        .y0(0)
        .y1(1)
        .fill_color(colour)
        .layer(ShapeLayer::Below)
        .line(ShapeLine::new().width(0.0))
}

fn phase_labels(run: &Run) -> Vec<Annotation> {
    let axis_ns = run.end_ns.saturating_sub(first_ns(run));
    run.phases
        .iter()
        // A name needs room, or it would run into the next one.
        .filter(|phase| (phase.end_ns - phase.start_ns) * 20 > axis_ns)
        .filter_map(|phase| {
            let text = if phase.label.is_empty() { phase_name(phase.name) } else { &phase.label };
            let measured = phase.name == PhaseName::Measure;
            // The plain measured phase needs no name; the others explain their shade.
            (!measured || !phase.label.is_empty()).then(|| {
                Annotation::new()
                    .text(escape(text))
                    .x(seconds(run, phase.start_ns))
                    .x_ref("x")
                    .x_anchor(Anchor::Left)
                    .y(1)
                    .y_ref("paper")
                    .y_anchor(Anchor::Top)
                    .show_arrow(false)
                    .font(Font::new().size(11).color("$muted"))
            })
        })
        .collect()
}

/// A phase as people call it.
fn phase_name(name: PhaseName) -> &'static str {
    match name {
        PhaseName::Fill => "fill",
        PhaseName::Warmup => "warm-up",
        PhaseName::Measure => "measured",
        PhaseName::Drain => "drain",
    }
}
