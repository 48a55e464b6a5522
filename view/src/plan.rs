//! Which panels have room on a screen, and where: a pure function of its size.

use ratatui::layout::{Constraint, Layout, Rect};

/// What can stand on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Panel {
    Title,
    Figures,
    Latency,
    Rate,
    Cores,
    Nodes,
    Slots,
    Steps,
    Causes,
    Feed,
}

/// What there is to show.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted {
    pub(crate) cores: u16,
    pub(crate) nodes: u16,
    pub(crate) slots: bool,
    pub(crate) steps: bool,
}

/// Narrower than this, panels stand under each other.
const WIDE: u16 = 72;

/// Lower than this there is no room for curves.
const LOW: u16 = 10;

/// Panels and their places, none of them empty.
pub(crate) fn panels(area: Rect, wanted: Wanted) -> Vec<(Panel, Rect)> {
    let mut places = match (area.width, area.height) {
        (_, 1) => vec![(Panel::Figures, area)],
        (width, height) if height < LOW || width < 24 => low(area),
        (width, _) if width < WIDE => narrow(area),
        _ => wide(area, wanted),
    };
    places.retain(|(_, place)| !place.is_empty());
    places
}

fn low(area: Rect) -> Vec<(Panel, Rect)> {
    let figures = if area.width < WIDE { 3 } else { 1 };
    let rows = [Constraint::Length(1), Constraint::Length(figures), Constraint::Fill(1)];
    let [title, figures, feed] = Layout::vertical(rows).areas(area);
    vec![(Panel::Title, title), (Panel::Figures, figures), (Panel::Feed, feed)]
}

fn narrow(area: Rect) -> Vec<(Panel, Rect)> {
    let rate = if area.height >= 18 { 5 } else { 0 };
    let rows = [
        Constraint::Length(1),
        Constraint::Length(3),
        Constraint::Fill(3),
        Constraint::Length(rate),
        Constraint::Fill(2),
    ];
    let [title, figures, latency, rate, feed] = Layout::vertical(rows).areas(area);
    vec![
        (Panel::Title, title),
        (Panel::Figures, figures),
        (Panel::Latency, latency),
        (Panel::Rate, rate),
        (Panel::Feed, feed),
    ]
}

fn wide(area: Rect, wanted: Wanted) -> Vec<(Panel, Rect)> {
    let bottom = (area.height / 3).clamp(4, 14);
    let rows = [
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(bottom),
    ];
    let [title, figures, middle, bottom] = Layout::vertical(rows).areas(area);
    let side = (area.width * 3 / 10).clamp(24, 44);
    let [left, right] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(side)]).areas(middle);
    let rate = if left.height >= 10 { (left.height * 2 / 5).min(12) } else { 0 };
    let [latency, rate] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(rate)]).areas(left);
    let mut places = vec![
        (Panel::Title, title),
        (Panel::Figures, figures),
        (Panel::Latency, latency),
        (Panel::Rate, rate),
    ];
    let below = if wanted.steps { Panel::Steps } else { Panel::Causes };
    let [first, second] = if wanted.steps {
        Layout::horizontal([Constraint::Percentage(55), Constraint::Fill(1)]).areas(bottom)
    } else {
        Layout::horizontal([Constraint::Length(side.clamp(30, 40)), Constraint::Fill(1)])
            .areas(bottom)
    };
    places.extend(bars(right, wanted));
    places.extend([(below, first), (Panel::Feed, second)]);
    places
}

/// The panels at the side: each as high as it needs, the last one gets the rest.
fn bars(area: Rect, wanted: Wanted) -> Vec<(Panel, Rect)> {
    let cores = (wanted.cores.max(1) + 2).min(area.height / 3 + 1).max(3);
    if wanted.slots {
        let nodes = (wanted.nodes.max(1) + 2).min((area.height.saturating_sub(cores) / 2).max(3));
        let rows = [Constraint::Length(cores), Constraint::Length(nodes), Constraint::Fill(1)];
        let [cores, nodes, slots] = Layout::vertical(rows).areas(area);
        return vec![(Panel::Cores, cores), (Panel::Nodes, nodes), (Panel::Slots, slots)];
    }
    if wanted.steps {
        let rows = [Constraint::Length(cores), Constraint::Length(3), Constraint::Fill(1)];
        let [cores, nodes, causes] = Layout::vertical(rows).areas(area);
        return vec![(Panel::Cores, cores), (Panel::Nodes, nodes), (Panel::Causes, causes)];
    }
    let [cores, nodes] =
        Layout::vertical([Constraint::Length(cores), Constraint::Fill(1)]).areas(area);
    vec![(Panel::Cores, cores), (Panel::Nodes, nodes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_never_overlap_and_never_leave_the_screen() {
        for width in 0..140 {
            for height in 0..50 {
                let area = Rect::new(0, 0, width, height);
                for steps in [false, true] {
                    let wanted = Wanted { cores: 4, nodes: 6, slots: !steps, steps };
                    let places = panels(area, wanted);
                    for (index, (panel, place)) in places.iter().enumerate() {
                        assert_eq!(place.intersection(area), *place, "{panel:?} {area:?}");
                        let others = &places[index + 1..];
                        let other = others.iter().find(|(_, other)| place.intersects(*other));
                        assert_eq!(other, None, "{panel:?} {area:?}");
                    }
                }
            }
        }
    }
}
