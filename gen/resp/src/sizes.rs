//! How long each value is: a pure function of its key's hash, so that a read can verify it.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use thiserror::Error;

/// Lengths of values in bytes.
#[derive(Debug, Clone, PartialEq)]
pub enum Sizes {
    /// All alike.
    Fixed(usize),
    /// Ranges, each with the share of the keys up to and with it (of 2^64); evenly within each.
    Ranges(Box<[Range]>),
    /// By a log-normal distribution: the logarithm is normal around that of the median.
    LogNormal {
        /// Half of the values are shorter.
        median: usize,
        /// Standard deviation of the natural logarithm.
        sigma: f64,
        /// Longer ones are cut to this.
        max: usize,
        /// Lengths at [`QUANTILES`] evenly spaced quantiles.
        quantiles: Box<[u32]>,
    },
}

/// Values of so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    min: usize,
    max: usize,
    weight: u32,
    /// Hashes up to this one fall into this range or one before it.
    up_to: u64,
}

/// Steps in which a distribution is kept. The extreme ones stand for the quantiles 1 and 4 095 of 4 096.
const QUANTILES: usize = 4_096;

/// A log-normal distribution without a longest value is cut where only 1 of 4 096 would be longer.
const SIGMAS: f64 = 3.49;

/// Why a text is no distribution of sizes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0:?} is no size of values: give bytes (100), a range (10-1000), weighted ones \
     (100:70,1000-2000:30), or lognormal:MEDIAN:SIGMA[:MAX]"
)]
pub struct SizesError(pub String);

impl Sizes {
    /// The length of the value whose key has this hash.
    #[inline]
    #[must_use]
    pub fn of_hash(&self, hash: u64) -> usize {
        match self {
            Self::Fixed(bytes) => *bytes,
            _ => self.of_hash_by_distribution(hash),
        }
    }

    #[inline(never)]
    fn of_hash_by_distribution(&self, hash: u64) -> usize {
        match self {
            Self::Fixed(bytes) => *bytes,
            Self::Ranges(ranges) => {
                let index = ranges.iter().position(|range| hash <= range.up_to).unwrap_or(0);
                let Range { min, max, .. } = ranges[index];
                // The place within the range's share of all hashes: independent of the share.
                let place = u128::from(hash.rotate_left(32).wrapping_mul(0x9e37_79b9_7f4a_7c15));
                min + ((place * (max - min + 1) as u128) >> 64) as usize
            }
            Self::LogNormal { quantiles, .. } => {
                quantiles[(hash >> (64 - QUANTILES.ilog2())) as usize] as usize
            }
        }
    }

    /// The length that all values have, if it is the same.
    #[must_use]
    pub const fn fixed(&self) -> Option<usize> {
        match self {
            Self::Fixed(bytes) => Some(*bytes),
            _ => None,
        }
    }

    /// The longest.
    #[must_use]
    pub fn longest(&self) -> usize {
        match self {
            Self::Fixed(bytes) => *bytes,
            Self::Ranges(ranges) => ranges.iter().map(|range| range.max).max().unwrap_or(0),
            Self::LogNormal { max, .. } => *max,
        }
    }

    fn ranges(parts: &[(usize, usize, u32)]) -> Option<Self> {
        let total: u64 = parts.iter().map(|(.., weight)| u64::from(*weight)).sum();
        let mut sum = 0;
        let mut ranges = Vec::new();
        for &(min, max, weight) in parts {
            sum += u64::from(weight);
            let up_to = ((u128::from(sum) << 64) / u128::from(total.max(1))).saturating_sub(1);
            ranges.push(Range { min, max, weight, up_to: u64::try_from(up_to).ok()? });
        }
        (total > 0 && parts.iter().all(|(min, max, _)| min <= max))
            .then(|| Self::Ranges(ranges.into()))
    }

    fn log_normal(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let median: usize = parts.next()?.parse().ok().filter(|median| *median > 0)?;
        let sigma: f64 = parts.next()?.parse().ok().filter(|s| (0.0..=5.0).contains(s))?;
        let max = match parts.next() {
            Some(max) => max.parse().ok().filter(|max| *max >= median)?,
            None => (median as f64 * (sigma * SIGMAS).exp()) as usize,
        };
        let at = |index: usize| {
            let quantile = (index as f64 + 0.5) / QUANTILES as f64;
            let bytes = median as f64 * (sigma * probit(quantile)).exp();
            (bytes.round() as usize).min(max) as u32
        };
        let whole = parts.next().is_none() && u32::try_from(max).is_ok();
        let quantiles = (0..QUANTILES).map(at).collect();
        whole.then_some(Self::LogNormal { median, sigma, max, quantiles })
    }
}

