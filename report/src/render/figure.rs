//! The main picture: latency, throughput and stall lanes on one time axis.
//!
//! Colours are tokens (`$p99`) that the page's script replaces by the values of its theme, so
//! the same figure is drawn in light and in dark.

use hdrhistogram::Histogram;
use plotly::common::{DashType, Font, HoverInfo, Line, Marker, MarkerSymbol, Mode, Title};
use plotly::layout::{
    Annotation, Axis, AxisRange, AxisType, DragMode, HoverMode, Layout, Legend, Margin, Shape,
    ShapeLayer, ShapeLine, ShapeType,
};
use plotly::{Configuration, Plot, Scatter};

use crate::analysis::Analysis;
use crate::join::{Distribution, Run, Slice, merged};
use crate::render::lanes::{Bar, Lane, Weight, first_ns};
use crate::summary::Percentiles;
use crate::words;

/// Points of one line; longer runs merge neighbouring intervals (histograms, never percentiles).
pub const POINTS: usize = 1_500;

const LATENCY_PX: usize = 300;
const TRAFFIC_PX: usize = 110;
const LANE_PX: usize = 26;
const GAP_PX: usize = 34;
/// Above and below the plots: the legend, and the axis with its title.
const FRAME_PX: (usize, usize) = (64, 48);

/// Where the three plots lie, as parts of the height from below.
#[derive(Debug, Clone, Copy)]
struct Domains {
    lanes: [f64; 2],
    traffic: [f64; 2],
    latency: [f64; 2],
    height_px: usize,
}

