//! A client-side cache of bounded size, by key number. It keeps what tells one value of a key from
//! the next (its version), not the bytes: what is measured is whose request is saved, and how old an
//! answer from memory is.
//!
//! Eight-way set-associative: a key can lie in eight places, of which the one that was used longest
//! ago gives way. A look-up touches two or three cache lines, and nothing is allocated after the
//! start.

use crate::units::Nanos;
use stallion_resp::units::KeyId;

/// Places in which a key can lie.
const WAYS: usize = 8;

/// The key of an empty place; real ones are below 10^12.
const NO_NODE: u64 = u64::MAX;

/// Knuth's multiplicative hashing: 2^64 divided by the golden ratio (The Art of Computer Programming,
/// volume 3, section 6.4).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// One place.
#[derive(Debug, Clone, Copy)]
struct Entry {
    key: u64,
    version: u64,
    /// When it is too old.
    expires: Nanos,
    /// The number of the look-up that used it last.
    used: u64,
    /// It was asked for and has not come yet. An invalidation in the meantime takes the place
    /// away, so that the old value, when it comes, is not kept (Redis documentation, "Client-side
    /// caching", section "Avoiding race conditions").
    awaited: bool,
}

const EMPTY: Entry = Entry { key: NO_NODE, version: 0, expires: Nanos(0), used: 0, awaited: false };

/// What a look-up found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A value of this version.
    Value(u64),
    /// Nothing: the server must be asked.
    Nothing,
}

/// The cache of one worker.
#[derive(Debug, Clone)]
pub struct LocalCache {
    entries: Box<[Entry]>,
    ttl_ns: u64,
    clock: u64,
    held: usize,
    evicted: u64,
}

impl LocalCache {
    /// Room for `entries` keys (rounded up to a power of two, at least eight), each kept for
    /// `ttl_ns` at most.
    #[must_use]
    pub fn new(entries: usize, ttl_ns: u64) -> Self {
        let count = entries.next_power_of_two().max(WAYS);
        Self { entries: vec![EMPTY; count].into(), ttl_ns, clock: 0, held: 0, evicted: 0 }
    }

    /// Looks a key up at `now`.
    #[inline]
    pub fn get(&mut self, key: KeyId, now: Nanos) -> Found {
        self.clock += 1;
        let clock = self.clock;
        match self.place(key) {
            Some(entry) if !entry.awaited && entry.expires > now => {
                entry.used = clock;
                Found::Value(entry.version)
            }
            _ => Found::Nothing,
        }
    }

    /// The server is asked for a key: its place waits for the answer.
    pub fn ask(&mut self, key: KeyId) {
        self.clock += 1;
        let awaited = Entry { key: key.0, used: self.clock, awaited: true, ..EMPTY };
        if let Some(entry) = self.place(key) {
            *entry = awaited;
            return;
        }
        let set = self.set(key);
        let Some(oldest) = self.entries[set].iter_mut().min_by_key(|entry| entry.used) else {
            return;
        };
        let fresh = oldest.key == NO_NODE;
        *oldest = awaited;
        self.held += usize::from(fresh);
        self.evicted += u64::from(!fresh);
    }

    /// The answer came. It is kept if its place still waits for it.
    pub fn fill(&mut self, key: KeyId, version: u64, now: Nanos) {
        let expires = now + self.ttl_ns;
        if let Some(entry) = self.place(key).filter(|entry| entry.awaited) {
            (entry.version, entry.expires, entry.awaited) = (version, expires, false);
        }
    }

    /// Forgets a key; the version that was kept, if one was.
    pub fn invalidate(&mut self, key: KeyId) -> Option<u64> {
        let entry = self.place(key)?;
        let kept = (!entry.awaited).then_some(entry.version);
        *entry = EMPTY;
        self.held -= 1;
        kept
    }

    /// Forgets everything: the server said so, or a connection whose invalidations were relied on
    /// was lost.
    pub fn clear(&mut self) {
        self.entries.fill(EMPTY);
        self.held = 0;
    }

