//! Seeded values that a read can verify: a pure function of seed, key and size.

use super::sizes::Sizes;
use crate::units::KeyId;

/// Bytes of the pool that values are cut from. Small enough to stay in the second-level cache:
/// a rival that draws from 1 GiB pays 2 to 2.6 times its GET for a SET.
const POOL_BYTES: usize = 64 << 10;

/// Digits of the key's number that stand at the front of every value that has room for them.
const STAMP_BYTES: usize = 16;

/// Bytes of the stamp and of a version behind it, in runs that write one.
pub const STAMPED_BYTES: usize = STAMP_BYTES + size_of::<u64>();

/// Writes a version behind the stamp of a value, which has room for it.
#[inline]
pub fn write_version(version: u64, value: &mut [u8]) {
    if let Some(place) = value.get_mut(STAMP_BYTES..STAMPED_BYTES) {
        place.copy_from_slice(&version.to_le_bytes());
    }
}

/// Collects the version of a value that comes in parts.
#[derive(Debug, Clone, Copy, Default)]
pub struct VersionReader([u8; size_of::<u64>()]);

impl VersionReader {
    /// Takes in `part`, which begins `offset` bytes into the value.
    #[inline]
    pub fn take(&mut self, offset: u64, part: &[u8]) {
        for (place, wanted) in self.0.iter_mut().zip(STAMP_BYTES as u64..) {
            let at = wanted.checked_sub(offset).and_then(|at| usize::try_from(at).ok());
            if let Some(byte) = at.and_then(|at| part.get(at)) {
                *place = *byte;
            }
        }
    }

    /// The version, after all of the value.
    #[must_use]
    pub const fn version(self) -> u64 {
        u64::from_le_bytes(self.0)
    }
}

/// Makes the value of any key, and checks one that came back.
#[derive(Debug, Clone)]
pub struct Values {
    pool: Box<[u8]>,
    seed: u64,
    sizes: Sizes,
}

/// What the bytes of values are, behind the stamp at their front.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Random bytes, which nothing compresses.
    #[default]
    Random,
    /// The same sixteen letters over and over, which everything compresses.
    Pattern,
}

/// The letters of [`Content::Pattern`]. A value begins at a cache line, thus at their first.
const PATTERN: &[u8; 16] = b"stallion-pattern";

impl Values {
    /// Values of these sizes; the same seed makes the same values.
    #[must_use]
    pub fn new(seed: u64, sizes: Sizes, content: Content) -> Self {
        let mut state = seed;
        let pool = match content {
            Content::Random => {
                (0..POOL_BYTES / 8).flat_map(|_| splitmix64(&mut state).to_le_bytes()).collect()
            }
            Content::Pattern => PATTERN.repeat(POOL_BYTES / PATTERN.len()).into(),
        };
        Self { pool, seed, sizes }
    }

    /// Random values of so many bytes each.
    #[must_use]
    pub fn fixed(seed: u64, size_bytes: usize) -> Self {
        Self::new(seed, Sizes::Fixed(size_bytes), Content::Random)
    }

    /// Their lengths.
    #[must_use]
    pub const fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// Length of the value of `key` in bytes.
    #[must_use]
    #[inline]
    pub fn size_of(&self, key: KeyId) -> usize {
        if let Sizes::Fixed(bytes) = self.sizes {
            return bytes;
        }
        // The second number of the key's generator: the first says where in the pool it begins.
        let mut state = self.seed ^ key.0;
        let _ = splitmix64(&mut state);
        self.sizes.of_hash(splitmix64(&mut state))
    }

    /// Writes the value of `key` into `out`, which has the length of its value.
    #[inline]
    pub fn write(&self, key: KeyId, out: &mut [u8]) {
        let mut at = self.offset(key);
        let mut rest = &mut *out;
        while !rest.is_empty() {
            let length = rest.len().min(POOL_BYTES - at);
            let (head, tail) = rest.split_at_mut(length);
            head.copy_from_slice(&self.pool[at..at + length]);
            rest = tail;
            at = 0;
        }
        if let Some(front) = out.first_chunk_mut::<STAMP_BYTES>() {
            *front = self.stamp(key);
        }
    }

