//! A rate of requests, as fast as it goes, or a share of a ceiling.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// How fast the load is offered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// Requests per second over all connections: the open model.
    PerSecond(u64),
    /// Each answer is followed by the next request: the closed model.
    Max,
    /// A share of the ceiling that was found, 0 to 1: the open model.
    OfCeiling(f64),
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PerSecond(rate) => write!(f, "{rate}"),
            Self::Max => f.write_str("max"),
            Self::OfCeiling(share) => write!(f, "{}% of ceiling", share * 100.0),
        }
    }
}

struct RateVisitor;

impl Visitor<'_> for RateVisitor {
    type Value = Rate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("requests per second (at least 1), \"max\", or a share, \"80% of ceiling\"")
    }

    fn visit_i64<E: Error>(self, rate: i64) -> Result<Rate, E> {
        match u64::try_from(rate) {
            Ok(rate) if rate > 0 => Ok(Rate::PerSecond(rate)),
            _ => Err(E::invalid_value(serde::de::Unexpected::Signed(rate), &self)),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Rate, E> {
        if text == "max" {
            return Ok(Rate::Max);
        }
        let share = text.strip_suffix("of ceiling").and_then(|share| {
            let percent: f64 = share.trim().strip_suffix('%')?.trim().parse().ok()?;
            (percent > 0.0 && percent <= 200.0).then_some(percent / 100.0)
        });
        let wrong = || E::invalid_value(serde::de::Unexpected::Str(text), &self);
        share.map(Rate::OfCeiling).ok_or_else(wrong)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(RateVisitor)
    }
}
