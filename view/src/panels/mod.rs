//! What each panel shows.

mod head;

mod axis;

mod latency;

mod rate;

mod bars;

mod causes;

mod steps;

mod feed;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Block;

use crate::model::Model;
use crate::plan::{Panel, Wanted, panels};
use crate::theme::Theme;

/// Draws everything that has room.
pub fn draw(frame: &mut Frame<'_>, model: &Model, theme: Theme) {
    let area = frame.area();
    let last = model.seconds.back();
    let wanted = Wanted {
        cores: last.map_or(1, |second| second.cores.len() as u16),
        nodes: last.map_or(1, |second| second.nodes.len().max(model.busy.len()) as u16),
        slots: last.is_some_and(|second| !second.slots.is_empty()),
        steps: !model.steps.is_empty(),
    };
    for (panel, place) in panels(area, wanted) {
        let show = match panel {
            Panel::Title => head::title,
            Panel::Figures => head::figures,
            Panel::Latency => latency::show,
            Panel::Rate => rate::show,
            Panel::Cores => bars::cores,
            Panel::Nodes => bars::nodes,
            Panel::Slots => bars::slots,
            Panel::Steps => steps::show,
            Panel::Causes => causes::show,
            Panel::Feed => feed::show,
        };
        show(frame, place, model, theme);
    }
}

/// Draws a border with a title, and gives what is within.
fn within<'a>(
    frame: &mut Frame<'_>,
    place: Rect,
    title: impl Into<Line<'a>>,
    theme: Theme,
) -> Rect {
    let block = Block::bordered().border_style(theme.dim()).title(title.into());
    let inner = block.inner(place);
    frame.render_widget(block, place);
    inner
}
