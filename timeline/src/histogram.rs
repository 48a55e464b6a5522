//! HdrHistogram as it is stored: V2, deflated, base64; nanoseconds; three significant digits.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};

use thiserror::Error;

/// Significant decimal digits of every histogram of a timeline.
pub const SIGNIFICANT_DIGITS: u8 = 3;

/// The largest value a histogram holds, one hour in nanoseconds; larger ones are clamped to it.
pub const MAX_NS: u64 = 3_600_000_000_000;

/// A histogram that cannot be decoded, and why.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a histogram is broken: {0}")]
pub struct DecodeError(String);

/// An empty histogram of the timeline's range and precision.
///
/// # Panics
/// Never: the bounds are constants that the constructor accepts (a test calls it).
#[must_use]
#[expect(clippy::expect_used, reason = "constant bounds, checked by a test")]
pub fn empty() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MAX_NS, SIGNIFICANT_DIGITS).expect("constant bounds are valid")
}

/// Encodes a histogram as a timeline stores it. An empty one becomes an empty string.
#[must_use]
pub fn encode(histogram: &Histogram<u64>) -> String {
    if histogram.is_empty() {
        return String::new();
    }
    let mut bytes = Vec::new();
    match V2DeflateSerializer::new().serialize(histogram, &mut bytes) {
        Ok(_) => STANDARD.encode(bytes),
        // Writing to a Vec cannot fail, and a u64 count always fits the format.
        Err(_) => String::new(),
    }
}

/// Decodes what [`encode`] made.
///
/// # Errors
/// [`DecodeError`] when the text is not base64 of a V2 (deflated) histogram.
pub fn decode(text: &str) -> Result<Histogram<u64>, DecodeError> {
    if text.is_empty() {
        return Ok(empty());
    }
    let bytes = STANDARD.decode(text).map_err(|error| DecodeError(error.to_string()))?;
    Deserializer::new()
        .deserialize(&mut bytes.as_slice())
        .map_err(|error| DecodeError(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    #[test]
    fn empty_is_an_empty_string() {
        assert_eq!(encode(&empty()), "");
        assert_eq!(decode("").unwrap().len(), 0);
    }

    #[test]
    fn garbage_is_an_error() {
        assert!(decode("!").is_err());
        assert!(decode("AAAA").is_err());
    }

    proptest! {
        #[test]
        fn every_histogram_survives(values in proptest::collection::vec(any::<u32>(), 1..200)) {
            let mut histogram = empty();
            for value in &values {
                histogram.saturating_record(u64::from(*value));
            }
            let back = decode(&encode(&histogram)).unwrap();
            assert_eq!(back.len(), histogram.len());
            assert_eq!(back.value_at_quantile(0.99), histogram.value_at_quantile(0.99));
            assert_eq!(back.max(), histogram.max());
        }
    }
}
