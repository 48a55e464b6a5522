//! Percentiles over time, and under them what stalled the server at that time.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Chart, Dataset, GraphType};

use super::{axis, within};
use crate::model::{Kind, Model, Second};
use crate::theme::{Curve, Theme};
use crate::words::human_us;

pub(super) fn show(frame: &mut Frame<'_>, place: Rect, model: &Model, theme: Theme) {
    let inner = within(frame, place, legend(theme), theme);
    if inner.height < 3 || inner.width < 2 * axis::LABEL {
        return;
    }
    let [plot, strip] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(inner);
    let columns = inner.width - axis::LABEL - 1;
    let (shown, bounds) = axis::span(model, columns);
    let values = shown.iter().flat_map(|second| [second.p50_us, second.max_us]);
    let decades = axis::decades(values);
    let curves = Curve::ALL.map(|curve| points(&shown, model, curve));
    let sets = Curve::ALL.into_iter().zip(&curves).map(|(curve, points)| {
        Dataset::default()
            .marker(theme.mark(curve).0)
            .graph_type(GraphType::Line)
            .style(theme.curve(curve))
            .data(points)
    });
    let rows = axis::plot_rows(plot.height);
    let chart = Chart::new(sets.collect())
        .x_axis(axis::time(bounds, plot.height, theme))
        .y_axis(axis::powers(decades, rows, human_us, theme))
        .legend_position(None);
    frame.render_widget(chart, plot);
    stalls(frame, strip, model, (bounds, columns), theme);
}

fn legend(theme: Theme) -> Line<'static> {
    let mut words = vec![Span::raw(" latency ")];
    for curve in Curve::ALL {
        let text = format!("{} {} ", theme.mark(curve).1, curve.name());
        words.push(Span::styled(text, theme.curve(curve)));
    }
    Line::from(words)
}

/// A curve's points; what lasted no time (nothing was answered) has none.
fn points(shown: &[&Second], model: &Model, curve: Curve) -> Vec<(f64, f64)> {
    let value = |second: &Second| match curve {
        Curve::P50 => second.p50_us,
        Curve::P99 => second.p99_us,
        Curve::P999 => second.p999_us,
        Curve::Max => second.max_us,
    };
    let answered = shown.iter().filter(|second| value(second) > 0.0);
    answered.map(|second| (model.at_s(second.end_ns), value(second).log10())).collect()
}

/// One row on the same axis of time: where the server was stalled or disturbed, the longest of each
/// column.
fn stalls(
    frame: &mut Frame<'_>,
    place: Rect,
    model: &Model,
    (bounds, columns): ([f64; 2], u16),
    theme: Theme,
) {
    let [from, to] = bounds;
    let mut marks: Vec<Option<(f64, Style)>> = vec![None; usize::from(columns)];
    for event in &model.events {
        if matches!(event.kind, Kind::Note) {
            continue;
        }
        let share = (model.at_s(event.at_ns) - from) / (to - from);
        if !(0.0..=1.0).contains(&share) {
            continue;
        }
        let column = (share * f64::from(columns - 1)).round() as usize;
        let length = event.length_us.unwrap_or_default();
        if let Some(mark) = marks.get_mut(column)
            && mark.is_none_or(|(known, _)| length >= known)
        {
            *mark = Some((length, theme.kind(event.kind)));
        }
    }
    let width = usize::from(axis::LABEL) + 1;
    let mut words = vec![Span::styled(format!("{:<width$}", " stalls"), theme.dim())];
    words.extend(marks.into_iter().map(|mark| match mark {
        Some((_, style)) => Span::styled("▲", style),
        None => Span::raw(" "),
    }));
    frame.render_widget(Line::from(words), place);
}