/// The figure as JSON for the page's script, and its height in pixels.
#[must_use]
pub fn overview(analysis: &Analysis, lanes: &[Lane]) -> (String, usize) {
    let run = &analysis.run;
    let rows = lanes.len() + usize::from(!run.chaos.is_empty());
    let domains = domains(rows);
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

fn domains(rows: usize) -> Domains {
    let lanes_px = rows * LANE_PX;
    let gap_px = if rows > 0 { GAP_PX } else { 0 };
    let plots_px = lanes_px + gap_px + TRAFFIC_PX + GAP_PX + LATENCY_PX;
    let part = |px: usize| px as f64 / plots_px as f64;
    Domains {
        lanes: [0.0, part(lanes_px)],
        traffic: [
            part(lanes_px + gap_px),
            part(lanes_px + gap_px + TRAFFIC_PX),
        ],
        latency: [part(plots_px - LATENCY_PX), 1.0],
        height_px: plots_px + FRAME_PX.0 + FRAME_PX.1,
    }
}

/// Neighbouring intervals that one point stands for.
fn groups(run: &Run) -> Vec<&[Slice]> {
    let size = run.slices.len().div_ceil(POINTS).max(1);
    run.slices.chunks(size).collect()
}

fn seconds(run: &Run, time_ns: u64) -> f64 {
    // Microseconds are enough for a screen and keep the page small.
    (run.axis_ns(time_ns) as f64 / 1e3).round() / 1e6
}

fn response(group: &[Slice]) -> Option<Percentiles> {
    match group {
        [one] => one.response,
        many => Percentiles::of(&merged(many, Distribution::Response)),
    }
}

fn latency_lines(plot: &mut Plot, run: &Run, groups: &[&[Slice]]) {
    let points: Vec<(f64, Option<Percentiles>)> = groups
        .iter()
        .map(|group| (seconds(run, middle_ns(group)), response(group)))
        .collect();
    let lines: [(&str, &str, f64, fn(&Percentiles) -> u64); 4] = [
        ("max", "$max", 1.0, |p| p.max_ns),
        ("p99.9", "$p999", 1.8, |p| p.p999_ns),
        ("p99", "$p99", 1.8, |p| p.p99_ns),
        ("p50", "$p50", 1.8, |p| p.p50_ns),
    ];
    for (name, colour, width, read) in lines {
        let values: Vec<Option<u64>> = points.iter().map(|(_, p)| p.as_ref().map(read)).collect();
        let text = values
            .iter()
            .map(|ns| ns.map_or_else(String::new, words::duration))
            .collect();
        let x = points.iter().map(|(x, _)| *x).collect();
        let y: Vec<Option<f64>> = values
            .iter()
            .map(|ns| ns.map(|ns| ns as f64 / 1e6))
            .collect();
        plot.add_trace(
            Scatter::new(x, y)
                .name(name)
                .mode(Mode::Lines)
                .line(Line::new().color(colour).width(width))
                .text_array(text)
                .hover_template(format!("{name} %{{text}}<extra></extra>")),
        );
    }
}

fn middle_ns(group: &[Slice]) -> u64 {
    let start = group.first().map_or(0, |slice| slice.interval.start_ns);
    start.midpoint(group.last().map_or(start, |slice| slice.interval.end_ns))
}

/// A numbered mark on top of each spike; the page's script leads from it to the story.
fn spike_marks(plot: &mut Plot, analysis: &Analysis) {
    let spikes = &analysis.spikes;
    if spikes.is_empty() {
        return;
    }
    let x = spikes.iter().map(|told| {
        seconds(
            &analysis.run,
            told.spike.start_ns.midpoint(told.spike.end_ns),
        )
    });
    let y = spikes
        .iter()
        .map(|told| told.spike.response.max_ns as f64 / 1e6 * 1.6);
    let numbers = (1..=spikes.len())
        .map(|number| number.to_string())
        .collect();
    let headlines = spikes
        .iter()
        .map(|told| crate::finding::headline(analysis, told))
        .collect();
    plot.add_trace(
        Scatter::new(x.collect(), y.collect())
            .name("spikes")
            .mode(Mode::MarkersText)
            .marker(
                Marker::new()
                    .symbol(MarkerSymbol::Circle)
                    .size(17)
                    .color("$accent"),
            )
            .text_array(numbers)
            .text_font(Font::new().color("$on-accent").size(10))
            .text_position(plotly::common::Position::MiddleCenter)
            .hover_text_array(headlines)
            .hover_template("%{hovertext}<extra></extra>")
            .show_legend(false),
    );
}

fn traffic_lines(plot: &mut Plot, run: &Run, groups: &[&[Slice]]) {
    let x: Vec<f64> = groups
        .iter()
        .map(|group| seconds(run, middle_ns(group)))
        .collect();
    let lines: [(&str, &str, DashType, fn(&Slice) -> u64); 3] = [
        ("due", "$due", DashType::Dot, |slice| slice.interval.due),
        ("sent", "$sent", DashType::Solid, |slice| {
            slice.interval.sent
        }),
        ("answered", "$answered", DashType::Solid, |slice| {
            slice.interval.answered
        }),
    ];
    for (name, colour, dash, read) in lines {
        let rates: Vec<f64> = groups.iter().map(|group| rate(group, read)).collect();
        let text = rates
            .iter()
            .map(|rate| words::count(*rate as u64))
            .collect();
        plot.add_trace(
            Scatter::new(x.clone(), rates)
                .name(name)
                .mode(Mode::Lines)
                .y_axis("y2")
                .line(Line::new().color(colour).width(1.4).dash(dash))
                .text_array(text)
                .hover_template(format!("{name} %{{text}}/s<extra></extra>")),
        );
    }
}

fn rate(group: &[Slice], read: fn(&Slice) -> u64) -> f64 {
    let start = group.first().map_or(0, |slice| slice.interval.start_ns);
    let end = group.last().map_or(0, |slice| slice.interval.end_ns);
    let requests: u64 = group.iter().map(read).sum();
    if end > start {
        (requests as f64 * 1e9 / (end - start) as f64).round()
    } else {
        0.0
    }
}

fn lane_bars(plot: &mut Plot, run: &Run, lane: &Lane, row: f64) {
    let weights = [
        (Weight::Background, 0.28),
        (Weight::Thin, 0.55),
        (Weight::Strong, 1.0),
    ];
    for (weight, opacity) in weights {
        let bars: Vec<&Bar> = lane
            .bars
            .iter()
            .filter(|bar| bar.weight == weight)
            .collect();
        let spans = bars
            .iter()
            .map(|bar| (bar.start_ns, bar.end_ns, bar_text(lane, bar)))
            .collect();
        let colour = format!("$c-{}", lane.cause.key());
        row_of_bars(plot, run, spans, &colour, opacity, row);
    }
}

fn bar_text(lane: &Lane, bar: &Bar) -> String {
    let name = lane.cause.name();
    let what = if bar.what.is_empty() {
        String::new()
    } else {
        format!(" ({})", escape(&bar.what))
    };
    let thread = if bar.weight == Weight::Background {
        ", another thread"
    } else {
        ""
    };
    let busy = words::duration(bar.busy_ns);
    if bar.count <= 1 {
        return format!("{name}{what}: {busy}{thread}");
    }
    let span = words::duration(bar.end_ns - bar.start_ns);
    format!(
        "{name}{what}: {busy} in {} over {span}{thread}",
        words::plural(bar.count, "stall")
    )
}

/// Plotly reads hover texts as simple HTML; what comes out of a timeline must stay text.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn chaos_bars(plot: &mut Plot, run: &Run, row: f64) {
    let spans = run.chaos.iter().map(|chaos| {
        let lasted = words::duration(chaos.end_ns.saturating_sub(chaos.begin_ns));
        let text = format!(
            "{}: {lasted}, {}",
            escape(&chaos.action),
            escape(&chaos.outcome)
        );
        (chaos.begin_ns, chaos.end_ns.max(chaos.begin_ns), text)
    });
    row_of_bars(plot, run, spans.collect(), "$chaos", 1.0, row);
}

