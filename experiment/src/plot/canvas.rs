//! Lines and bars with plotters: axes, marks for disturbances, and a legend beside the plot.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::prelude::{
    BLACK, ChartBuilder, Circle, Color as _, DrawingArea, IntoDrawingArea as _, IntoFont as _,
    LineSeries, RED, RGBColor, Rectangle, SVGBackend, TRANSPARENT, Text, WHITE,
};

use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::numbers::human;

const SIZE: (u32, u32) = (760, 400);
/// The part of it that the legend has.
const LEGEND: u32 = 205;
const LEGEND_LINE: i32 = 22;
const Y_LABELS: u32 = 72;
/// The height of a line of names under the x axis.
const NAME_LINE: u32 = 17;
const FONT: (&str, u32) = ("sans-serif", 16);
const TITLE: (&str, u32) = ("sans-serif", 19);
const GREY: RGBColor = RGBColor(110, 110, 110);
/// Okabe and Ito's colours, which the colour-blind can tell apart.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(120, 120, 120),
    RGBColor(160, 120, 0),
];

/// What is to be drawn.
pub(super) struct Picture {
    pub(super) title: String,
    pub(super) x_label: String,
    pub(super) y_label: String,
    pub(super) log_y: bool,
    pub(super) bars: bool,
    /// The names of the places on the x axis; empty where x is a number.
    pub(super) categories: Vec<String>,
    pub(super) series: Vec<Series>,
    /// Disturbances: name, begin and end.
    pub(super) marks: Vec<(String, f64, f64)>,
}

/// One line, or one colour of bars.
pub(super) struct Series {
    pub(super) label: String,
    pub(super) dots: Vec<(f64, f64)>,
}

type Drawn = Result<(), Box<dyn std::error::Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// None when the drawing fails, which a text in memory gives no reason for.
pub(super) fn draw(picture: &Picture) -> Option<String> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        paint(&root, picture).ok()?;
    }
    // A page that is narrower than the picture shows all of it, smaller.
    let fixed = format!("<svg width=\"{}\" height=\"{}\"", SIZE.0, SIZE.1);
    let scaled = format!("{fixed} style=\"max-width:100%;height:auto\"");
    Some(text.replacen(&fixed, &scaled, 1))
}

fn paint(root: &Area<'_>, picture: &Picture) -> Drawn {
    root.fill(&WHITE)?;
    let named = picture.series.iter().any(|series| !series.label.is_empty());
    let (chart, legend) = root.split_horizontally(SIZE.0 - if named { LEGEND } else { 20 });
    if named {
        paint_legend(&legend, picture)?;
    }
    paint_chart(&chart, picture)?;
    root.present()?;
    Ok(())
}

fn paint_legend(area: &Area<'_>, picture: &Picture) -> Drawn {
    for (number, series) in picture.series.iter().enumerate() {
        let y = 50 + number as i32 * LEGEND_LINE;
        let box_ = [(4, y), (20, y + 12)];
        area.draw(&Rectangle::new(box_, colour(number).filled()))?;
        area.draw(&Text::new(series.label.clone(), (28, y - 1), FONT.into_font()))?;
    }
    Ok(())
}

fn colour(number: usize) -> RGBColor {
    COLOURS[number % COLOURS.len()]
}

/// The heights that the y axis shows, as it draws them.
struct Heights {
    low: f64,
    high: f64,
    log: bool,
}

impl Heights {
    fn of(picture: &Picture) -> Self {
        let all = picture.series.iter().flat_map(|series| &series.dots).map(|(_, y)| *y);
        let log = picture.log_y;
        let positive = all.clone().filter(|y| !log || *y > 0.0);
        let high = positive.clone().fold(f64::MIN_POSITIVE, f64::max);
        let least = positive.fold(f64::INFINITY, f64::min);
        if log {
            // A bar has no height where the axis begins.
            let room = if picture.bars { 0.3 } else { 0.0 };
            let low = (least.min(high).log10() - room).floor();
            Self { low, high: (high.log10() + 0.08).max(low + 1.0), log }
        } else {
            Self { low: 0.0, high: high * 1.08, log }
        }
    }

    fn at(&self, y: f64) -> f64 {
        if self.log { y.max(f64::MIN_POSITIVE).log10().max(self.low) } else { y }
    }

    fn text(&self, drawn: f64) -> String {
        if !self.log {
            return human(drawn);
        }
        // Between the powers of ten a label would need more digits than it has room for.
        if (drawn - drawn.round()).abs() < 1e-9 { human(10f64.powf(drawn)) } else { String::new() }
    }

    fn marks(&self) -> Vec<f64> {
        let (from, to) = (self.low.ceil() as i32, self.high.floor() as i32);
        (from..=to).map(f64::from).collect()
    }
}

/// An axis with the marks that we want, not those that divide it nicely.
struct Axis {
    range: Range<f64>,
    marks: Vec<f64>,
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let share = (value - self.range.start) / (self.range.end - self.range.start);
        limit.0 + (f64::from(limit.1 - limit.0) * share).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.marks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

/// Round numbers between two others, some seven of them.
fn steps(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 7.0;
    let ten = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * ten).into_iter().find(|one| *one >= rough);
    let step = step.unwrap_or(rough);
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    // Through text, so that 3 × 0.1 is 0.3.
    (first..=last).map(|number| crate::data::rounded(number as f64 * step)).collect()
}

