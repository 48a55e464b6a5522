//! One worker's mitigation of hot keys at work.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::MitigationKind;
use super::joined::{Joined, Part, Waiter};
use super::key_split::Split;
use super::local_cache::{Found, LocalCache};
use super::versions::{Judgement, Versions};
use crate::units::Nanos;
use stallion_resp::units::KeyId;

/// What an operation is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Be sent, for this key.
    Send(KeyId),
    /// Be sent to so many copies of its key.
    SendCopies(u64),
    /// End at once, with a value of this version from memory.
    Known(u64),
    /// End with the answer that another one gets.
    Wait,
}

/// One worker's mitigation: what it decides, and what it remembers for that.
#[derive(Debug)]
pub struct Mitigation {
    split: Option<Split>,
    cache: Option<LocalCache>,
    joined: Option<Joined>,
    versions: Versions,
    version: u64,
    random: Xoshiro256PlusPlus,
}

impl Mitigation {
    /// For a worker with at most `in_flight` requests under way and `waiting` that wait; `versions`
    /// is that of all workers.
    #[must_use]
    pub fn new(
        kind: MitigationKind,
        versions: Versions,
        (in_flight, waiting): (usize, usize),
        seed: u64,
    ) -> Self {
        let mut mitigation = Self {
            split: None,
            cache: None,
            joined: None,
            versions,
            version: 0,
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
        };
        match kind {
            MitigationKind::Plain | MitigationKind::ReplicaRead { .. } => {}
            MitigationKind::LocalCache { entries, ttl_ns, .. } => {
                mitigation.cache = Some(LocalCache::new(entries, ttl_ns));
            }
            MitigationKind::KeySplit { hot, copies } => {
                mitigation.split = Some(Split { hot, copies })
            }
            MitigationKind::Coalesce => mitigation.joined = Some(Joined::new(in_flight, waiting)),
        }
        mitigation
    }

    /// A read that was due at `due` is taken up at `now`.
    pub fn read(&mut self, key: KeyId, due: Nanos, now: Nanos) -> Step {
        if let Some(cache) = &mut self.cache {
            match cache.get(key, now) {
                Found::Value(version) => return Step::Known(version),
                Found::Nothing => cache.ask(key),
            }
        }
        if let Some(joined) = &mut self.joined
            && joined.join(key, Waiter { due, joined: now }) == Part::Wait
        {
            return Step::Wait;
        }
        match self.split.filter(|split| split.is_split(key)) {
            Some(split) => Step::Send(split.copy(key, self.random.next_u64())),
            None => Step::Send(key),
        }
    }

    /// A write is taken up at `now`; also the version that it carries.
    pub fn write(&mut self, key: KeyId, now: Nanos) -> (Step, u64) {
        self.version = now.0.max(self.version + 1);
        let split = self.split.filter(|split| split.is_split(key));
        let copies = split.map_or(1, |split| split.copies);
        self.versions.begin(key, copies as u32);
        let step = if copies > 1 { Step::SendCopies(copies) } else { Step::Send(key) };
        (step, self.version)
    }

    /// One copy of a key.
    #[must_use]
    pub fn copy(&self, key: KeyId, index: u64) -> KeyId {
        self.split.map_or(key, |split| split.copy(key, index))
    }

    /// The key that a copy is of.
    #[must_use]
    pub fn original(&self, key: KeyId) -> KeyId {
        if self.split.is_some() { Split::original(key) } else { key }
    }

    /// A read was answered with a version; it was sent at `sent`, or answered from memory then.
    pub fn judge(&mut self, key: KeyId, version: u64, sent: Nanos, now: Nanos) -> Judgement {
        let key = self.original(key);
        self.versions.judge(key, version, sent, now)
    }

    /// A read's answer came, with a version if there was a value: it is kept, and `each` is shown
    /// who waited for it.
    pub fn end_read(
        &mut self,
        key: KeyId,
        version: Option<u64>,
        now: Nanos,
        each: impl FnMut(Waiter),
    ) {
        if let Some(cache) = &mut self.cache {
            match version {
                Some(version) => cache.fill(key, version, now),
                None => drop(cache.invalidate(key)),
            }
        }
        if let Some(joined) = &mut self.joined {
            joined.end(key, each);
        }
    }

