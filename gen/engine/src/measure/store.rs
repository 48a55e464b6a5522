//! What a store behind the cache was asked, in one stretch of one worker.

use super::histogram::{Recording, Sum};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum StoreTally {
    /// Reads of the store that began.
    Reads,
    /// Reads of the cache that found the store's queue full.
    Refused,
    /// Reads of the store that failed.
    Failed,
    /// Reads of the cache that waited for another one's read of the store.
    Joined,
    /// Reads of the store before the value had expired.
    Early,
    /// Reads of the cache that were served a value whose time was over.
    Stale,
    /// Writes into the cache.
    Refills,
}

/// All of them, with the names that timelines and summaries have them by.
pub const STORE_TALLIES: [(StoreTally, &str); 7] = [
    (StoreTally::Reads, "reads"),
    (StoreTally::Refused, "refused"),
    (StoreTally::Failed, "failed"),
    (StoreTally::Joined, "joined"),
    (StoreTally::Early, "early"),
    (StoreTally::Stale, "stale"),
    (StoreTally::Refills, "refills"),
];

type Tallies = [u64; STORE_TALLIES.len()];

/// Sums and peaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreLoad {
    tallies: Tallies,
    /// Time that servers of the store were busy with reads that ended.
    pub busy_ns: u64,
    /// Most reads that waited for a server at once, over all workers.
    pub queue_max: u64,
    /// Most reads of one key that were with the store at once, over all workers.
    pub herd_max: u64,
}

impl StoreLoad {
    /// How many there were.
    #[must_use]
    pub const fn of(&self, tally: StoreTally) -> u64 {
        self.tallies[tally as usize]
    }

    /// Adds another stretch; peaks become the largest of both.
    pub fn add(&mut self, other: &Self) {
        for (sum, part) in self.tallies.iter_mut().zip(other.tallies) {
            *sum += part;
        }
        self.busy_ns += other.busy_ns;
        self.queue_max = self.queue_max.max(other.queue_max);
        self.herd_max = self.herd_max.max(other.herd_max);
    }
}

/// One stretch of one worker.
#[derive(Debug, Default)]
pub struct StoreCounts {
    /// Sums and peaks.
    pub load: StoreLoad,
    /// From asking the store to its answer.
    pub latency: Recording,
}

impl StoreCounts {
    /// Counts one.
    #[inline]
    pub fn count(&mut self, tally: StoreTally) {
        self.load.tallies[tally as usize] += 1;
    }

    /// A read of the store began: how many wait, and how many are of the same key.
    pub fn asked(&mut self, queued: u64, in_flight_misses: u64) {
        self.count(StoreTally::Reads);
        self.load.queue_max = self.load.queue_max.max(queued);
        self.load.herd_max = self.load.herd_max.max(in_flight_misses);
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.load == StoreLoad::default()
    }

    /// Makes it ready to be used again; the recording is drained by the recorder.
    pub fn reset(&mut self) {
        self.load = StoreLoad::default();
    }
}

/// The sum of many.
#[derive(Debug, Default)]
pub struct StoreSum {
    /// Sums and peaks.
    pub load: StoreLoad,
    /// As [`StoreCounts::latency`].
    pub latency: Sum,
}

impl StoreSum {
    /// Adds one stretch of one worker, and empties its recording.
    pub fn add(&mut self, counts: &mut StoreCounts) {
        self.load.add(&counts.load);
        counts.latency.drain_into(&mut self.latency);
    }

    /// Adds a later stretch.
    pub fn absorb(&mut self, later: &Self) {
        self.load.add(&later.load);
        self.latency.add(&later.latency);
    }

    /// Makes it empty.
    pub fn clear(&mut self) {
        self.load = StoreLoad::default();
        self.latency.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_indices() {
        for (index, (tally, _)) in STORE_TALLIES.into_iter().enumerate() {
            assert_eq!(tally as usize, index);
        }
    }

    #[test]
    fn sums_add_and_peaks_do_not() {
        let (mut counts, mut sum) = (StoreCounts::default(), StoreSum::default());
        counts.asked(3, 7);
        sum.add(&mut counts);
        counts.reset();
        counts.asked(2, 9);
        sum.add(&mut counts);
        assert_eq!((sum.load.of(StoreTally::Reads), sum.load.queue_max), (2, 3));
        assert_eq!(sum.load.herd_max, 9);
    }
}
