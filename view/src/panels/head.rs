//! The first lines: what runs, how far it is, and the last second in figures.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::model::{Model, Second};
use crate::theme::{Curve, Theme};
use crate::words::{human_count, human_us};

/// What runs, and how far it is; at its right how to end it.
pub(super) fn title(frame: &mut Frame<'_>, place: Rect, model: &Model, theme: Theme) {
    let keys = if model.ending { "ending …" } else { "q ends" };
    let keys_place = keys.chars().count() as u16 + 1;
    let [left, right] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(keys_place)]).areas(place);
    let mut words = vec![Span::styled(model.title.clone(), theme.strong())];
    if let Some(time) = time(model) {
        words.push(Span::raw(format!("  {time}")));
    }
    if !model.doing.is_empty() {
        words.push(Span::styled(format!("  {}", model.doing), theme.dim()));
    }
    frame.render_widget(Paragraph::new(Line::from(words)), left);
    frame.render_widget(Paragraph::new(Line::styled(keys, theme.dim())).right_aligned(), right);
}

fn time(model: &Model) -> Option<String> {
    let last = model.seconds.back()?;
    let at_s = model.at_s(last.end_ns);
    if last.warmup {
        return Some("warm-up".to_owned());
    }
    Some(match model.length_s {
        Some(length_s) => format!("{:.0} of {length_s:.0} s", at_s.min(length_s)),
        None => format!("{at_s:.0} s"),
    })
}

/// The last second in figures, in one line or in three.
pub(super) fn figures(frame: &mut Frame<'_>, place: Rect, model: &Model, theme: Theme) {
    let Some(second) = model.seconds.back() else {
        frame.render_widget(Paragraph::new("waiting for the first second"), place);
        return;
    };
    let (rate, latency, rest) =
        (rates(second, theme), latencies(second, theme), rest(second, theme));
    let lines = if place.height >= 3 {
        vec![Line::from(rate), Line::from(latency), Line::from(rest)]
    } else if place.width < 60 {
        // One thing alone has room: how fast, and how late.
        vec![Line::from([latency[2..4].to_vec(), rate].concat())]
    } else {
        vec![Line::from([rate, latency, rest].concat())]
    };
    frame.render_widget(Paragraph::new(lines), place);
}

fn rates(second: &Second, theme: Theme) -> Vec<Span<'static>> {
    let mut words =
        vec![Span::styled(format!("{}/s ", human_count(second.answered_per_s)), theme.rate())];
    if let Some(due) = second.due_per_s {
        words.push(Span::styled(format!("of {} ", human_count(due)), theme.dim()));
    }
    if second.errors_per_s > 0.0 {
        // Where no line is too short for it.
        let text = format!("errors {}/s ", human_count(second.errors_per_s));
        words.push(Span::styled(text, theme.bad()));
    }
    words
}

fn latencies(second: &Second, theme: Theme) -> Vec<Span<'static>> {
    let values = [second.p50_us, second.p99_us, second.p999_us, second.max_us];
    let shown = Curve::ALL.into_iter().zip(values);
    shown
        .flat_map(|(curve, us)| {
            [
                Span::styled(format!("{} ", curve.name()), theme.dim()),
                Span::styled(format!("{} ", human_us(us)), theme.curve(curve)),
            ]
        })
        .collect()
}

fn rest(second: &Second, theme: Theme) -> Vec<Span<'static>> {
    let mut words = vec![
        Span::styled("lag p99 ", theme.dim()),
        Span::raw(format!("{} ", human_us(second.lag_p99_us))),
    ];
    if let Some(share) = second.hit_share {
        words.push(Span::styled("hits ", theme.dim()));
        words.push(Span::raw(format!("{:.1} % ", share * 100.0)));
    }
    if second.backlog > 0 {
        words.push(Span::styled("waiting ", theme.dim()));
        words.push(Span::styled(format!("{} ", human_count(second.backlog as f64)), theme.bad()));
    }
    if second.errors_per_s <= 0.0 {
        words.push(Span::styled("no errors", theme.good()));
    }
    words
}
