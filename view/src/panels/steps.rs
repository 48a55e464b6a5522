//! The rates that a search has tried, the newest first.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::within;
use crate::model::{Model, Step};
use crate::theme::Theme;
use crate::words::{human_us, short_count};

pub(super) fn show(frame: &mut Frame<'_>, place: Rect, model: &Model, theme: Theme) {
    let inner = within(frame, place, " rates tried ", theme);
    let head = format!(
        "{:<7} {:>7} {:>8} {:>8} {:>7}  result",
        "stage", "asked/s", "p50", "p99", "server%"
    );
    let mut lines = vec![Line::styled(head, theme.dim())];
    lines.extend(model.steps.iter().rev().map(|step| line(step, theme)));
    frame.render_widget(Paragraph::new(lines), inner);
}

fn line(step: &Step, theme: Theme) -> Line<'_> {
    let busy = step.server_busy.map_or("-".to_owned(), |busy| format!("{:.0}", busy * 100.0));
    let figures = format!(
        "{:<7} {:>7} {:>8} {:>8} {busy:>7}  ",
        step.stage,
        short_count(step.asked_per_s),
        human_us(step.p50_us),
        human_us(step.p99_us),
    );
    let result = match &step.broken {
        None => Span::styled("met", theme.good()),
        Some(reason) => Span::styled(reason.as_str(), theme.bad()),
    };
    Line::from(vec![Span::raw(figures), result])
}
