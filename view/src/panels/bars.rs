//! Bars: the client's cores, the servers, the busiest hash slots.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::within;
use crate::model::Model;
use crate::theme::Theme;
use crate::words::short_count;

/// The eighths of a block.
const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// Columns of a bar's figure.
const FIGURE: usize = 6;

/// One bar: name, share of the whole width, figure, look.
struct Bar {
    name: String,
    share: f64,
    figure: String,
    style: Style,
}

/// How busy each of the client's cores is.
pub(super) fn cores(frame: &mut Frame<'_>, place: Rect, model: &Model, theme: Theme) {
    let shares = model.seconds.back().map(|second| second.cores.as_slice()).unwrap_or_default();
    let bars = shares.iter().enumerate().map(|(ring, share)| Bar {
        name: format!("ring {ring}"),
        share: *share,
        figure: format!("{:.0} %", share * 100.0),
        style: theme.load(*share),
    });
    show(frame, place, " client's cores ", bars.collect(), theme);
}

/// How busy each server is, and what each node of a cluster answers.
pub(super) fn nodes(frame: &mut Frame<'_>, place: Rect, model: &Model, theme: Theme) {
    let rates = model.seconds.back().map(|second| second.nodes.as_slice()).unwrap_or_default();
    let busy = |name: &str| {
        let known = model.busy.iter().find(|busy| busy.target.ends_with(name));
        known.and_then(|busy| busy.share)
    };
    if rates.is_empty() {
        let bars = model.busy.iter().map(|server| Bar {
            name: short_name(&server.target),
            share: server.share.unwrap_or_default(),
            figure: server.share.map_or("-".to_owned(), |share| format!("{:.0} %", share * 100.0)),
            style: theme.load(server.share.unwrap_or_default()),
        });
        return show(frame, place, " server's main thread ", bars.collect(), theme);
    }
    let most = rates.iter().map(|(_, rate)| *rate).fold(1.0, f64::max);
    let bars = rates.iter().map(|(name, rate)| Bar {
        name: short_name(name),
        share: rate / most,
        figure: short_count(*rate),
        style: theme.load(busy(name).unwrap_or_default()),
    });
    show(frame, place, " nodes, answers a second ", bars.collect(), theme);
}

/// The busiest hash slots of a cluster.
pub(super) fn slots(frame: &mut Frame<'_>, place: Rect, model: &Model, theme: Theme) {
    let slots = model.seconds.back().map(|second| second.slots.as_slice()).unwrap_or_default();
    let most = slots.iter().map(|(_, rate)| *rate).fold(1.0, f64::max);
    let bars = slots.iter().map(|(slot, rate)| Bar {
        name: format!("slot {slot}"),
        share: rate / most,
        figure: short_count(*rate),
        style: theme.rate(),
    });
    show(frame, place, " hottest slots ", bars.collect(), theme);
}

/// Without the part of an address that is the same everywhere.
fn short_name(target: &str) -> String {
    let name = target.split_once("://").map_or(target, |(_, place)| place);
    name.strip_prefix("127.0.0.1").unwrap_or(name).to_owned()
}

fn show(frame: &mut Frame<'_>, place: Rect, title: &str, bars: Vec<Bar>, theme: Theme) {
    let inner = within(frame, place, title.to_owned(), theme);
    let rows = usize::from(inner.height);
    let width = bars.iter().map(|bar| bar.name.chars().count()).max().unwrap_or(0).min(16);
    let room = usize::from(inner.width).saturating_sub(width + FIGURE + 2);
    let hidden = bars.len().saturating_sub(rows);
    // The last row says how many have no room.
    let shown = if hidden > 0 { rows.saturating_sub(1) } else { bars.len() };
    let mut lines: Vec<Line<'_>> = bars
        .iter()
        .take(shown)
        .map(|bar| {
            let name: String = bar.name.chars().take(width).collect();
            Line::from(vec![
                Span::raw(format!("{name:<width$} ")),
                Span::styled(format!("{:<room$}", filled(bar.share, room)), bar.style),
                Span::raw(format!("{:>FIGURE$}", bar.figure)),
            ])
        })
        .collect();
    if hidden > 0 {
        lines.push(Line::styled(format!("and {} more", bars.len() - shown), theme.dim()));
    }
    frame.render_widget(Paragraph::new(lines), inner);
}

/// A bar of so many columns, to an eighth of one.
pub(super) fn filled(share: f64, columns: usize) -> String {
    let eighths = (share.clamp(0.0, 1.0) * columns as f64 * 8.0).round() as usize;
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}