/// Bars as thick lines, each with a small mark in its middle: a bar shorter than a pixel is
/// still seen, and the mark is what the pointer finds.
fn row_of_bars(
    plot: &mut Plot,
    run: &Run,
    spans: Vec<(u64, u64, String)>,
    colour: &str,
    opacity: f64,
    row: f64,
) {
    if spans.is_empty() {
        return;
    }
    let mut x = Vec::with_capacity(spans.len() * 3);
    let mut y = Vec::with_capacity(spans.len() * 3);
    for (start_ns, end_ns, _) in &spans {
        x.extend([
            Some(seconds(run, *start_ns)),
            Some(seconds(run, *end_ns)),
            None,
        ]);
        y.extend([Some(row), Some(row), None]);
    }
    let bars = Scatter::new(x, y)
        .mode(Mode::Lines)
        .y_axis("y3")
        .line(
            Line::new()
                .color(colour.to_owned())
                .width(13.0)
                .simplify(false),
        )
        .opacity(opacity)
        .hover_info(HoverInfo::Skip)
        .show_legend(false);
    plot.add_trace(bars);
    let middles = spans
        .iter()
        .map(|(start_ns, end_ns, _)| seconds(run, start_ns.midpoint(*end_ns)));
    let marks = Scatter::new(middles.collect(), vec![row; spans.len()])
        .mode(Mode::Markers)
        .y_axis("y3")
        .marker(
            Marker::new()
                .symbol(MarkerSymbol::DiamondTall)
                .size(9)
                .color(colour.to_owned()),
        )
        .opacity(opacity)
        .hover_text_array(spans.into_iter().map(|(_, _, text)| text).collect())
        .hover_template("%{hovertext}<extra></extra>")
        .show_legend(false);
    plot.add_trace(marks);
}

