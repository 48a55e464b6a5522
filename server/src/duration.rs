//! Durations as people write them: `500ms`, `5s`, `2m`, and a bare number of seconds. All flags of
//! all verbs, and all scenarios, are read by this parser.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

/// Reads `500ms`, `5s` or `1m 30s`; a bare number counts seconds, as those of redis-cli do.
///
/// # Errors
/// A sentence that repeats the text.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration; write a number and a unit: 500ms, 5s or 2m");
    let is_bare = |letter: char| letter.is_ascii_digit() || letter == '.';
    if !text.is_empty() && text.chars().all(is_bare) {
        let seconds = text.parse().map_err(|_| wrong())?;
        return Duration::try_from_secs_f64(seconds).map_err(|_| wrong());
    }
    humantime::parse_duration(text).map_err(|_| wrong())
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
    fn a_bare_number_is_seconds() {
        assert_eq!(parse("10"), Ok(Duration::from_secs(10)));
        assert_eq!(parse("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("2min"), Ok(Duration::from_secs(120)));
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for wrong in ["", "s", "-1", "-1s", "five s", "nan", "1e3", ".", "1.2.3", "5 5"] {
            assert!(parse(wrong).unwrap_err().contains(&format!("`{wrong}`")), "{wrong}");
        }
        assert!(parse(&"9".repeat(40)).is_err(), "longer than a duration can be");
    }
}
