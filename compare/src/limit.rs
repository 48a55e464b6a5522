//! Which differences a user does not accept.

use std::str::FromStr;

use crate::comparison::{Comparison, Difference, Metric, Verdict};

/// A figure that must not become worse by more than so much: `p99>5%`, or `p99` for at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    metric: Metric,
    percent: f64,
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, percent) = text.split_once('>').unwrap_or((text, "0"));
        let names = || Metric::ALL.map(Metric::name).join(", ");
        let metric = Metric::ALL
            .into_iter()
            .find(|metric| metric.name() == name.trim())
            .ok_or_else(|| format!("{name:?} is no figure: give one of {}", names()))?;
        let digits = percent.trim().trim_end_matches('%').trim();
        let percent: f64 = digits
            .parse()
            .ok()
            .filter(|percent| (0.0..1e6).contains(percent))
            .ok_or_else(|| format!("{percent:?} is no limit: give p99>5%"))?;
        Ok(Self { metric, percent })
    }
}

impl Limit {
    /// The difference that breaks the limit: it is real, and worse by more than what is accepted.
    #[must_use]
    pub fn broken<'a>(&self, comparison: &'a Comparison) -> Option<&'a Difference> {
        comparison.differences.iter().find(|difference| {
            difference.metric == self.metric
                && difference.verdict == Verdict::Real
                && difference.worse_percent() > self.percent
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read() {
        assert_eq!("p99>5%".parse(), Ok(Limit { metric: Metric::P99, percent: 5.0 }));
        assert_eq!("p99.9 > 2.5".parse(), Ok(Limit { metric: Metric::P999, percent: 2.5 }));
        assert_eq!("ops".parse(), Ok(Limit { metric: Metric::Ops, percent: 0.0 }));
        for wrong in ["p98", "p99>", "p99>-1", "p99>much", ""] {
            assert!(wrong.parse::<Limit>().is_err(), "{wrong}");
        }
    }
}
