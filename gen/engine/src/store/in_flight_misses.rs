//! How many reads of one key are with the store at the same time, over all workers: a stampede's size.
//! Atomics in a table of fixed size; a key that finds no place in it is not counted.

use std::sync::atomic::{AtomicU64, Ordering};

use stallion_resp::units::KeyId;

/// Places. Keys that are read at the same time are far fewer.
const PLACES: usize = 1 << 16;

/// Places that are looked at for one key.
const REACH: usize = 16;

const COUNT_BITS: u32 = 24;

const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

/// A key and its count in one word: none while the count is 0.
#[derive(Debug)]
pub struct InFlightMisses(Box<[AtomicU64]>);

impl Default for InFlightMisses {
    fn default() -> Self {
        Self((0..PLACES).map(|_| AtomicU64::new(0)).collect())
    }
}

impl InFlightMisses {
    fn places(&self, key: KeyId) -> impl Iterator<Item = &AtomicU64> {
        let home = (key.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize;
        (0..REACH).map(move |step| &self.0[(home + step) % PLACES])
    }

    /// One more read of a key begins: how many there are now. (Two workers that begin the first two
    /// in the same nanoseconds may take two places, and each count its own.)
    pub fn enter(&self, key: KeyId) -> u64 {
        let own = |word: u64| word & COUNT_MASK > 0 && word >> COUNT_BITS == key.0;
        let more = |word: u64| own(word).then_some(word + 1);
        let claim = |word: u64| (word & COUNT_MASK == 0).then_some(key.0 << COUNT_BITS | 1);
        let update = |place: &AtomicU64, change: &dyn Fn(u64) -> Option<u64>| {
            place.fetch_update(Ordering::AcqRel, Ordering::Acquire, change).ok()
        };
        let joined = self.places(key).find_map(|place| update(place, &more));
        if let Some(before) = joined {
            return (before & COUNT_MASK) + 1;
        }
        let claimed = self.places(key).find_map(|place| update(place, &claim));
        u64::from(claimed.is_some())
    }

    /// One ends.
    pub fn leave(&self, key: KeyId) {
        let less =
            |word: u64| (word & COUNT_MASK > 0 && word >> COUNT_BITS == key.0).then(|| word - 1);
        for place in self.places(key) {
            if place.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).is_ok() {
                return;
            }
        }
    }
}

const _: () = assert!(stallion_resp::limits::MAX_KEYS < 1 << (u64::BITS - COUNT_BITS));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_count() {
        let misses = InFlightMisses::default();
        for count in 1..=1_000 {
            assert_eq!(misses.enter(KeyId(5)), count);
        }
        assert_eq!(misses.enter(KeyId(6)), 1);
        for _ in 0..999 {
            misses.leave(KeyId(5));
        }
        assert_eq!(misses.enter(KeyId(5)), 2);
        misses.leave(KeyId(7));
        assert_eq!(misses.enter(KeyId(6)), 2);
    }

    #[test]
    fn threads_lose_nobody() {
        let misses = InFlightMisses::default();
        misses.enter(KeyId(1));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        misses.enter(KeyId(1));
                        misses.leave(KeyId(1));
                    }
                });
            }
        });
        assert_eq!(misses.enter(KeyId(1)), 2);
    }
}