fn layout(analysis: &Analysis, lanes: &[Lane], domains: Domains) -> Layout {
    let run = &analysis.run;
    let (left, right) = (seconds(run, first_ns(run)), seconds(run, run.end_ns));
    let below = if lanes.is_empty() && run.chaos.is_empty() {
        "y2"
    } else {
        "y3"
    };
    let mut layout = Layout::new()
        .height(domains.height_px)
        .paper_background_color("$card")
        .plot_background_color("$card")
        .font(Font::new().family("$font").size(12).color("$muted"))
        .margin(
            Margin::new()
                .left(118)
                .right(18)
                .top(FRAME_PX.0)
                .bottom(FRAME_PX.1),
        )
        .hover_mode(HoverMode::XUnified)
        .drag_mode(DragMode::Zoom)
        .hover_label(
            plotly::common::Label::new()
                .background_color("$card")
                .border_color("$line")
                .font(Font::new().family("$font").size(12).color("$ink")),
        )
        .legend(
            Legend::new()
                .orientation(plotly::common::Orientation::Horizontal)
                .x(0.0)
                .y(1.0)
                .y_anchor(plotly::common::Anchor::Bottom),
        )
        .x_axis(
            axis()
                .range(AxisRange::new(left, right))
                .anchor(below)
                .title(Title::with_text("seconds since the measured phase began"))
                .show_grid(true)
                .tick_suffix(" s"),
        )
        .y_axis(latency_axis(run).domain(&domains.latency))
        .y_axis2(
            axis()
                .domain(&domains.traffic)
                .title(Title::with_text("requests/s"))
                .n_ticks(4),
        )
        .shapes(phase_shades(run))
        .annotations(phase_labels(run));
    if below == "y3" {
        layout = layout.y_axis3(lane_axis(run, lanes).domain(&domains.lanes));
    }
    layout
}

fn axis() -> Axis {
    Axis::new()
        .grid_color("$grid")
        .zero_line(false)
        .line_color("$line")
        .tick_color("$line")
        .auto_margin(false)
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
    log_ticks(
        axis()
            .type_(AxisType::Log)
            .range(range)
            .title(Title::with_text("response time")),
    )
}

fn log_ticks(axis: Axis) -> Axis {
    let exponents = -4..=7;
    let values: Vec<f64> = exponents.map(|exponent| 10_f64.powi(exponent)).collect();
    let texts = [
        "100 ns", "1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s",
        "1000 s", "10⁴ s",
    ];
    axis.tick_values(values)
        .tick_text(texts.iter().map(|text| (*text).to_owned()).collect())
}

fn lane_axis(run: &Run, lanes: &[Lane]) -> Axis {
    let mut names: Vec<String> = lanes
        .iter()
        .map(|lane| lane.cause.name().to_owned())
        .collect();
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

/// Every second phase is shaded, and what is not measured more than what is.
fn phase_shades(run: &Run) -> Vec<Shape> {
    let mut shapes = Vec::new();
    for (index, phase) in run.phases.iter().enumerate() {
        let measured = phase.name == stallion_timeline::PhaseName::Measure;
        let colour = match (measured, index % 2) {
            (false, _) => "$shade-out",
            (true, 0) => continue,
            (true, _) => "$shade",
        };
        shapes.push(
            Shape::new()
                .shape_type(ShapeType::Rect)
                .x_ref("x")
                .y_ref("paper")
                .x0(seconds(run, phase.start_ns))
                .x1(seconds(run, phase.end_ns))
                .y0(0)
                .y1(1)
                .fill_color(colour)
                .layer(ShapeLayer::Below)
                .line(ShapeLine::new().width(0.0)),
        );
    }
    shapes
}

fn phase_labels(run: &Run) -> Vec<Annotation> {
    run.phases
        .iter()
        .filter(|phase| phase.end_ns > phase.start_ns)
        .filter_map(|phase| {
            let text = if phase.label.is_empty() {
                phase_name(phase.name)
            } else {
                &phase.label
            };
            let measured = phase.name == stallion_timeline::PhaseName::Measure;
            // The plain measured phase needs no name; the others explain their shade.
            (!measured || !phase.label.is_empty()).then(|| {
                Annotation::new()
                    .text(escape(text))
                    .x(seconds(run, phase.start_ns))
                    .x_ref("x")
                    .x_anchor(plotly::common::Anchor::Left)
                    .y(1)
                    .y_ref("paper")
                    .y_anchor(plotly::common::Anchor::Top)
                    .show_arrow(false)
                    .font(Font::new().size(11).color("$muted"))
            })
        })
        .collect()
}

/// A phase as people call it.
#[must_use]
pub fn phase_name(name: stallion_timeline::PhaseName) -> &'static str {
    match name {
        stallion_timeline::PhaseName::Fill => "fill",
        stallion_timeline::PhaseName::Warmup => "warm-up",
        stallion_timeline::PhaseName::Measure => "measured",
        stallion_timeline::PhaseName::Drain => "drain",
    }
}

