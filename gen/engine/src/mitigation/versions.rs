//! How old is what was read? Every write of a run carries a version (the time at which it was made),
//! and a read that returns an older one than a write that had been acknowledged before is stale.
//!
//! Two writes of one key that are under way at the same time may be applied in either order, so
//! neither raises the bar; and a key with a write of which nobody knows whether and when it was
//! applied is judged no more. So stale reads are missed, never invented.

use std::sync::Arc;
use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use crate::units::Nanos;
use stallion_resp::units::KeyId;

/// The writes of one key.
#[derive(Debug, Default)]
struct Row {
    /// The newest that was acknowledged.
    version: AtomicU64,
    /// When that was.
    acknowledged_ns: AtomicU64,
    /// The newest that a read has returned.
    seen: AtomicU64,
    /// When that was.
    seen_ns: AtomicU64,
    /// Writes under way, and the two marks below.
    open: AtomicU32,
}

impl Row {
    /// The newest that was acknowledged, and when; another worker may write them meanwhile. The time is
    /// written before its version and read after it, so that it is never older than the version: one
    /// that is newer only makes a stale read look as if it might have been none.
    fn newest(&self) -> (u64, Nanos) {
        let version = self.version.load(Acquire);
        (version, Nanos(self.acknowledged_ns.load(Relaxed)))
    }
}

/// Two writes were under way at the same time.
const OVERLAP: u32 = 1 << 31;

/// The end of a write is unknown: the key is judged no more.
const UNKNOWN: u32 = 1 << 30;

const MARKS: u32 = OVERLAP | UNKNOWN;

/// The newest acknowledged version of each key, for all workers of a run.
#[derive(Debug, Clone)]
pub struct Versions {
    rows: Arc<[Row]>,
}

/// What is wrong with the version that a read returned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Judgement {
    /// A newer one had been acknowledged before the read was sent: for how long, when it was
    /// answered.
    pub behind_ns: Option<u64>,
    /// An earlier read had returned a newer one before this read was sent.
    pub went_back: bool,
}

impl Versions {
    /// For the first `keys` keys; of others nothing is known. 40 bytes each.
    #[must_use]
    pub fn new(keys: usize) -> Self {
        Self { rows: (0..keys).map(|_| Row::default()).collect() }
    }

    fn row(&self, key: KeyId) -> Option<&Row> {
        self.rows.get(usize::try_from(key.0).ok()?)
    }

    /// A write of a key begins, to so many copies of it.
    pub fn begin(&self, key: KeyId, copies: u32) {
        if let Some(row) = self.row(key)
            && row.open.fetch_add(copies, Relaxed) & !MARKS > 0
        {
            row.open.fetch_or(OVERLAP, Relaxed);
        }
    }

    /// Nobody knows whether and when a write of a key was or will be made.
    pub fn doubt(&self, key: KeyId) {
        if let Some(row) = self.row(key) {
            row.open.fetch_or(UNKNOWN, Relaxed);
        }
    }

    /// The write of one copy of a key ended at `now`, with this version if it was acknowledged. True
    /// when that was the last one, and no read may return less from now on.
    pub fn end(&self, key: KeyId, acknowledged: Option<u64>, now: Nanos) -> bool {
        let Some(row) = self.row(key) else {
            return false;
        };
        if acknowledged.is_none() {
            self.doubt(key);
        }
        let before = row.open.fetch_sub(1, Relaxed);
        if before & !MARKS > 1 {
            return false;
        }
        let alone = before & MARKS == 0;
        // Another write may have begun by now; its own overlap is then not seen, which raises
        // the bar no higher than this write's version.
        row.open.fetch_and(!OVERLAP, Relaxed);
        match acknowledged {
            Some(version) if alone && version > row.version.load(Relaxed) => {
                row.acknowledged_ns.store(now.0, Relaxed);
                row.version.store(version, Release);
                true
            }
            _ => false,
        }
    }