fn widths(picture: &Picture) -> (f64, f64) {
    if !picture.categories.is_empty() {
        return (-0.5, picture.categories.len() as f64 - 0.5);
    }
    let all = picture.series.iter().flat_map(|series| &series.dots).map(|(x, _)| *x);
    let high = all.clone().fold(f64::MIN_POSITIVE, f64::max);
    let low = all.fold(f64::INFINITY, f64::min);
    // What begins near nothing is shown from nothing.
    (if low < high * 0.5 { 0.0 } else { low - (high - low) * 0.1 }, high * 1.02)
}

/// Names of places in as many lines as their widths ask for: beside each other on one they would cover
/// each other.
fn wrapped(names: &[String], width_px: u32) -> Vec<Vec<String>> {
    const LETTER: f64 = 8.0;
    let room = f64::from(width_px) / names.len().max(1) as f64;
    let most = ((room / LETTER) as usize).max(6);
    let wrap = |name: &String| {
        let mut lines = vec![String::new()];
        for word in name.split_inclusive([' ', '-']) {
            let line = lines.last().map_or(0, |line| line.chars().count());
            if line > 0 && line + word.trim_end().chars().count() > most {
                lines.push(String::new());
            }
            if let Some(line) = lines.last_mut() {
                line.push_str(word);
            }
        }
        lines
    };
    names.iter().map(wrap).collect()
}

/// The name of a place under the axis, where it is a point of the whole picture.
fn paint_name(area: &Area<'_>, lines: &[String], (x, y): (i32, i32)) -> Drawn {
    let style = FONT.into_font().color(&BLACK).pos(Pos::new(HPos::Center, VPos::Top));
    let (left, top) = area.get_base_pixel();
    for (below, line) in lines.iter().enumerate() {
        let at = (x - left, y - top + 9 + NAME_LINE as i32 * below as i32);
        area.draw(&Text::new(line.clone(), at, style.clone()))?;
    }
    Ok(())
}

fn paint_chart(area: &Area<'_>, picture: &Picture) -> Drawn {
    let heights = Heights::of(picture);
    let (left, right) = widths(picture);
    let places: Vec<f64> = if picture.categories.is_empty() {
        steps(left, right)
    } else {
        (0..picture.categories.len()).map(|place| place as f64).collect()
    };
    let width = area.dim_in_pixel().0.saturating_sub(Y_LABELS);
    let names = wrapped(&picture.categories, width);
    let name_lines = names.iter().map(Vec::len).max().unwrap_or(1).max(1) as u32;
    let rows = if heights.log { heights.marks() } else { steps(heights.low, heights.high) };
    let mut chart = ChartBuilder::on(area)
        .caption(&picture.title, TITLE)
        .margin(12)
        .x_label_area_size(46 + NAME_LINE * (name_lines - 1))
        .y_label_area_size(Y_LABELS)
        .build_cartesian_2d(
            Axis { range: left..right, marks: places },
            Axis { range: heights.low..heights.high, marks: rows },
        )?;
    let number = |x: &f64| if names.is_empty() { human(*x) } else { String::new() };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .axis_style(GREY)
        .x_desc(&picture.x_label)
        .y_desc(&picture.y_label)
        .label_style(FONT)
        .axis_desc_style(FONT)
        .x_label_formatter(&number)
        .y_label_formatter(&|y| heights.text(*y))
        .draw()?;
    for (place, lines) in names.iter().enumerate() {
        paint_name(area, lines, chart.backend_coord(&(place as f64, heights.low)))?;
    }
    for (number, (action, begin, end)) in picture.marks.iter().enumerate() {
        let end = end.max(begin + (right - left) * 0.003).min(right);
        let span = [(*begin, heights.low), (end, heights.high)];
        chart.draw_series([Rectangle::new(span, RED.mix(0.10).filled())])?;
        // One below the other, so that neighbours do not cover each other.
        let drop = 0.03 + 0.06 * (number % 4) as f64;
        let at = (*begin, heights.high - (heights.high - heights.low) * drop);
        chart.draw_series([Text::new(action.clone(), at, ("sans-serif", 12).into_font())])?;
    }
    let count = picture.series.len() as f64;
    for (number, series) in picture.series.iter().enumerate() {
        let colour = colour(number);
        let dots = series.dots.iter().map(|(x, y)| (*x, heights.at(*y)));
        if picture.bars {
            let width = 0.8 / count;
            let bar = |(x, y): (f64, f64)| {
                let from = x - 0.4 + width * number as f64;
                Rectangle::new([(from, heights.low), (from + width * 0.94, y)], colour.filled())
            };
            chart.draw_series(dots.map(bar))?;
            continue;
        }
        chart.draw_series(LineSeries::new(dots.clone(), colour.stroke_width(2)))?;
        if series.dots.len() <= 40 {
            chart.draw_series(dots.map(|dot| Circle::new(dot, 4, colour.filled())))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_cover_each_other_are_wrapped() {
        let names =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(wrapped(&names(&["one by one", "x"]), 480), [vec!["one by one"], vec!["x"]]);
        let many = names(&["stale-while-revalidate", "200 keys, nothing", "a", "b", "c", "d", "e"]);
        let lines = wrapped(&many, 560);
        assert_eq!(lines[0], ["stale-", "while-", "revalidate"]);
        assert_eq!(lines[1], ["200 keys, ", "nothing"]);
    }
}
