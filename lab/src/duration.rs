//! Durations as people write them: `500ms`, `5s`, `2m`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};
use thiserror::Error;

/// A text that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no duration; write a number and a unit: 500ms, 5s, 1.5s or 2m")]
pub struct DurationError(String);

const UNITS: [(&str, f64); 4] = [("ms", 1e-3), ("us", 1e-6), ("s", 1.0), ("m", 60.0)];

/// Reads `500ms`, `250us`, `5s`, `1.5s` or `2m`. A bare `0` is zero.
///
/// # Errors
/// [`DurationError`] with the text, when it has no unit, no number, or a negative one.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let wrong = || DurationError(text.to_owned());
    let (number, unit_s) = UNITS
        .iter()
        .find_map(|(unit, unit_s)| Some((text.strip_suffix(unit)?, unit_s)))
        .ok_or_else(wrong)?;
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number * unit_s).map_err(|_| wrong())
}

/// Writes what [`parse`] reads, in the largest unit that needs no fraction.
#[must_use]
pub fn text(duration: Duration) -> String {
    match duration.as_micros() {
        us if us % 1_000_000 == 0 => format!("{}s", us / 1_000_000),
        us if us % 1_000 == 0 => format!("{}ms", us / 1_000),
        us => format!("{us}us"),
    }
}

/// For `#[serde(deserialize_with)]`.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(input)?;
    parse(&text).map_err(serde::de::Error::custom)
}

/// For `#[serde(with)]`, together with [`deserialize`].
pub(crate) fn serialize<S: Serializer>(duration: &Duration, output: S) -> Result<S::Ok, S::Error> {
    output.serialize_str(&text(*duration))
}

/// The same for a duration that may be absent.
pub(crate) mod optional {
    use std::time::Duration;

    use serde::{Deserializer, Serializer};

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<Option<Duration>, D::Error> {
        super::deserialize(input).map(Some)
    }

    pub(crate) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        output: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, output),
            None => output.serialize_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_and_written() {
        for (written, ms) in [
            ("500ms", 500),
            ("5s", 5_000),
            ("2m", 120_000),
            ("1.5s", 1_500),
        ] {
            assert_eq!(
                parse(written).unwrap(),
                Duration::from_millis(ms),
                "{written}"
            );
        }
        for same in ["500ms", "5s", "120s", "250us", "0s"] {
            assert_eq!(text(parse(same).unwrap()), same);
        }
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for wrong in ["", "5", "s", "-1s", "five s", "5 h", "NaNs", "infs"] {
            assert!(
                parse(wrong)
                    .unwrap_err()
                    .to_string()
                    .contains(&format!("`{wrong}`"))
            );
        }
    }
}
