//! Figures in words.

use crate::data::{Data, PointData};
use crate::plot::human;

/// Microseconds in the unit that reads best.
pub(super) fn time(us: f64) -> String {
    match us {
        _ if us >= 1e6 => format!("{} s", human(us / 1e6)),
        _ if us >= 1e3 => format!("{} ms", human(us / 1e3)),
        _ => format!("{us:.0} µs"),
    }
}

/// A share of 1 in per cent.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent.abs() {
        size if size >= 10.0 || size == 0.0 => format!("{percent:.0} %"),
        size if size >= 0.1 => format!("{percent:.1} %"),
        _ => format!("{percent:.3} %"),
    }
}

/// A number of things in full up to a million.
pub(super) fn count(value: f64) -> String {
    if value >= 1e6 {
        return human(value);
    }
    let text = format!("{value:.0}");
    let mut grouped = String::new();
    for (place, digit) in text.chars().enumerate() {
        if place > 0 && (text.len() - place) % 3 == 0 && text.len() > 4 {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// Bytes with a unit.
pub(super) fn bytes(value: f64) -> String {
    match value {
        _ if value >= 1e9 => format!("{} GB", human(value / 1e9)),
        _ if value >= 1e6 => format!("{} MB", human(value / 1e6)),
        _ if value >= 1e3 => format!("{} kB", human(value / 1e3)),
        _ => format!("{value:.0} B"),
    }
}

/// How many times one is the other, with the direction in words.
pub(super) fn times(one: f64, other: f64) -> String {
    if other <= 0.0 {
        return "-".to_owned();
    }
    format!("{}×", human(one / other))
}

/// The points that have a figure, with it.
pub(super) fn with<'a>(data: &'a Data, figure: &str) -> Vec<(&'a PointData, f64)> {
    data.points.iter().filter_map(|point| Some((point, point.figure(figure)?))).collect()
}

/// The point with the largest figure.
pub(super) fn most<'a>(data: &'a Data, figure: &str) -> Option<(&'a PointData, f64)> {
    with(data, figure).into_iter().max_by(|one, other| one.1.total_cmp(&other.1))
}

/// The different values of a setting, in the order of the scenario.
pub(super) fn values(data: &Data, setting: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for point in &data.points {
        let word = point.word(setting);
        if !all.contains(&word) {
            all.push(word);
        }
    }
    all
}

/// The only point with a value of a setting, or the first of them.
pub(super) fn where_<'a>(data: &'a Data, setting: &str, value: &str) -> Option<&'a PointData> {
    data.points.iter().find(|point| point.word(setting) == value)
}

/// What becomes of a statement that `holds` in so many of all runs: it is confirmed when in every one,
/// refined when in some. None where nothing of it was measured.
pub(crate) fn verdict(holds: usize, all: usize) -> Option<&'static str> {
    match (holds, all) {
        (_, 0) => None,
        (some, all) if some == all => Some("Confirms"),
        (0, _) => Some("Contradicts"),
        _ => Some("Refines"),
    }
}

/// What is said instead of a verdict, if there is something. It may take more cores than the host has;
/// and of rates or times (`timed`) an invalid run says nothing, and any run may be the other side of a
/// comparison. Counts and sizes stand.
pub(crate) fn doubt(data: &Data, cores: u32, timed: bool) -> Option<String> {
    let has = data.host.cpus;
    let doubtful = || timed && data.points.iter().any(PointData::is_doubtful);
    let why = match has < cores {
        true => format!("{has} cores are too few"),
        false if doubtful() => "the figures of some run are not those of the server".to_owned(),
        false => return None,
    };
    Some(format!("Not judged, because {why}:"))
}

/// What others have published, held against figures of ours.
pub(super) fn published(claim: (&str, &str), runs: &[(bool, String)]) -> Option<String> {
    published_unless(&None, claim, runs)
}

/// The same, where there may be something to be said instead of a verdict.
pub(super) fn published_unless(
    doubt: &Option<String>,
    (source, says): (&str, &str),
    runs: &[(bool, String)],
) -> Option<String> {
    let holds = runs.iter().filter(|(holds, _)| *holds).count();
    let verdict = verdict(holds, runs.len())?;
    let verdict = doubt.as_deref().unwrap_or(verdict);
    let figures: Vec<String> = runs.iter().map(|(_, figure)| figure.clone()).collect();
    Some(format!("{verdict} {says} ({source}): here {}.", list(&figures)))
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn list(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// Slope and offset of the line that is nearest to the dots by least squares; none for less than
/// two different places.
pub(super) fn line(dots: &[(f64, f64)]) -> Option<(f64, f64)> {
    let count = dots.len() as f64;
    let (mean_x, mean_y) = (
        dots.iter().map(|(x, _)| x).sum::<f64>() / count,
        dots.iter().map(|(_, y)| y).sum::<f64>() / count,
    );
    let spread: f64 = dots.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    let together: f64 = dots.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let slope = together / spread;
    (spread > 0.0 && slope.is_finite()).then_some((slope, mean_y - slope * mean_x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!([time(1_500_000.0), time(2_340.0), time(87.4)], ["1.5 s", "2.34 ms", "87 µs"]);
        assert_eq!([percent(0.973), percent(0.012), percent(0.0)], ["97 %", "1.2 %", "0 %"]);
        assert_eq!([count(1_234.0), count(123_456.0), count(0.0)], ["1234", "123 456", "0"]);
        assert_eq!(list(&["a".to_owned(), "b".to_owned(), "c".to_owned()]), "a, b and c");
        let (slope, offset) = line(&[(1.0, 3.0), (2.0, 5.0), (3.0, 7.0)]).unwrap();
        assert!((slope - 2.0).abs() < 1e-9 && (offset - 1.0).abs() < 1e-9);
        assert_eq!(line(&[(1.0, 3.0)]), None);
        let claim = ("X", "y");
        let run = |holds, figure: &str| (holds, figure.to_owned());
        let told = published(claim, &[run(true, "1"), run(false, "2")]);
        assert_eq!(told.as_deref(), Some("Refines y (X): here 1 and 2."));
        assert_eq!(published(claim, &[]), None);
        let doubt = Some("Not judged:".to_owned());
        let told = published_unless(&doubt, claim, &[run(true, "1")]);
        assert_eq!(told.as_deref(), Some("Not judged: y (X): here 1."));
        assert_eq!(published_unless(&doubt, claim, &[]), None);
    }
}
