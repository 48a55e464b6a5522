//! The histogram of the hot path: the buckets of an HdrHistogram of three digits, without its
//! checks. Recording takes 1 ns where `Histogram::record` takes 6; the recorder thread turns it
//! into an `hdrhistogram::Histogram`, which is what is merged, stored and read.

use hdrhistogram::Histogram;
use stallion_timeline::histogram::MAX_NS;

/// log2 of half the buckets of one power of two: three digits need 2 048 (HdrHistogram's
/// `sub_bucket_half_count_magnitude` for three significant digits).
const HALF_MAGNITUDE: u32 = 10;

/// Counters up to the bucket of one hour.
const BUCKETS: usize = index_of(MAX_NS) + 1;

const fn index_of(value_ns: u64) -> usize {
    let shift = 63 - HALF_MAGNITUDE - (value_ns | ((2 << HALF_MAGNITUDE) - 1)).leading_zeros();
    ((shift as usize) << HALF_MAGNITUDE) + (value_ns >> shift) as usize
}

/// The lowest value that is counted at `index`.
const fn value_of(index: usize) -> u64 {
    let bucket = index >> HALF_MAGNITUDE;
    let shift = bucket.saturating_sub(1);
    ((index - (shift << HALF_MAGNITUDE)) as u64) << shift
}

/// Counts of durations in nanoseconds. Longer ones than an hour count as one hour.
#[derive(Debug, Clone)]
pub struct Recording {
    counts: Box<[u32]>,
    max_ns: u64,
    total: u64,
}

impl Default for Recording {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS].into(), max_ns: 0, total: 0 }
    }
}

impl Recording {
    /// Counts one duration.
    #[inline]
    pub fn record(&mut self, value_ns: u64) {
        self.record_many(value_ns, 1);
    }

    /// Counts a duration that `count` requests had.
    #[inline]
    pub fn record_many(&mut self, value_ns: u64, count: u64) {
        let value_ns = if value_ns < MAX_NS { value_ns } else { MAX_NS };
        self.counts[index_of(value_ns)] += count as u32;
        self.max_ns = self.max_ns.max(value_ns);
        self.total += count;
    }

    /// How many durations were counted.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Takes over everything from `other`, which is empty then.
    pub fn take_over(&mut self, other: &mut Self) {
        if self.total == 0 {
            return std::mem::swap(self, other);
        }
        if other.total == 0 {
            return;
        }
        for index in 0..=index_of(other.max_ns) {
            self.counts[index] += std::mem::take(&mut other.counts[index]);
        }
        self.max_ns = self.max_ns.max(std::mem::take(&mut other.max_ns));
        self.total += std::mem::take(&mut other.total);
    }

    /// Adds everything to `sum` and forgets it.
    pub fn drain_into(&mut self, sum: &mut Histogram<u64>) {
        if self.total == 0 {
            return;
        }
        for index in 0..=index_of(self.max_ns) {
            let count = std::mem::take(&mut self.counts[index]);
            if count > 0 {
                // In range by construction of the index, and `sum` has the same bounds.
                sum.saturating_record(value_of(index));
                if count > 1 {
                    let _ = sum.record_n(value_of(index), u64::from(count) - 1);
                }
            }
        }
        (self.max_ns, self.total) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;
    use stallion_timeline::histogram::empty;

    proptest! {
        #[test]
        fn counts_are_those_of_hdrhistogram(values in proptest::collection::vec(0_u64..MAX_NS + 9, 1..300)) {
            let mut ours = Recording::default();
            let mut theirs = empty();
            for value in &values {
                ours.record(*value);
                theirs.saturating_record(*value);
            }
            let mut drained = empty();
            ours.drain_into(&mut drained);
            assert_eq!(drained, theirs);
            assert_eq!(ours.total(), 0);
        }

        #[test]
        fn nothing_is_lost_when_one_takes_over_another(
            left in proptest::collection::vec(0_u64..MAX_NS, 0..30),
            right in proptest::collection::vec(0_u64..MAX_NS, 0..30),
        ) {
            let (mut ours, mut other, mut theirs) = (Recording::default(), Recording::default(), empty());
            for (values, recording) in [(&left, &mut ours), (&right, &mut other)] {
                for value in values {
                    recording.record(*value);
                    theirs.saturating_record(*value);
                }
            }
            ours.take_over(&mut other);
            assert_eq!(other.total(), 0);
            let mut drained = empty();
            ours.drain_into(&mut drained);
            assert_eq!(drained, theirs);
        }
    }

    #[test]
    fn the_first_value_of_each_bucket_maps_back() {
        for index in 0..BUCKETS {
            assert_eq!(index_of(value_of(index)), index);
        }
    }
}
