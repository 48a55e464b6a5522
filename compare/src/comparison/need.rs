//! How much more must be measured before a figure can be decided.

use serde::Serialize;

use crate::bootstrap::Span;

/// An interval that is just narrow enough decides in half of all cases only: it is to be narrower by
/// this, which decides in nine of ten (1.28 standard deviations beside the 2.5 of an interval's half).
const SURER: f64 = 1.5;

/// More runs than this are no advice.
const MOST_RUNS: f64 = 1_000.0;

/// What would decide a figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Need {
    /// So many more runs on each side; none when no number of runs that anyone makes would do.
    pub runs: Option<u64>,
    /// So long, in seconds, as those that there are.
    pub seconds: f64,
    /// The margin at which these runs would be the same; none when not even an interval is known.
    pub margin: Option<f64>,
}

/// What there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// Runs on the side that has fewer.
    pub(crate) runs: usize,
    /// The length of a run in seconds.
    pub(crate) seconds: f64,
    /// The logarithm of one plus the margin.
    pub(crate) margin: f64,
}

impl Scale {
    /// From the variance that was observed: intervals narrow by the root of the number of runs. The
    /// nearer of both is to be shown: that the ratio lies within the margin, or beyond one.
    pub(crate) fn deciding(self, log_ratio: f64, span: Span) -> Need {
        let wanted = (self.margin - log_ratio.abs()).max(log_ratio.abs()) / SURER;
        let times = (span.half() / wanted.max(1e-6)).powi(2);
        let margin = span.high.max(-span.low).exp_m1();
        // No wider margin is taken.
        Need { margin: (margin <= 1.0).then_some(margin), ..self.knowing(1.0 / times) }
    }

    /// Of the requests, or of the stalls, that are needed there is this share.
    pub(crate) fn knowing(self, share: f64) -> Need {
        let runs = self.runs as f64;
        let all = (runs / share.max(1e-9)).ceil();
        let more = (all - runs).max(1.0);
        Need {
            runs: (more <= MOST_RUNS).then_some(more as u64),
            seconds: self.seconds,
            margin: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_as_narrow_takes_four_times_as_many_runs() {
        let scale = Scale { runs: 2, seconds: 30.0, margin: 0.03 };
        let span = Span { low: -0.04, high: 0.04 };
        // Half-width 0.04, wanted 0.03 / 1.5 = 0.02: four times two runs.
        let need = scale.deciding(0.0, span);
        assert_eq!((need.runs, need.seconds), (Some(6), 30.0));
        assert!((need.margin.unwrap() - 0.0408).abs() < 1e-4);
        assert_eq!(scale.knowing(1e-6).runs, None);
        assert_eq!(scale.knowing(0.9).runs, Some(1));
    }
}
