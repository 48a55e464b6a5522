//! Which differences a user does not accept.

use std::str::FromStr;

use crate::comparison::{Answer, Comparison, Difference, Metric};

/// A figure that must not become worse by more than so much: `p99>5%`, or `p99` for at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    metric: Metric,
    /// None: by no more than the margin of the comparison.
    percent: Option<f64>,
}

/// Whether a limit holds.
#[derive(Debug, Clone, Copy)]
pub enum Held<'a> {
    /// It does: the whole interval lies below it, and the runs are to be believed.
    Passed,
    /// It does not: the whole interval lies above it.
    Broken(&'a Difference),
    /// These runs cannot tell.
    Undecided(&'a Difference),
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, percent) = match text.split_once('>') {
            Some((name, percent)) => (name, Some(percent)),
            None => (text, None),
        };
        let names = || Metric::ALL.map(Metric::name).join(", ");
        let metric = Metric::ALL
            .into_iter()
            .find(|metric| metric.name() == name.trim())
            .ok_or_else(|| format!("{name:?} is no figure: give one of {}", names()))?;
        Ok(Self { metric, percent: percent.map(read_percent).transpose()? })
    }
}

/// A share that is given in per cent: `3%`, `2.5 %` or `3`.
///
/// # Errors
/// What was given, when it is no number from 0 to a million.
pub fn read_percent(text: &str) -> Result<f64, String> {
    let digits = text.trim().trim_end_matches('%').trim();
    digits
        .parse()
        .ok()
        .filter(|percent| (0.0..1e6).contains(percent))
        .ok_or_else(|| format!("{text:?} is no share: give per cent, as in 5%"))
}

impl Limit {
    /// Whether the limit holds. What cannot be decided does not pass, and neither does a figure of a run
    /// that is not to be believed; what is worse even so is worse.
    #[must_use]
    pub fn held<'a>(&self, comparison: &'a Comparison) -> Held<'a> {
        let difference = comparison.of(self.metric);
        let Some([least, most]) = difference.worse_interval() else {
            return Held::Undecided(difference);
        };
        let accepted = 1.0 + self.percent.map_or(comparison.margin, |percent| percent / 100.0);
        let is_worse = match self.percent {
            Some(_) => least > accepted,
            None => difference.answer == Answer::Slower,
        };
        if is_worse {
            Held::Broken(difference)
        } else if most <= accepted && !comparison.is_doubtful() {
            Held::Passed
        } else {
            Held::Undecided(difference)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read() {
        assert_eq!("p99>5%".parse(), Ok(Limit { metric: Metric::P99, percent: Some(5.0) }));
        assert_eq!("p99.9 > 2.5".parse(), Ok(Limit { metric: Metric::P999, percent: Some(2.5) }));
        assert_eq!("ops".parse(), Ok(Limit { metric: Metric::Ops, percent: None }));
        for wrong in ["p98", "p99>", "p99>-1", "p99>much", ""] {
            assert!(wrong.parse::<Limit>().is_err(), "{wrong}");
        }
    }
}
