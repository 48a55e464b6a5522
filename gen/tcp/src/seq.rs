//! Sequence numbers: 32 bits that wrap (RFC 9293, 3.4).

use std::ops::{Add, AddAssign, Sub};

/// A sequence number. Two of them are compared by the shorter way round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Seq(pub u32);

impl Seq {
    /// Whether this number comes before `other`.
    #[inline]
    #[must_use]
    pub const fn is_before(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }

    /// Whether this number comes before `other`, or is it.
    #[inline]
    #[must_use]
    pub const fn is_up_to(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i32) <= 0
    }

    /// The later of two numbers.
    #[inline]
    #[must_use]
    pub const fn latest(self, other: Self) -> Self {
        if self.is_before(other) { other } else { self }
    }

    /// Bytes from `earlier` to this number; 0 when it is not earlier.
    #[inline]
    #[must_use]
    pub const fn since(self, earlier: Self) -> u32 {
        if earlier.is_before(self) { self.0.wrapping_sub(earlier.0) } else { 0 }
    }
}

impl Add<u32> for Seq {
    type Output = Self;

    #[inline]
    fn add(self, bytes: u32) -> Self {
        Self(self.0.wrapping_add(bytes))
    }
}

impl AddAssign<u32> for Seq {
    #[inline]
    fn add_assign(&mut self, bytes: u32) {
        *self = *self + bytes;
    }
}

impl Sub<u32> for Seq {
    type Output = Self;

    #[inline]
    fn sub(self, bytes: u32) -> Self {
        Self(self.0.wrapping_sub(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_survives_the_wrap() {
        let (before, after) = (Seq(u32::MAX - 1), Seq(3));
        assert!(before.is_before(after) && !after.is_before(before));
        assert_eq!(after.since(before), 5);
        assert_eq!(before.since(after), 0);
        assert_eq!(before + 5, after);
        assert_eq!(after - 5, before);
        assert_eq!(before.latest(after), after);
        assert!(before.is_up_to(before) && !before.is_before(before));
    }
}
