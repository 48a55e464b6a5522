//! Ranges of a cluster's hash slots.

use std::ops::RangeInclusive;

/// Hash slots of a cluster.
pub const SLOTS: u16 = 16_384;

/// `7` or `7-9`.
#[must_use]
pub fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last && last < SLOTS).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        assert_eq!(range("16383"), Some(16_383..=16_383));
        for wrong in ["", "9-7", "16384", "1-16384", "a-b"] {
            assert_eq!(range(wrong), None, "{wrong}");
        }
    }
}
