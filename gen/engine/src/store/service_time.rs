//! How long one read keeps a server of the stand-in busy.

use std::str::FromStr;
use std::time::Duration;

use rand::Rng;
use rand_distr::{Distribution as _, Exp1, StandardNormal};
use serde::Serialize;

/// The distribution of a service time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceTime {
    /// Always the same.
    Fixed {
        /// In nanoseconds.
        ns: u64,
    },
    /// Exponential.
    Exponential {
        /// Mean in nanoseconds.
        mean_ns: u64,
    },
    /// Log-normal, with the long tail that stores have.
    LogNormal {
        /// Median in nanoseconds.
        median_ns: u64,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
}

/// No service takes longer: what a heavy tail draws beyond it is cut.
const LONGEST_NS: f64 = 60e9;

impl ServiceTime {
    /// One service time in nanoseconds, at least 1.
    #[must_use]
    pub fn draw(self, random: &mut impl Rng) -> u64 {
        let ns = match self {
            Self::Fixed { ns } => return ns.max(1),
            Self::Exponential { mean_ns } => {
                let one: f64 = Exp1.sample(random);
                mean_ns as f64 * one
            }
            Self::LogNormal { median_ns, sigma } => {
                let one: f64 = StandardNormal.sample(random);
                median_ns as f64 * (sigma * one).exp()
            }
        };
        ns.clamp(1.0, LONGEST_NS) as u64
    }
}

impl FromStr for ServiceTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is no service time: give fixed:5ms, exponential:5ms (its mean), or \
                 lognormal:5ms:0.8 (its median, and the deviation of its logarithm)"
            )
        };
        let time = |text: &str| {
            let ns = humantime::parse_duration(text).ok().as_ref().map(Duration::as_nanos);
            let fits = |ns: &u128| (1..=LONGEST_NS as u128).contains(ns);
            ns.filter(fits).map(|ns| ns as u64).ok_or_else(wrong)
        };
        let mut parts = text.split(':');
        let (name, first, second) = (parts.next(), parts.next(), parts.next());
        match (name, first, second, parts.next()) {
            (Some("fixed"), Some(ns), None, None) => Ok(Self::Fixed { ns: time(ns)? }),
            (Some("exponential"), Some(mean), None, None) => {
                Ok(Self::Exponential { mean_ns: time(mean)? })
            }
            (Some("lognormal"), Some(median), Some(sigma), None) => {
                let sigma: f64 = sigma.parse().map_err(|_| wrong())?;
                let fits = (0.0..=5.0).contains(&sigma);
                let time = Self::LogNormal { median_ns: time(median)?, sigma };
                fits.then_some(time).ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    #[test]
    fn distributions_are_read_and_wrong_ones_refused() {
        assert_eq!("fixed:5ms".parse(), Ok(ServiceTime::Fixed { ns: 5_000_000 }));
        assert_eq!(
            "exponential:1s".parse(),
            Ok(ServiceTime::Exponential { mean_ns: 1_000_000_000 })
        );
        let time = ServiceTime::LogNormal { median_ns: 2_000, sigma: 0.5 };
        assert_eq!("lognormal:2us:0.5".parse(), Ok(time));
        for text in ["", "5ms", "fixed", "fixed:0ms", "fixed:2h", "lognormal:1ms", "fixed:1ms:2"] {
            assert!(text.parse::<ServiceTime>().is_err(), "{text:?}");
        }
    }

    /// Kolmogorov and Smirnov: the largest distance from the distribution's own distribution function.
    #[test]
    fn service_times_follow_their_distribution() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
        let count = 20_000;
        let mut drawn: Vec<f64> = (0..count)
            .map(|_| ServiceTime::Exponential { mean_ns: 1_000_000 }.draw(&mut random) as f64 / 1e6)
            .collect();
        drawn.sort_by(f64::total_cmp);
        let distance = drawn
            .iter()
            .enumerate()
            .map(|(rank, x)| (1.0 - (-x).exp() - (rank as f64 + 0.5) / f64::from(count)).abs())
            .fold(0.0, f64::max);
        // 0.999 quantile of the statistic: 1.95 / sqrt(n).
        assert!(distance < 1.95 / f64::from(count).sqrt(), "{distance}");
        let time = ServiceTime::LogNormal { median_ns: 1_000_000, sigma: 0.8 };
        let below = (0..count).filter(|_| time.draw(&mut random) < 1_000_000).count();
        assert!(below.abs_diff(count as usize / 2) < 300, "the median is the median: {below}");
    }
}