    /// A write of one copy was acknowledged with its version, or refused: then none.
    pub fn end_write(&mut self, key: KeyId, acknowledged: Option<u64>, now: Nanos) {
        self.versions.end(self.original(key), acknowledged, now);
    }

    /// A write may or may not have been made.
    pub fn doubt_write(&mut self, key: KeyId) {
        self.versions.doubt(self.original(key));
    }

    /// The server says that a key has changed. When an older version was kept: for how long it had
    /// been acknowledged that there was a newer one, if it had been.
    pub fn invalidate(&mut self, key: KeyId, now: Nanos) -> Option<Option<u64>> {
        let version = self.cache.as_mut()?.invalidate(key)?;
        Some(self.versions.behind_ns(key, version, now))
    }

    /// The server says that everything has changed, or can say nothing any more: a connection was
    /// lost.
    pub fn forget(&mut self) {
        if let Some(cache) = &mut self.cache {
            cache.clear();
        }
    }

    /// Keys that gave way to others in the local cache so far.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.cache.as_ref().map_or(0, LocalCache::evicted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: KeyId = KeyId(3);

    fn mitigation(kind: MitigationKind) -> Mitigation {
        Mitigation::new(kind, Versions::new(10), (4, 4), 1)
    }

    #[test]
    fn a_cached_value_is_known_until_the_server_says_otherwise() {
        let kind = MitigationKind::LocalCache { entries: 8, ttl_ns: 1_000_000, broadcast: false };
        let mut mitigation = mitigation(kind);
        assert_eq!(mitigation.read(KEY, Nanos(1), Nanos(1)), Step::Send(KEY));
        mitigation.end_read(KEY, Some(7), Nanos(2), |_| {});
        assert_eq!(mitigation.read(KEY, Nanos(3), Nanos(3)), Step::Known(7));
        let (step, version) = mitigation.write(KEY, Nanos(10));
        assert_eq!((step, version), (Step::Send(KEY), 10));
        mitigation.end_write(KEY, Some(version), Nanos(20));
        assert_eq!(mitigation.judge(KEY, 7, Nanos(25), Nanos(25)).behind_ns, Some(5));
        assert_eq!(mitigation.invalidate(KEY, Nanos(30)), Some(Some(10)));
        assert_eq!(mitigation.read(KEY, Nanos(31), Nanos(31)), Step::Send(KEY));
    }

    #[test]
    fn a_split_key_is_read_anywhere_and_written_everywhere() {
        let mut mitigation = mitigation(MitigationKind::KeySplit { hot: 5, copies: 3 });
        let mut read = std::collections::HashSet::new();
        for _ in 0..100 {
            let Step::Send(key) = mitigation.read(KEY, Nanos(1), Nanos(1)) else { panic!() };
            assert_eq!(mitigation.original(key), KEY);
            read.insert(key);
        }
        assert_eq!(read.len(), 3);
        assert_eq!(mitigation.read(KeyId(5), Nanos(1), Nanos(1)), Step::Send(KeyId(5)));
        let (step, version) = mitigation.write(KEY, Nanos(10));
        assert_eq!(step, Step::SendCopies(3));
        for copy in 0..3 {
            let judged = mitigation.judge(KEY, 1, Nanos(11), Nanos(12));
            assert_eq!(judged.behind_ns, None, "not all copies are acknowledged");
            mitigation.end_write(mitigation.copy(KEY, copy), Some(version), Nanos(11));
        }
        assert_eq!(mitigation.judge(KEY, 1, Nanos(11), Nanos(12)).behind_ns, Some(1));
    }

    #[test]
    fn a_read_that_joins_gets_the_answer_of_the_first() {
        let mut mitigation = mitigation(MitigationKind::Coalesce);
        assert_eq!(mitigation.read(KEY, Nanos(1), Nanos(1)), Step::Send(KEY));
        assert_eq!(mitigation.read(KEY, Nanos(2), Nanos(2)), Step::Wait);
        let mut waited = Vec::new();
        mitigation.end_read(KEY, Some(0), Nanos(9), |waiter| waited.push(waiter.due));
        assert_eq!(waited, [Nanos(2)]);
        assert_eq!(mitigation.read(KEY, Nanos(10), Nanos(10)), Step::Send(KEY));
    }
}
