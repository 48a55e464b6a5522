//! Pictures of the data, as SVG.

mod numbers;

mod canvas;

use std::collections::BTreeSet;

use self::canvas::{Picture, Series, draw};
pub use self::numbers::human;
use crate::data::{Data, PointData};
use crate::scenario::{PlotKind, PlotPlan, Settings};
use crate::sweep;

/// The `x` of plots over the time of each run.
const TIME: &str = "time";

/// Draws a plot; none when the data has nothing for it.
#[must_use]
pub fn svg(plan: &PlotPlan, data: &Data) -> Option<String> {
    let points: Vec<&PointData> =
        data.points.iter().filter(|point| point.matches(&plan.filter)).collect();
    let picture = if plan.x == TIME { over_time(plan, &points) } else { over_x(plan, &points) };
    let picture =
        picture.filter(|picture| picture.series.iter().any(|one| !one.dots.is_empty()))?;
    draw(&picture)
}

fn y_of(plan: &PlotPlan, value: f64) -> f64 {
    value / plan.divide_y.unwrap_or(1.0)
}

fn empty(plan: &PlotPlan) -> Picture {
    Picture {
        title: plan.title.clone(),
        x_label: plan.x_label.clone().unwrap_or_else(|| plan.x.clone()),
        y_label: plan.y_label.clone().unwrap_or_else(|| plan.y.clone()),
        log_y: plan.log_y,
        bars: plan.kind == PlotKind::Bar,
        categories: Vec::new(),
        series: Vec::new(),
        marks: Vec::new(),
    }
}

fn over_time(plan: &PlotPlan, points: &[&PointData]) -> Option<Picture> {
    let mut picture = empty(plan);
    picture.x_label = plan.x_label.clone().unwrap_or_else(|| "seconds".to_owned());
    for point in points {
        let dots = point.time_series.column(&plan.y);
        let dots = dots.into_iter().map(|(x, y)| (x, y_of(plan, y))).collect();
        picture.series.push(Series { label: short(&series_of(plan, point)), dots });
    }
    // What is done in all runs lasts from its first begin to its last end.
    for (number, mark) in points.first()?.time_series.marks.iter().enumerate() {
        let same = points.iter().filter_map(|point| point.time_series.marks.get(number));
        let begin = same.clone().map(|mark| mark.begin_s).fold(mark.begin_s, f64::min);
        let end = same.map(|mark| mark.end_s).fold(mark.end_s, f64::max);
        picture.marks.push((mark.action.clone(), begin, end));
    }
    Some(picture)
}

fn over_x(plan: &PlotPlan, points: &[&PointData]) -> Option<Picture> {
    let mut picture = empty(plan);
    let swept = points.first()?.at.contains_key(&plan.x);
    if swept {
        // In the order of the scenario.
        for point in points {
            let name = point.word(&plan.x);
            if !picture.categories.contains(&name) {
                picture.categories.push(name);
            }
        }
    }
    for point in points {
        let x = if swept {
            let name = point.word(&plan.x);
            picture.categories.iter().position(|one| *one == name).map(|place| place as f64)
        } else {
            point.figure(&plan.x)
        };
        let (Some(x), Some(y)) = (x, point.figure(&plan.y)) else { continue };
        let label = short(&series_of(plan, point));
        let dot = (x, y_of(plan, y));
        match picture.series.iter_mut().find(|series| series.label == label) {
            Some(series) => series.dots.push(dot),
            None => picture.series.push(Series { label, dots: vec![dot] }),
        }
    }
    for series in &mut picture.series {
        series.dots.sort_by(|one, other| one.0.total_cmp(&other.0));
    }
    Some(picture)
}

/// The settings that make a line of its own of a point.
fn series_of(plan: &PlotPlan, point: &PointData) -> Settings {
    let wanted: Option<BTreeSet<&str>> =
        plan.series.as_ref().map(|names| names.iter().map(String::as_str).collect());
    let keep = |name: &str| match &wanted {
        Some(wanted) => wanted.contains(name),
        None => name != plan.x && !plan.filter.contains_key(name),
    };
    point.at.iter().filter(|(name, _)| keep(name)).map(|(n, v)| (n.clone(), v.clone())).collect()
}

/// Settings without the tables that they are in: `pipeline 8`, and a case by its label alone.
fn short(at: &Settings) -> String {
    let words: Vec<String> = at
        .iter()
        .map(|(name, value)| {
            let word = sweep::word(value);
            match name.rsplit('.').next() {
                Some(last) if name != sweep::CASE && !last.contains("policy") => {
                    format!("{} {word}", last.replace('_', " "))
                }
                _ => word,
            }
        })
        .collect();
    words.join(", ")
}