/// Response and service time against the share of requests, as a figure in JSON.
#[must_use]
pub fn percentile_curves(run: &Run) -> String {
    let mut plot = Plot::new();
    let curves = [
        (
            "service: from its sending",
            "$service",
            Distribution::Service,
        ),
        (
            "response: from when it was due",
            "$p999",
            Distribution::Response,
        ),
    ];
    for (name, colour, which) in curves {
        let histogram = merged(run.measured_slices(), which);
        let (x, y, text) = curve(&histogram);
        plot.add_trace(
            Scatter::new(x, y)
                .name(name)
                .mode(Mode::Lines)
                .line(Line::new().color(colour).width(2.0))
                .text_array(text)
                .hover_template("%{text}<extra></extra>"),
        );
    }
    plot.set_layout(curve_layout());
    plot.set_configuration(Configuration::new().responsive(true).display_logo(false));
    plot.to_json()
}

/// The axis is one over the share of slower requests: each nine takes the same room.
fn curve(histogram: &Histogram<u64>) -> (Vec<f64>, Vec<f64>, Vec<String>) {
    const STEPS_PER_NINE: i32 = 12;
    let nines = (histogram.len().max(1) as f64).log10();
    let steps = 0..=(nines.min(6.0) * f64::from(STEPS_PER_NINE)) as i32;
    let mut points = (Vec::new(), Vec::new(), Vec::new());
    for step in steps.filter(|_| !histogram.is_empty()) {
        let one_of = 10_f64.powf(f64::from(step) / f64::from(STEPS_PER_NINE));
        let quantile = 1.0 - 1.0 / one_of;
        let value_ns = histogram.value_at_quantile(quantile);
        points.0.push(one_of);
        points.1.push((value_ns as f64 / 1e6).max(1e-6));
        points.2.push(format!(
            "{:.4} %: {}",
            quantile * 100.0,
            words::duration(value_ns)
        ));
    }
    points
}

fn curve_layout() -> Layout {
    let values = (0..=6).map(|nines| 10_f64.powi(nines)).collect();
    let names = [
        "min", "p90", "p99", "p99.9", "p99.99", "p99.999", "p99.9999",
    ];
    let x = axis()
        .type_(AxisType::Log)
        .tick_values(values)
        .tick_text(names.iter().map(|name| (*name).to_owned()).collect());
    Layout::new()
        .height(300)
        .paper_background_color("$card")
        .plot_background_color("$card")
        .font(Font::new().family("$font").size(12).color("$muted"))
        .margin(Margin::new().left(70).right(14).top(40).bottom(36))
        .hover_mode(HoverMode::XUnified)
        .hover_label(
            plotly::common::Label::new()
                .background_color("$card")
                .border_color("$line"),
        )
        .legend(
            Legend::new()
                .orientation(plotly::common::Orientation::Horizontal)
                .x(0.0)
                .y(1.02)
                .y_anchor(plotly::common::Anchor::Bottom),
        )
        .x_axis(x)
        .y_axis(log_ticks(axis().type_(AxisType::Log)))
}
