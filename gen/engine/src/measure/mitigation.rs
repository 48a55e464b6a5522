//! What a mitigation saved, and what that cost in truth, in one stretch of one worker.

use super::histogram::{Recording, Sum};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Tally {
    /// Reads that the schedule asked for.
    Reads,
    /// Writes that it asked for.
    Writes,
    /// Reads answered from the client's memory.
    FromMemory,
    /// Reads that ended with the answer of another one.
    Joined,
    /// Writes of copies, beyond the one that was asked for.
    Copies,
    /// Reads whose version was judged.
    Judged,
    /// Of these, those that returned less than had been acknowledged before they were sent.
    Stale,
    /// Of these, those that returned less than an earlier read had.
    WentBack,
    /// Keys that the server said had changed and that were kept.
    Invalidations,
    /// Times that everything was forgotten, because the server said so or a connection was lost.
    Flushes,
    /// Reads that were given to a replica.
    AtReplica,
    /// Reads that were given to the primary because no replica could be asked.
    NoReplica,
    /// Reads that a replica did not answer, and that went on to the primary.
    FellBack,
}

/// All of them, with the names that timelines and summaries have them by.
pub const TALLIES: [(Tally, &str); 13] = [
    (Tally::Reads, "reads"),
    (Tally::Writes, "writes"),
    (Tally::FromMemory, "from_memory"),
    (Tally::Joined, "joined"),
    (Tally::Copies, "copies"),
    (Tally::Judged, "judged"),
    (Tally::Stale, "stale"),
    (Tally::WentBack, "went_back"),
    (Tally::Invalidations, "invalidations"),
    (Tally::Flushes, "flushes"),
    (Tally::AtReplica, "at_replica"),
    (Tally::NoReplica, "no_replica"),
    (Tally::FellBack, "fell_back"),
];

/// The counts, by [`Tally`].
pub type Tallies = [u64; TALLIES.len()];

/// One stretch of one worker.
#[derive(Debug, Default)]
pub struct MitigationCounts {
    tallies: Tallies,
    /// How long newer versions had been acknowledged when stale ones were returned.
    pub behind: Recording,
    /// From the acknowledgement of a write to the end of what was kept of its key.
    pub invalidation: Recording,
}

impl MitigationCounts {
    /// Counts one.
    #[inline]
    pub fn count(&mut self, tally: Tally) {
        self.tallies[tally as usize] += 1;
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tallies == Tallies::default()
    }

    /// Makes it ready to be used again; the recordings are drained by the recorder.
    pub fn reset(&mut self) {
        self.tallies = Tallies::default();
    }
}

/// The sum of many.
#[derive(Debug, Default)]
pub struct MitigationSum {
    tallies: Tallies,
    /// As [`MitigationCounts::behind`].
    pub behind: Sum,
    /// As [`MitigationCounts::invalidation`].
    pub invalidation: Sum,
}

impl MitigationSum {
    /// How many there were.
    #[must_use]
    pub const fn of(&self, tally: Tally) -> u64 {
        self.tallies[tally as usize]
    }

    /// Adds one stretch of one worker, and empties its recordings.
    pub fn add(&mut self, counts: &mut MitigationCounts) {
        add(&mut self.tallies, &counts.tallies);
        counts.behind.drain_into(&mut self.behind);
        counts.invalidation.drain_into(&mut self.invalidation);
    }

    /// Adds a later stretch.
    pub fn absorb(&mut self, later: &Self) {
        add(&mut self.tallies, &later.tallies);
        self.behind.add(&later.behind);
        self.invalidation.add(&later.invalidation);
    }

    /// Makes it empty.
    pub fn clear(&mut self) {
        self.tallies = Tallies::default();
        self.behind.clear();
        self.invalidation.clear();
    }
}

fn add(sum: &mut Tallies, part: &Tallies) {
    for (sum, part) in sum.iter_mut().zip(part) {
        *sum += part;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_indices() {
        for (index, (tally, _)) in TALLIES.into_iter().enumerate() {
            assert_eq!(tally as usize, index);
        }
    }
}
