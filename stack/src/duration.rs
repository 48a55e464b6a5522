//! Durations as people write them: `500ms`, `5s`, `2m`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

/// Reads `500ms`, `5s` or `1m 30s`.
///
/// # Errors
/// A sentence that repeats the text.
pub fn parse(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| format!("`{text}` is no duration; write a number and a unit: 500ms, 5s or 2m"))
}

/// Writes what [`parse`] and the flags of every verb read.
#[must_use]
pub fn text(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// For `#[serde(deserialize_with)]`.
///
/// # Errors
/// The format's, with the sentence of [`parse`].
pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(input)?;
    parse(&text).map_err(serde::de::Error::custom)
}

/// For `#[serde(with)]`, together with [`deserialize`].
///
/// # Errors
/// The format's.
pub fn serialize<S: Serializer>(duration: &Duration, output: S) -> Result<S::Ok, S::Error> {
    output.serialize_str(&text(*duration))
}

/// The same for a duration that may be absent.
pub mod optional {
    use std::time::Duration;

    use serde::{Deserializer, Serializer};

    /// As [`super::deserialize`].
    ///
    /// # Errors
    /// The format's, with the sentence of [`super::parse`].
    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Duration>, D::Error> {
        super::deserialize(input).map(Some)
    }

    /// As [`super::serialize`].
    ///
    /// # Errors
    /// The format's.
    pub fn serialize<S: Serializer>(
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
    fn what_is_written_is_read_again() {
        for written in ["500ms", "5s", "2m", "1m 30s", "250us", "0s"] {
            let duration = parse(written).unwrap();
            assert_eq!(parse(&text(duration)).unwrap(), duration, "{written}");
        }
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for wrong in ["", "5", "s", "-1s", "five s"] {
            assert!(parse(wrong).unwrap_err().contains(&format!("`{wrong}`")));
        }
    }
}
