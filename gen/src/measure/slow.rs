//! A bounded, uniform sample of an interval's slow requests, for attribution.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::outcome::Outcome;
use crate::limits::MAX_SLOW_OPS;
use crate::units::{ConnId, KeyId, Nanos, OpKind};

/// One request from its intended time to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Intended time.
    pub due: Nanos,
    /// From when on the client could have sent it: due, and its connection free.
    pub ready: Nanos,
    /// When it was handed to the kernel.
    pub sent: Nanos,
    /// When its answer, or the news of its failure, was there.
    pub done: Nanos,
    /// The command.
    pub kind: OpKind,
    /// The key.
    pub key: KeyId,
    /// The shard's connection.
    pub connection: ConnId,
    /// How it ended.
    pub outcome: Outcome,
    /// Requests before it on its connection when it was encoded.
    pub ahead: u32,
}

/// Reservoir sampling (algorithm R; Vitter 1985): each slow request of the interval is kept with
/// the same probability, so the sample stands for all of them with equal weights.
#[derive(Debug, Clone)]
pub struct SlowSample {
    kept: Vec<Sample>,
    seen: u64,
    sum_ns: u64,
    random: Xoshiro256PlusPlus,
}

impl SlowSample {
    /// An empty sample; `seed` decides which requests are kept when there are too many.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            kept: Vec::with_capacity(MAX_SLOW_OPS),
            seen: 0,
            sum_ns: 0,
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
        }
    }

    /// Offers one slow request.
    pub fn offer(&mut self, sample: Sample) {
        self.seen += 1;
        self.sum_ns = self.sum_ns.saturating_add(sample.done.since(sample.due));
        if self.kept.len() < MAX_SLOW_OPS {
            self.kept.push(sample);
            return;
        }
        let place = self.random.random_range(0..self.seen);
        if place < MAX_SLOW_OPS as u64 {
            self.kept[place as usize] = sample;
        }
    }

    /// The requests kept.
    #[must_use]
    pub fn kept(&self) -> &[Sample] {
        &self.kept
    }

    /// How many slow requests there were, kept or not.
    #[must_use]
    pub const fn seen(&self) -> u64 {
        self.seen
    }

    /// Sum of the response times of all of them in nanoseconds.
    #[must_use]
    pub const fn sum_ns(&self) -> u64 {
        self.sum_ns
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.kept.clear();
        (self.seen, self.sum_ns) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_is_kept_with_the_same_chance() {
        let mut first_half = 0_usize;
        for seed in 0..200 {
            let mut slow = SlowSample::new(seed);
            for number in 0..1_000 {
                slow.offer(Sample {
                    due: Nanos(0),
                    ready: Nanos(0),
                    sent: Nanos(0),
                    done: Nanos(1),
                    kind: OpKind::Get,
                    key: KeyId(number),
                    connection: ConnId(0),
                    outcome: Outcome::Ok,
                    ahead: 0,
                });
            }
            assert_eq!(
                (slow.seen(), slow.sum_ns(), slow.kept().len()),
                (1_000, 1_000, MAX_SLOW_OPS)
            );
            first_half += slow.kept().iter().filter(|sample| sample.key.0 < 500).count();
        }
        // 25 600 drawn, half expected in the first half; five sigma is 400.
        assert!(first_half.abs_diff(12_800) < 400, "{first_half}");
    }
}
