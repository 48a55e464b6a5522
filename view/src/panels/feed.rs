//! What happens, as it happens, the newest first.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::within;
use crate::model::{Event, Kind, Model, class_name};
use crate::theme::Theme;
use crate::words::human_us;

/// Rows below which a border would take the room of what it surrounds.
const BORDERED: u16 = 4;

pub(super) fn show(frame: &mut Frame<'_>, place: Rect, model: &Model, theme: Theme) {
    let inner = if place.height >= BORDERED {
        within(frame, place, " as it happens ", theme)
    } else {
        place
    };
    let mut events: Vec<&Event> = model.events.iter().collect();
    // The probes tell of a stall when it is over: a longer one comes later, and began before.
    events.sort_by_key(|event| std::cmp::Reverse(event.at_ns));
    let shown = events.into_iter().take(usize::from(inner.height));
    let lines: Vec<Line<'_>> = shown.map(|event| line(event, model, theme)).collect();
    frame.render_widget(Paragraph::new(lines), inner);
}

fn line<'a>(event: &'a Event, model: &Model, theme: Theme) -> Line<'a> {
    let name = match event.kind {
        Kind::Stall(class) => class_name(class),
        Kind::Disturbance => "disturbance".to_owned(),
        Kind::Slowlog => "slowlog".to_owned(),
        Kind::Outage => "outage".to_owned(),
        Kind::Client => "client late".to_owned(),
        Kind::Note => String::new(),
    };
    let at = Span::styled(format!("{:>7.1} s  ", model.at_s(event.at_ns)), theme.dim());
    let many = if event.count > 1 { format!("x{} ", event.count) } else { String::new() };
    let text = Span::raw(format!("{many}{}", event.text));
    if event.kind == Kind::Note {
        return Line::from(vec![at, text]);
    }
    let length = event.length_us.map_or(String::new(), human_us);
    Line::from(vec![
        at,
        Span::styled(format!("{name:<11} "), theme.kind(event.kind)),
        Span::styled(format!("{length:>8}  "), theme.strong()),
        text,
    ])
}