    /// Judges a read that was sent at `sent` and returned `version` at `now`, and remembers it.
    #[must_use]
    pub fn judge(&self, key: KeyId, version: u64, sent: Nanos, now: Nanos) -> Judgement {
        let Some(row) = self.row(key).filter(|row| row.open.load(Relaxed) & UNKNOWN == 0) else {
            return Judgement::default();
        };
        let (seen, seen_at) = (row.seen.load(Relaxed), Nanos(row.seen_ns.load(Relaxed)));
        if version > seen {
            row.seen_ns.store(now.0, Relaxed);
            row.seen.store(version, Relaxed);
        }
        let (newest, acknowledged) = row.newest();
        // Of a write that was acknowledged while the read was under way either answer is right.
        let behind = acknowledged <= sent && version < newest;
        Judgement {
            behind_ns: behind.then(|| now.since(acknowledged)),
            went_back: version < seen && seen_at <= sent,
        }
    }

    /// For how long it had been acknowledged at `now` that there is a newer version of a key.
    #[must_use]
    pub fn behind_ns(&self, key: KeyId, version: u64, now: Nanos) -> Option<u64> {
        let row = self.row(key).filter(|row| row.open.load(Relaxed) & UNKNOWN == 0)?;
        let (newest, acknowledged) = row.newest();
        (version < newest).then(|| now.since(acknowledged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: KeyId = KeyId(3);

    /// How stale the version 1 of the key is at 150, when it was asked for at 130.
    fn staleness(versions: &Versions) -> Option<u64> {
        versions.judge(KEY, 1, Nanos(130), Nanos(150)).behind_ns
    }

    #[test]
    fn a_read_behind_an_acknowledged_write_is_stale() {
        let versions = Versions::new(10);
        versions.begin(KEY, 1);
        assert_eq!(staleness(&versions), None, "not acknowledged yet");
        assert!(versions.end(KEY, Some(100), Nanos(120)));
        assert_eq!(staleness(&versions), Some(30));
        let early = versions.judge(KEY, 1, Nanos(119), Nanos(150));
        assert_eq!(early, Judgement::default(), "asked for before");
        let newest = versions.judge(KEY, 100, Nanos(130), Nanos(150));
        assert_eq!(newest, Judgement::default());
        assert!(versions.judge(KEY, 1, Nanos(151), Nanos(160)).went_back);
        assert!(!versions.judge(KEY, 1, Nanos(149), Nanos(160)).went_back, "at the same time");
    }

    #[test]
    fn writes_at_the_same_time_raise_no_bar() {
        let versions = Versions::new(10);
        versions.begin(KEY, 1);
        versions.begin(KEY, 1);
        assert!(!versions.end(KEY, Some(100), Nanos(120)));
        assert!(!versions.end(KEY, Some(101), Nanos(121)));
        assert_eq!(staleness(&versions), None);
        versions.begin(KEY, 1);
        assert!(versions.end(KEY, Some(102), Nanos(122)), "alone again");
        assert_eq!(staleness(&versions), Some(28));
    }

    #[test]
    fn a_write_of_several_copies_ends_with_the_last() {
        let versions = Versions::new(10);
        versions.begin(KEY, 2);
        assert!(!versions.end(KEY, Some(100), Nanos(110)));
        assert_eq!(staleness(&versions), None);
        assert!(versions.end(KEY, Some(100), Nanos(120)));
        assert_eq!(staleness(&versions), Some(30));
    }

    #[test]
    fn a_key_with_a_write_of_unknown_end_is_judged_no_more() {
        let versions = Versions::new(10);
        versions.begin(KEY, 1);
        assert!(versions.end(KEY, Some(5), Nanos(6)));
        versions.begin(KEY, 1);
        assert!(!versions.end(KEY, None, Nanos(7)));
        versions.begin(KEY, 1);
        assert!(!versions.end(KEY, Some(9), Nanos(10)));
        assert_eq!(staleness(&versions), None);
    }

    #[test]
    fn nothing_is_known_of_keys_beyond_the_table() {
        let versions = Versions::new(1);
        versions.begin(KEY, 1);
        assert!(!versions.end(KEY, Some(1), Nanos(1)));
        assert_eq!(staleness(&versions), None);
    }
}
