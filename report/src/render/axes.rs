//! What the figures have in common: axes, tokens for colours, text that stays text.
//!
//! Colours are tokens (`$p99`) that the page's script replaces by the values of its theme, so
//! the same figure is drawn in light and in dark.

use plotly::Layout;
use plotly::common::{Anchor, Font, Label, Orientation};
use plotly::layout::{Axis, AxisType, HoverMode, Legend};

use crate::run::Run;

/// A layout with the page's colours and fonts, one hover box for all lines, and the legend above.
pub(super) fn layout(height_px: usize) -> Layout {
    let font = |colour: &'static str| Font::new().family("$font").size(12).color(colour);
    Layout::new()
        .height(height_px)
        .paper_background_color("$card")
        .plot_background_color("$card")
        .font(font("$muted"))
        .hover_mode(HoverMode::XUnified)
        .hover_label(
            Label::new().background_color("$card").border_color("$line").font(font("$ink")),
        )
        .legend(
            Legend::new()
                .orientation(Orientation::Horizontal)
                .x(0.0)
                .y(1.0)
                .y_anchor(Anchor::Bottom),
        )
}

/// A plain axis.
pub(super) fn axis() -> Axis {
    Axis::new()
        .grid_color("$grid")
        .zero_line(false)
        .line_color("$line")
        .tick_color("$line")
        .auto_margin(false)
}

/// A logarithmic axis of milliseconds, with its ticks in the units that fit.
pub(super) fn log_milliseconds() -> Axis {
    let exponents = -4..=7;
    let values: Vec<f64> = exponents.map(|exponent| 10_f64.powi(exponent)).collect();
    let texts = [
        "100 ns", "1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s",
        "1000 s", "10⁴ s",
    ];
    axis()
        .type_(AxisType::Log)
        .tick_values(values)
        .tick_text(texts.iter().map(|text| (*text).to_owned()).collect())
}

/// Plotly reads hover texts as simple HTML; what comes out of a timeline must stay text.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A time on the figure's axis.
pub(super) fn seconds(run: &Run, time_ns: u64) -> f64 {
    // Microseconds are enough for a screen and keep the page small.
    (run.axis_ns(time_ns) as f64 / 1e3).round() / 1e6
}
