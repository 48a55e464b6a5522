//! A rate of requests, or as fast as it goes.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// How fast the load is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// Requests per second over all connections: the open model.
    PerSecond(u64),
    /// Each answer is followed by the next request: the closed model.
    Max,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PerSecond(rate) => write!(f, "{rate}"),
            Self::Max => f.write_str("max"),
        }
    }
}

struct RateVisitor;

impl Visitor<'_> for RateVisitor {
    type Value = Rate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("requests per second (at least 1), or \"max\"")
    }

    fn visit_i64<E: Error>(self, rate: i64) -> Result<Rate, E> {
        match u64::try_from(rate) {
            Ok(rate) if rate > 0 => Ok(Rate::PerSecond(rate)),
            _ => Err(E::invalid_value(serde::de::Unexpected::Signed(rate), &self)),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Rate, E> {
        match text {
            "max" => Ok(Rate::Max),
            _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
        }
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(RateVisitor)
    }
}