    /// Keys that have a place.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.held
    }

    /// Whether no key has one.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Keys that gave way to others so far.
    #[must_use]
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }

    fn set(&self, key: KeyId) -> std::ops::Range<usize> {
        let sets = self.entries.len() / WAYS;
        let hash = key.0.wrapping_mul(GOLDEN) >> 32;
        let first = (hash as usize & (sets - 1)) * WAYS;
        first..first + WAYS
    }

    #[inline]
    fn place(&mut self, key: KeyId) -> Option<&mut Entry> {
        let set = self.set(key);
        self.entries[set].iter_mut().find(|entry| entry.key == key.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Just, Strategy, proptest};
    use std::collections::HashMap;

    const TTL_NS: u64 = 1_000;

    fn filled(cache: &mut LocalCache, key: u64, version: u64, now: u64) {
        cache.ask(KeyId(key));
        cache.fill(KeyId(key), version, Nanos(now));
    }

    #[test]
    fn an_answer_that_was_overtaken_by_an_invalidation_is_not_kept() {
        let mut cache = LocalCache::new(8, TTL_NS);
        cache.ask(KeyId(1));
        assert_eq!(cache.invalidate(KeyId(1)), None);
        cache.fill(KeyId(1), 7, Nanos(1));
        assert_eq!(cache.get(KeyId(1), Nanos(2)), Found::Nothing);
    }

    #[test]
    fn values_grow_old_and_the_oldest_gives_way() {
        let mut cache = LocalCache::new(8, TTL_NS);
        filled(&mut cache, 1, 5, 0);
        assert_eq!(cache.get(KeyId(1), Nanos(TTL_NS - 1)), Found::Value(5));
        assert_eq!(cache.get(KeyId(1), Nanos(TTL_NS)), Found::Nothing);
        for key in 0..8 {
            filled(&mut cache, key, key, 0);
        }
        assert_eq!(cache.get(KeyId(0), Nanos(1)), Found::Value(0), "now 1 is the oldest");
        filled(&mut cache, 8, 8, 0);
        assert_eq!(cache.get(KeyId(1), Nanos(1)), Found::Nothing);
        assert_eq!((cache.len(), cache.evicted()), (8, 1));
        cache.clear();
        assert!(cache.is_empty());
    }

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Get(u64),
        Ask(u64),
        Fill(u64, u64),
        Invalidate(u64),
        Clear,
    }

    fn step() -> impl Strategy<Value = Step> {
        proptest::prop_oneof![
            (0_u64..40).prop_map(Step::Get),
            (0_u64..40).prop_map(Step::Ask),
            (0_u64..40, 0_u64..9).prop_map(|(key, version)| Step::Fill(key, version)),
            (0_u64..40).prop_map(Step::Invalidate),
            Just(Step::Clear),
        ]
    }

    proptest! {
        #[test]
        fn it_never_answers_what_a_boundless_map_would_not(
            steps in proptest::collection::vec(step(), 0..400),
        ) {
            let mut cache = LocalCache::new(16, u64::MAX / 2);
            // None: asked for and not come.
            let mut model: HashMap<u64, Option<u64>> = HashMap::new();
            for step in steps {
                match step {
                    Step::Get(key) => {
                        if let Found::Value(version) = cache.get(KeyId(key), Nanos(1)) {
                            assert_eq!(model.get(&key), Some(&Some(version)));
                        }
                    }
                    Step::Ask(key) => {
                        cache.ask(KeyId(key));
                        model.insert(key, None);
                    }
                    Step::Fill(key, version) => {
                        cache.fill(KeyId(key), version, Nanos(1));
                        if let Some(slot @ None) = model.get_mut(&key) {
                            *slot = Some(version);
                        }
                    }
                    Step::Invalidate(key) => {
                        let kept = cache.invalidate(KeyId(key));
                        let known = model.remove(&key).flatten();
                        assert!(kept.is_none() || kept == known);
                    }
                    Step::Clear => {
                        cache.clear();
                        model.clear();
                    }
                }
                assert!(cache.len() <= 16);
            }
        }
    }
}