/// The normal distribution's quantile function, by bisection of its cumulative function.
fn probit(quantile: f64) -> f64 {
    let (mut low, mut high) = (-8.0, 8.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if normal_cdf(middle) < quantile {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.2.17: off by less than 7.5e-8.
fn normal_cdf(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * x.abs());
    let series = [0.319_381_53, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let sum = series.iter().rev().fold(0.0, |sum, factor| (sum + factor) * t);
    let tail = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * sum;
    if x < 0.0 { tail } else { 1.0 - tail }
}

impl FromStr for Sizes {
    type Err = SizesError;

    fn from_str(text: &str) -> Result<Self, SizesError> {
        let wrong = || SizesError(text.to_owned());
        if let Some(distribution) = text.strip_prefix("lognormal:") {
            return Self::log_normal(distribution).ok_or_else(wrong);
        }
        if let Ok(bytes) = text.parse() {
            return Ok(Self::Fixed(bytes));
        }
        let part = |part: &str| {
            let (range, weight) = part.split_once(':').unwrap_or((part, "1"));
            let (min, max) = range.split_once('-').unwrap_or((range, range));
            Some((min.parse().ok()?, max.parse().ok()?, weight.parse().ok()?))
        };
        let parts: Option<Vec<_>> = text.split(',').map(part).collect();
        parts.and_then(|parts| Self::ranges(&parts)).ok_or_else(wrong)
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(bytes) => write!(out, "{bytes}"),
            Self::Ranges(ranges) => {
                for (index, Range { min, max, weight, .. }) in ranges.iter().enumerate() {
                    let comma = if index > 0 { "," } else { "" };
                    write!(out, "{comma}{min}-{max}:{weight}")?;
                }
                Ok(())
            }
            Self::LogNormal { median, sigma, max, .. } => {
                write!(out, "lognormal:{median}:{sigma}:{max}")
            }
        }
    }
}

impl Serialize for Sizes {
    /// A fixed size is a number, as it always was; a distribution is its text.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fixed(bytes) => serializer.serialize_u64(*bytes as u64),
            distribution => serializer.collect_str(distribution),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::splitmix64;

    fn drawn(text: &str, count: usize) -> Vec<usize> {
        let sizes: Sizes = text.parse().unwrap();
        let mut state = 3;
        (0..count).map(|_| sizes.of_hash(splitmix64(&mut state))).collect()
    }

    #[test]
    fn a_range_is_even() {
        let mut counts = [0_u64; 100];
        for size in drawn("1-100", 1_000_000) {
            counts[size - 1] += 1;
        }
        let chi: f64 = counts.iter().map(|&n| (n as f64 - 1e4).powi(2) / 1e4).sum();
        // 99 degrees of freedom: 0.9999 quantile is 161.
        assert!(chi < 161.0, "chi-square {chi}");
    }

    #[test]
    fn weights_are_kept_and_ranges_are_even_within() {
        let sizes = drawn("10:70,1000-1999:30", 100_000);
        let long: Vec<usize> = sizes.iter().copied().filter(|size| *size > 10).collect();
        // Five standard deviations of a binomial with p = 0.3.
        assert!(long.len().abs_diff(30_000) < 725, "{}", long.len());
        assert!(long.iter().all(|size| (1_000..2_000).contains(size)));
        let upper = long.iter().filter(|size| **size >= 1_500).count();
        assert!(upper.abs_diff(long.len() / 2) < 433, "{upper} of {}", long.len());
    }

    #[test]
    fn a_log_normal_distribution_passes_kolmogorov_and_smirnov() {
        let mut sizes = drawn("lognormal:10000:1.0:10000000", 20_000);
        sizes.sort_unstable();
        let count = sizes.len() as f64;
        let distance = sizes
            .iter()
            .enumerate()
            .map(|(index, &size)| {
                let distribution = normal_cdf((size as f64 / 10_000.0).ln());
                (distribution - index as f64 / count).abs()
            })
            .fold(0.0, f64::max);
        // The 0.9999 quantile of the statistic is 2.23 / sqrt(n); a table of 4 096 steps adds 1/8 192.
        assert!(distance < 2.23 / count.sqrt() + 1.0 / 8_192.0, "{distance}");
    }

    #[test]
    fn texts_are_read_and_written() {
        for (text, written) in [
            ("100", "100"),
            ("0", "0"),
            ("10-1000", "10-1000:1"),
            ("100:70,1000-2000:30", "100-100:70,1000-2000:30"),
            ("lognormal:200:1.5:65536", "lognormal:200:1.5:65536"),
        ] {
            let sizes: Sizes = text.parse().unwrap();
            assert_eq!(sizes.to_string(), written);
            assert_eq!(sizes.to_string().parse::<Sizes>().unwrap(), sizes);
        }
        for text in ["", "x", "9-3", "10:0", "-5", "lognormal:0:1", "lognormal:9", "5:1,", "600MB"]
        {
            let error = text.parse::<Sizes>().unwrap_err().to_string();
            assert!(error.contains("10-1000"), "{text}: {error}");
        }
    }
}
