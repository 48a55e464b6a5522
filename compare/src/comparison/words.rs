//! A comparison in sentences.

use super::{Answer, Comparison, Difference, Need};
use crate::shape::{Mode, ShapeChange};

/// From this ratio on (or down to one over it) a multiple says more than per cent.
const TOLD_AS_MULTIPLE: f64 = 2.0;

impl Answer {
    /// As it is told.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Slower => "slower",
            Self::Faster => "faster",
            Self::NotEnoughData => "not enough data",
        }
    }
}

impl Need {
    /// `give 3 more runs of 30 s on each side`.
    #[must_use]
    pub fn sentence(&self) -> String {
        let runs = match self.runs {
            Some(1) => format!("give 1 more run of {:.0} s on each side", self.seconds),
            Some(runs) => format!("give {runs} more runs of {:.0} s on each side", self.seconds),
            None => {
                format!("more than a thousand runs of {:.0} s would be needed", self.seconds)
            }
        };
        match self.margin {
            Some(margin) if self.runs.is_none_or(|runs| runs > 20) => {
                format!("{runs}, or accept --margin {}%", plain((margin * 1_010.0).ceil() / 10.0))
            }
            _ => runs,
        }
    }
}

impl Difference {
    /// `14× [9.1×, 22×] (+1344 %)`, or `+12 % [+8.0, +17] (1.12×)` of a small change; without an interval
    /// where none is known.
    #[must_use]
    pub fn change(&self) -> String {
        let (percent, multiple) = (format!("{} %", signed(self.percent)), times(self.ratio));
        let Some([low, high]) = self.ratio_interval else {
            return format!("{percent} ({multiple})");
        };
        if (1.0 / TOLD_AS_MULTIPLE..TOLD_AS_MULTIPLE).contains(&self.ratio) {
            let [low, high] = [low, high].map(|edge| signed((edge - 1.0) * 100.0));
            format!("{percent} [{low}, {high}] ({multiple})")
        } else {
            format!("{multiple} [{}, {}] ({percent})", times(low), times(high))
        }
    }

    /// What it means, and what would decide it.
    #[must_use]
    pub fn conclusion(&self) -> String {
        match self.need {
            None => self.answer.name().to_owned(),
            Some(need) => format!("{}: {}", self.answer.name(), need.sentence()),
        }
    }

    /// `p99 14× [9.1×, 22×] (+1344 %), slower`
    #[must_use]
    pub fn sentence(&self) -> String {
        format!("{} {}, {}", self.metric.name(), self.change(), self.conclusion())
    }
}

/// Two digits are what an interval deserves.
fn plain(number: f64) -> String {
    if number.abs() < 9.95 { format!("{number:.1}") } else { format!("{number:.0}") }
}

fn signed(percent: f64) -> String {
    let text = plain(percent);
    if text.starts_with('-') { text } else { format!("+{text}") }
}

fn times(ratio: f64) -> String {
    match ratio {
        _ if ratio >= 9.95 => format!("{ratio:.0}×"),
        _ if ratio >= 1.995 => format!("{ratio:.1}×"),
        _ if ratio >= 0.095 => format!("{ratio:.2}×"),
        _ => format!("{ratio:.3}×"),
    }
}

impl Comparison {
    /// In one line: what became slower and why, what faster, what is the same, and what is not known.
    #[must_use]
    pub fn verdict(&self) -> String {
        let mut parts = Vec::new();
        let of = |answer: Answer| self.differences.iter().filter(move |it| it.answer == answer);
        for answer in [Answer::Slower, Answer::Faster] {
            let told: Vec<String> =
                of(answer).map(|it| format!("{} {}", it.metric.name(), it.change())).collect();
            if told.is_empty() {
                continue;
            }
            let because = if answer == Answer::Slower && !self.because.is_empty() {
                format!(" because {}", self.because.join(", "))
            } else {
                String::new()
            };
            parts.push(format!("{}{because}: {}", answer.name(), told.join(", ")));
        }
        let names = |answer: Answer| {
            of(answer).map(|it| it.metric.name()).collect::<Vec<&str>>().join(", ")
        };
        let (same, unknown) = (names(Answer::Same), names(Answer::NotEnoughData));
        if !same.is_empty() {
            parts.push(format!("same within {} %: {same}", plain(self.margin * 100.0)));
        }
        if !unknown.is_empty() {
            parts.push(format!("not enough data: {unknown}"));
        }
        parts.join("; ")
    }

    /// What a careful reader should know besides the figures: doubts, changes of shape, runs that were
    /// not steady.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut all = Vec::new();
        if self.is_doubtful() {
            all.push(
                "a run had ended as invalid: its figures may be the client's and not the server's"
                    .to_owned(),
            );
        }
        all.extend(self.changes.iter().map(crate::stationarity::Change::sentence));
        all.extend(self.shape.iter().map(|change| match change {
            ShapeChange::Appeared(mode) => format!("a mode appeared: {}", told(mode)),
            ShapeChange::Vanished(mode) => format!("a mode vanished: {}", told(mode)),
        }));
        if !self.knows_how_runs_differ() {
            all.push(
                "how runs differ from each other (a restart, another core) is not known from fewer than \
                 three runs a side: --before A1 A2 A3 --after B1 B2 B3"
                    .to_owned(),
            );
        }
        all
    }
}

fn told(mode: &Mode) -> String {
    let ms = mode.at_ns / 1e6;
    let at = if ms >= 1.0 { format!("{} ms", plain(ms)) } else { format!("{:.0} us", ms * 1e3) };
    format!("{} % of the requests take about {at}", plain(mode.share * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_and_per_cent_have_two_digits() {
        assert_eq!(
            [14.44, 2.34, 1.12, 0.5, 0.042].map(times),
            ["14×", "2.3×", "1.12×", "0.50×", "0.042×"]
        );
        assert_eq!([1344.4, 3.04, -0.31].map(signed), ["+1344", "+3.0", "-0.3"]);
    }
}
