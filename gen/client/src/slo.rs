//! An objective: one percentile of the response time stays below a limit.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use thiserror::Error;

use crate::summary::Percentiles;

/// For example `p99<1ms`.
#[derive(Debug, Clone, PartialEq)]
pub struct Slo {
    text: String,
    percentile: Percentile,
    limit_us: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Percentile {
    P50,
    P90,
    P99,
    P999,
    P9999,
    Max,
}

/// An objective that is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0:?} is no objective: give p50, p90, p99, p99.9, p99.99 or max < a time, such as p99<1ms"
)]
pub struct SloError(String);

impl FromStr for Slo {
    type Err = SloError;

    fn from_str(text: &str) -> Result<Self, SloError> {
        let wrong = || SloError(text.to_owned());
        let (name, limit) = text.split_once('<').ok_or_else(wrong)?;
        let percentile = match name.trim() {
            "p50" => Percentile::P50,
            "p90" => Percentile::P90,
            "p99" => Percentile::P99,
            "p99.9" | "p999" => Percentile::P999,
            "p99.99" | "p9999" => Percentile::P9999,
            "max" => Percentile::Max,
            _ => return Err(wrong()),
        };
        let limit = humantime::parse_duration(limit.trim()).map_err(|_| wrong())?;
        let limit_us = limit.as_nanos() as f64 / 1e3;
        if limit_us > 0.0 {
            Ok(Self { text: text.to_owned(), percentile, limit_us })
        } else {
            Err(wrong())
        }
    }
}

impl Slo {
    /// The percentile that it speaks of, in microseconds.
    #[must_use]
    pub const fn measured_us(&self, response: &Percentiles) -> f64 {
        match self.percentile {
            Percentile::P50 => response.p50,
            Percentile::P90 => response.p90,
            Percentile::P99 => response.p99,
            Percentile::P999 => response.p999,
            Percentile::P9999 => response.p9999,
            Percentile::Max => response.max,
        }
    }

    /// The name of its percentile in summaries, as `p99` or `p9999`.
    #[must_use]
    pub const fn percentile(&self) -> &'static str {
        match self.percentile {
            Percentile::P50 => "p50",
            Percentile::P90 => "p90",
            Percentile::P99 => "p99",
            Percentile::P999 => "p999",
            Percentile::P9999 => "p9999",
            Percentile::Max => "max",
        }
    }

    /// Whether it is met.
    #[must_use]
    pub fn is_met(&self, response: &Percentiles) -> bool {
        self.measured_us(response) < self.limit_us
    }

    /// Its limit in microseconds.
    #[must_use]
    pub const fn limit_us(&self) -> f64 {
        self.limit_us
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl Serialize for Slo {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objectives_are_read_and_judged() {
        let slo: Slo = "p99.9<2ms".parse().unwrap();
        assert!(slo.is_met(&Percentiles { p999: 1_999.0, max: 9e9, ..Percentiles::default() }));
        assert!(!slo.is_met(&Percentiles { p999: 2_000.0, ..Percentiles::default() }));
    }

    #[test]
    fn nonsense_is_refused_with_an_example() {
        for text in ["", "p99", "p98<1ms", "p99<fast", "p99<0s", "p99>1ms"] {
            assert!(text.parse::<Slo>().unwrap_err().to_string().contains("p99<1ms"), "{text}");
        }
    }
}
