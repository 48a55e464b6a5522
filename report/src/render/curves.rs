//! Response and service time by percentile.

use hdrhistogram::Histogram;
use plotly::common::{Line, Mode};
use plotly::layout::{AxisType, Layout, Margin};
use plotly::{Configuration, Plot, Scatter};

use crate::render::axes::{self, axis, log_milliseconds};
use crate::run::{Distribution, Run, merged};
use crate::words;

/// Height of the figure.
pub const HEIGHT_PX: usize = 300;

/// Response and service time against the share of requests, as JSON for the page's script.
#[must_use]
pub fn figure(run: &Run) -> String {
    let mut plot = Plot::new();
    let curves = [
        ("service: from its sending", "$service", Distribution::Service),
        ("response: from when it was due", "$p999", Distribution::Response),
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
        points.2.push(format!("{:.4} %: {}", quantile * 100.0, words::duration(value_ns)));
    }
    points
}

fn curve_layout() -> Layout {
    let values = (0..=6).map(|nines| 10_f64.powi(nines)).collect();
    let names = ["min", "p90", "p99", "p99.9", "p99.99", "p99.999", "p99.9999"];
    let x = axis()
        .type_(AxisType::Log)
        .tick_values(values)
        .tick_text(names.iter().map(|name| (*name).to_owned()).collect());
    axes::layout(HEIGHT_PX)
        .margin(Margin::new().left(70).right(14).top(40).bottom(36))
        .x_axis(x)
        .y_axis(log_milliseconds())
}
