//! The histogram of the hot path: the buckets of an HdrHistogram of three digits, without its
//! checks. Recording takes 1 ns where `Histogram::record` takes 6; the recorder thread adds them up
//! and turns them into an `hdrhistogram::Histogram`, which is what is stored and read.

use hdrhistogram::Histogram;
use stallion_timeline::histogram::{MAX_NS, empty};

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
    pub fn drain_into(&mut self, sum: &mut Sum) {
        if self.total == 0 {
            return;
        }
        let used = index_of(self.max_ns) + 1;
        sum.counts.resize(BUCKETS, 0);
        for (sum, count) in sum.counts.iter_mut().zip(&mut self.counts[..used]) {
            *sum += u64::from(std::mem::take(count));
        }
        sum.max_ns = sum.max_ns.max(std::mem::take(&mut self.max_ns));
        sum.total += std::mem::take(&mut self.total);
    }
}

/// Counts of many recordings, in the same buckets. Adding and emptying touch the buckets in use and
/// allocate nothing: an `hdrhistogram::Histogram` made for each interval is 270 KB of fresh pages,
/// and giving those back interrupts the workers' cores.
#[derive(Debug, Clone, Default)]
pub struct Sum {
    /// None before the first is counted.
    counts: Vec<u64>,
    max_ns: u64,
    total: u64,
}

impl Sum {
    fn used(&self) -> usize {
        if self.is_empty() { 0 } else { index_of(self.max_ns) + 1 }
    }

    /// Whether nothing was counted.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// How many durations were counted.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        self.counts.resize(BUCKETS, 0);
        for (sum, part) in self.counts.iter_mut().zip(&other.counts[..other.used()]) {
            *sum += part;
        }
        self.max_ns = self.max_ns.max(other.max_ns);
        self.total += other.total;
    }

    /// Makes it empty.
    pub fn clear(&mut self) {
        let used = self.used();
        self.counts[..used].fill(0);
        (self.max_ns, self.total) = (0, 0);
    }

    /// The value in nanoseconds that this share of the durations does not exceed, as
    /// `Histogram::value_at_quantile` has it; 0 when there are none.
    #[must_use]
    pub fn value_at_quantile(&self, quantile: f64) -> u64 {
        let wanted = ((quantile.clamp(0.0, 1.0) * self.total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.counts[..self.used()].iter().enumerate() {
            seen += count;
            if seen >= wanted {
                // Of a bucket the highest value, but for the least of all.
                return if quantile > 0.0 { value_of(index + 1) - 1 } else { value_of(index) };
            }
        }
        0
    }

    /// As a histogram, in place of what `histogram` (of the timeline's bounds) held.
    pub fn write_to(&self, histogram: &mut Histogram<u64>) {
        histogram.reset();
        for (index, count) in self.counts[..self.used()].iter().enumerate() {
            if *count > 0 {
                // In range by construction of the index: both have the same buckets.
                let _ = histogram.record_n(value_of(index), *count);
            }
        }
    }

    /// As a histogram of its own.
    #[must_use]
    pub fn histogram(&self) -> Histogram<u64> {
        let mut histogram = empty();
        self.write_to(&mut histogram);
        histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;

    proptest! {
        #[test]
        fn counts_are_those_of_hdrhistogram(values in proptest::collection::vec(0_u64..MAX_NS + 9, 1..300)) {
            let mut ours = Recording::default();
            let mut theirs = empty();
            for value in &values {
                ours.record(*value);
                theirs.saturating_record(*value);
            }
            let mut drained = Sum::default();
            ours.drain_into(&mut drained);
            assert_eq!(drained.histogram(), theirs);
            assert_eq!(ours.total(), 0);
            for quantile in [0.0, 0.5, 0.99, 0.9999, 1.0] {
                let found = drained.value_at_quantile(quantile);
                assert_eq!(found, theirs.value_at_quantile(quantile));
            }
            let mut twice = drained.clone();
            twice.add(&drained);
            theirs.add(theirs.clone()).unwrap();
            assert_eq!(twice.histogram(), theirs);
            twice.clear();
            assert!(twice.histogram().is_empty() && twice.value_at_quantile(0.5) == 0);
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
            let mut drained = Sum::default();
            ours.drain_into(&mut drained);
            assert_eq!(drained.histogram(), theirs);
        }
    }

    #[test]
    fn the_first_value_of_each_bucket_maps_back() {
        for index in 0..BUCKETS {
            assert_eq!(index_of(value_of(index)), index);
        }
    }
}