    /// Whether `part`, which begins `offset` bytes into a value, is what [`Values::write`] wrote
    /// for `key`.
    #[must_use]
    pub fn matches(&self, key: KeyId, offset: usize, part: &[u8]) -> bool {
        let size = self.size_of(key);
        if offset + part.len() > size {
            return false;
        }
        let stamp = self.stamp(key);
        let stamped = if size >= STAMP_BYTES { STAMP_BYTES } else { 0 };
        let start = self.offset(key);
        let in_stamp = stamped.saturating_sub(offset).min(part.len());
        let (front, mut rest) = part.split_at(in_stamp);
        if !front.is_empty() && front != &stamp[offset..offset + in_stamp] {
            return false;
        }
        let mut position = offset + in_stamp;
        while !rest.is_empty() {
            let at = self.pool_position(start, position);
            let length = rest.len().min(POOL_BYTES - at);
            if rest[..length] != self.pool[at..at + length] {
                return false;
            }
            rest = &rest[length..];
            position += length;
        }
        true
    }

    /// Where in the pool the byte `position` of a value lies whose first byte lies at `start`.
    const fn pool_position(&self, start: usize, position: usize) -> usize {
        (start + position) % POOL_BYTES
    }

    fn offset(&self, key: KeyId) -> usize {
        let mut state = self.seed ^ key.0;
        // 64-byte steps: a value begins at a cache line.
        (splitmix64(&mut state) as usize % (POOL_BYTES / 64)) * 64
    }

    fn stamp(&self, key: KeyId) -> [u8; STAMP_BYTES] {
        let mut stamp = [0; STAMP_BYTES];
        stamp[..8].copy_from_slice(&key.0.to_le_bytes());
        stamp[8..].copy_from_slice(&self.seed.to_le_bytes());
        stamp
    }
}

/// Sebastiano Vigna's splitmix64 (public domain, prng.di.unimi.it/splitmix64.c).
pub(crate) const fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;

    proptest! {
        #[test]
        fn what_was_written_matches_in_any_two_parts(
            seed: u64, key: u64, size in 0_usize..200_000, cut in 0_usize..200_000, pattern: bool,
        ) {
            let content = if pattern { Content::Pattern } else { Content::Random };
            let values = Values::new(seed, Sizes::Fixed(size), content);
            let mut value = vec![0; size];
            values.write(KeyId(key), &mut value);
            let (head, tail) = value.split_at(cut.min(size));
            assert!(values.matches(KeyId(key), 0, head));
            assert!(values.matches(KeyId(key), head.len(), tail));
        }

        #[test]
        fn a_flipped_bit_and_another_key_do_not_match(key: u64, at in 0_usize..100, bit in 0_u8..8) {
            let values = Values::fixed(7, 100);
            let mut value = vec![0; 100];
            values.write(KeyId(key), &mut value);
            assert!(!values.matches(KeyId(key ^ 1), 0, &value));
            value[at] ^= 1_u8 << bit;
            assert!(!values.matches(KeyId(key), 0, &value));
        }
    }

    #[test]
    fn a_longer_value_does_not_match() {
        assert!(!Values::fixed(1, 4).matches(KeyId(0), 2, &[0; 3]));
    }

    #[test]
    fn a_version_is_read_however_the_value_is_cut() {
        let mut value = [7; 40];
        write_version(0x0102_0304_0506_0708, &mut value);
        for cut in 0..=value.len() {
            let mut reader = VersionReader::default();
            reader.take(0, &value[..cut]);
            reader.take(cut as u64, &value[cut..]);
            assert_eq!(reader.version(), 0x0102_0304_0506_0708);
        }
        assert!(value[..16].iter().chain(&value[24..]).all(|byte| *byte == 7));
    }
}
