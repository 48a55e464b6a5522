//! What stalled the server's main thread, by cause.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::bars::filled;
use super::within;
use crate::model::{Model, class_name};
use crate::theme::Theme;
use crate::words::human_us;

/// Columns of a cause's name, and of its figure.
const NAME: usize = 11;
const FIGURE: usize = 8;

pub(super) fn show(frame: &mut Frame<'_>, place: Rect, model: &Model, theme: Theme) {
    let inner = within(frame, place, " stalls by cause ", theme);
    let ranking = model.ranking();
    if ranking.is_empty() {
        let text = if model.watched { "none so far" } else { model.unwatched.as_str() };
        let words = Paragraph::new(text.to_owned()).wrap(Wrap { trim: true }).style(theme.dim());
        frame.render_widget(words, inner);
        return;
    }
    let room = usize::from(inner.width).saturating_sub(NAME + FIGURE + 2);
    let most = ranking.first().map_or(1, |(_, cause)| cause.busy_ns).max(1) as f64;
    let mut lines: Vec<Line<'_>> = ranking
        .iter()
        .map(|(class, cause)| {
            let style = theme.class(*class);
            let share = cause.busy_ns as f64 / most;
            Line::from(vec![
                Span::styled(format!("{:<NAME$} ", class_name(*class)), style),
                Span::styled(format!("{:<room$}", filled(share, room)), style),
                Span::raw(format!("{:>FIGURE$}", human_us(cause.busy_ns as f64 / 1e3))),
            ])
        })
        .collect();
    if model.lost > 0 {
        lines.insert(0, Line::styled(format!("{} not recorded", model.lost), theme.bad()));
    }
    frame.render_widget(Paragraph::new(lines), inner);
}
