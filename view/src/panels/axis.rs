//! Axes: which seconds are shown, and what stands beside a logarithmic scale.

use ratatui::text::Line;
use ratatui::widgets::Axis;

use crate::model::{Model, Second};
use crate::theme::Theme;

/// Columns of the labels beside a curve.
pub(super) const LABEL: u16 = 7;

/// A curve is not stretched over more columns than so many seconds have.
const FEWEST_S: f64 = 20.0;

/// The seconds that a panel of so many columns shows, and their span on the run's axis. A column of
/// braille has two dots: no second is left out.
pub(super) fn span(model: &Model, columns: u16) -> (Vec<&Second>, [f64; 2]) {
    let most = usize::from(columns.max(1)) * 2;
    let skipped = model.seconds.len().saturating_sub(most);
    let shown: Vec<&Second> = model.seconds.iter().skip(skipped).collect();
    let at = |second: Option<&&Second>| second.map_or(0.0, |second| model.at_s(second.end_ns));
    let (first, last) = (at(shown.first()), at(shown.last()));
    (shown, [first, last.max(first + FEWEST_S)])
}

/// Rows below which a panel's curve needs those that an axis of time would take.
const FEWEST_ROWS: u16 = 6;

/// An axis of time, named where there is room.
pub(super) fn time(bounds: [f64; 2], rows: u16, theme: Theme) -> Axis<'static> {
    let [from, to] = bounds;
    if rows < FEWEST_ROWS {
        return Axis::default().style(theme.dim()).bounds(bounds);
    }
    let labels = [from, f64::midpoint(from, to), to].map(|at_s| format!("{at_s:.0} s"));
    Axis::default().style(theme.dim()).bounds(bounds).labels(labels)
}

/// The decades that hold all of these positive values, as powers of ten.
pub(super) fn decades(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let logs = values.filter(|value| *value > 0.0).map(f64::log10);
    let (low, high) = logs
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), log| (low.min(log), high.max(log)));
    if low > high {
        return [1.0, 3.0];
    }
    let low = low.floor();
    [low, high.ceil().max(low + 1.0)]
}

/// Rows of the curve itself on a panel of so many.
pub(super) fn plot_rows(rows: u16) -> u16 {
    if rows < FEWEST_ROWS { rows } else { rows - 2 }
}

/// An axis of powers of ten, with as many of them named as its rows allow.
pub(super) fn powers(
    bounds: [f64; 2],
    rows: u16,
    name: fn(f64) -> String,
    theme: Theme,
) -> Axis<'static> {
    let [low, high] = bounds;
    let steps = (high - low).round().max(1.0) as u16;
    // Labels stand at even distances: every decade, or only the first and the last.
    let named = if rows > steps { steps } else { 1 };
    let at = |index: u16| low + (high - low) * f64::from(index) / f64::from(named);
    let labels = (0..=named).map(|index| label(&name(10_f64.powf(at(index)))));
    Axis::default().style(theme.dim()).bounds(bounds).labels(labels.collect::<Vec<Line<'_>>>())
}

/// A label at the right of its columns.
pub(super) fn label(text: &str) -> Line<'static> {
    let width = usize::from(LABEL);
    Line::from(format!("{text:>width$}"))
}
