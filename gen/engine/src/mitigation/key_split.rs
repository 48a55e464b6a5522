//! Splitting a hot key: the hottest keys exist in several copies under names of their own, a read
//! takes any of them and a write writes all of them.
//!
//! A copy is a key like any other: its number is that of the original plus a multiple of
//! [`COPY_STEP`], so that it has the same form, the same value, and a hash slot of its own.

use stallion_resp::limits::MAX_KEYS;
use stallion_resp::units::KeyId;

/// Distance between the numbers of two copies of a key: keys below it can be split.
pub const COPY_STEP: u64 = 10_000_000_000;

/// The most copies of a key.
pub const MAX_COPIES: u64 = 64;

const _: () = assert!(COPY_STEP * MAX_COPIES < MAX_KEYS);

/// Which keys are split, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Split {
    /// Keys below this number: the distributions draw the hottest first.
    pub hot: u64,
    /// Copies of each, the original included.
    pub copies: u64,
}

impl Split {
    /// Whether a key has copies.
    #[inline]
    #[must_use]
    pub const fn is_split(self, key: KeyId) -> bool {
        key.0 < self.hot
    }

    /// A copy of a key, counted from 0, which is the original.
    #[inline]
    #[must_use]
    pub const fn copy(self, key: KeyId, index: u64) -> KeyId {
        KeyId(key.0 + index % self.copies * COPY_STEP)
    }

    /// The original of a copy.
    #[inline]
    #[must_use]
    pub const fn original(key: KeyId) -> KeyId {
        KeyId(key.0 % COPY_STEP)
    }

    /// Copies that must be written before a run: without the originals, which are there.
    #[must_use]
    pub const fn extra(self) -> u64 {
        self.hot * (self.copies - 1)
    }

    /// One of these, counted from 0.
    #[must_use]
    pub const fn nth_extra(self, index: u64) -> KeyId {
        self.copy(KeyId(index % self.hot), 1 + index / self.hot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;
    use std::collections::HashSet;

    proptest! {
        #[test]
        fn copies_are_keys_of_their_own(hot in 1_u64..200, copies in 1..=MAX_COPIES) {
            let split = Split { hot, copies };
            let extra: HashSet<u64> = (0..split.extra()).map(|at| split.nth_extra(at).0).collect();
            assert_eq!(extra.len() as u64, split.extra(), "no two are the same");
            for key in extra {
                assert!((COPY_STEP..MAX_KEYS).contains(&key));
                assert!(split.is_split(Split::original(KeyId(key))));
            }
        }

        #[test]
        fn any_number_names_a_copy(key in 0_u64..200, index: u64) {
            let split = Split { hot: 200, copies: 3 };
            let copy = split.copy(KeyId(key), index);
            assert_eq!(Split::original(copy), KeyId(key));
            assert!(copy.0 / COPY_STEP < 3);
        }
    }
}
