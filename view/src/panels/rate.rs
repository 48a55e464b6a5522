//! Answers a second, against what the schedule wanted.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Chart, Dataset, GraphType};

use super::{axis, within};
use crate::model::Model;
use crate::theme::Theme;
use crate::words::short_count;

pub(super) fn show(frame: &mut Frame<'_>, place: Rect, model: &Model, theme: Theme) {
    let title = Line::from(vec![
        Span::raw(" answers a second "),
        Span::styled("─ answered ", theme.rate()),
        Span::styled("• target ", theme.dim()),
    ]);
    let inner = within(frame, place, title, theme);
    if inner.height < 3 || inner.width < 2 * axis::LABEL {
        return;
    }
    let (shown, bounds) = axis::span(model, inner.width - axis::LABEL - 1);
    let answered: Vec<(f64, f64)> =
        shown.iter().map(|second| (model.at_s(second.end_ns), second.answered_per_s)).collect();
    let due: Vec<(f64, f64)> = shown
        .iter()
        .filter_map(|second| Some((model.at_s(second.end_ns), second.due_per_s?)))
        .collect();
    let most = answered.iter().chain(&due).map(|(_, rate)| *rate).fold(1.0, f64::max) * 1.1;
    let labels = [axis::label("0"), axis::label(&short_count(most))];
    let set =
        |points, marker, graph| Dataset::default().marker(marker).graph_type(graph).data(points);
    let sets = vec![
        set(&due, Marker::Dot, GraphType::Scatter).style(theme.dim()),
        set(&answered, Marker::Braille, GraphType::Line).style(theme.rate()),
    ];
    let chart = Chart::new(sets)
        .x_axis(axis::time(bounds, inner.height, theme))
        .y_axis(Axis::default().style(theme.dim()).bounds([0.0, most]).labels(labels))
        .legend_position(None);
    frame.render_widget(chart, inner);
}
