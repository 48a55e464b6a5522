//! A bounded, uniform sample of an interval's slow requests, for attribution.

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::outcome::Outcome;
use crate::limits::MAX_SLOW_OPS;
use crate::units::{ConnId, Nanos, NodeId};
use stallion_resp::units::{CommandId, KeyId};

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
    pub command: CommandId,
    /// The key.
    pub key: KeyId,
    /// The worker's connection.
    pub connection: ConnId,
    /// How it ended.
    pub outcome: Outcome,
    /// Requests before it on its connection when it was encoded.
    pub ahead: u32,
    /// The node of a cluster that answered it, or was to answer it.
    pub node: Option<NodeId>,
}

/// Reservoir sampling: each slow request of the interval is kept with the same probability, so
/// the sample stands for all of them with equal weights. Algorithm L (K.-H. Li, "Reservoir-sampling
/// algorithms of time complexity O(n(1 + log(N/n)))", ACM TOMS 20(4), 1994): it draws how many to
/// pass over, so that what is not kept costs an addition.
#[derive(Debug, Clone)]
pub struct SlowSample {
    kept: Vec<Sample>,
    seen: u64,
    sum_ns: u64,
    /// Number of the next request to be kept, counted from 0.
    next: u64,
    /// The largest of as many uniform numbers as are kept, in Li's terms W.
    weight: f64,
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
            next: 0,
            weight: 1.0,
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
        }
    }

    /// Offers one slow request.
    pub fn offer(&mut self, sample: Sample) {
        self.offer_many(1, sample.done.since(sample.due), |_| sample);
    }

    /// Offers `count` slow requests of the same response time; `sample` makes the one of a given
    /// index if it is kept.
    #[inline]
    pub fn offer_many(&mut self, count: u64, response_ns: u64, sample: impl Fn(u64) -> Sample) {
        let first = self.seen;
        self.seen += count;
        self.sum_ns = self.sum_ns.saturating_add(response_ns.saturating_mul(count));
        while self.next < self.seen {
            self.keep(sample(self.next - first));
        }
    }

    fn keep(&mut self, sample: Sample) {
        if self.kept.len() < MAX_SLOW_OPS {
            self.kept.push(sample);
        } else {
            let place = self.random.random_range(0..MAX_SLOW_OPS);
            self.kept[place] = sample;
        }
        self.next += 1;
        if self.kept.len() == MAX_SLOW_OPS {
            // 1 - [0, 1) is never 0, whose logarithm is none.
            let mut uniform = || 1.0 - self.random.random::<f64>();
            self.weight *= (uniform().ln() / MAX_SLOW_OPS as f64).exp();
            let skip = (uniform().ln() / (1.0 - self.weight).ln()).floor();
            self.next = self.next.saturating_add(skip as u64);
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
        (self.seen, self.sum_ns, self.next, self.weight) = (0, 0, 0, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(number: u64) -> Sample {
        Sample {
            due: Nanos(0),
            ready: Nanos(0),
            sent: Nanos(0),
            done: Nanos(1),
            command: CommandId(0),
            key: KeyId(number),
            connection: ConnId(0),
            outcome: Outcome::Ok,
            ahead: 0,
            node: None,
        }
    }

    /// Offers 1 000 requests in `chunk`s to each of 200 samples.
    fn kept_in_the_first_half(chunk: u64) -> usize {
        let mut first_half = 0_usize;
        for seed in 0..200 {
            let mut slow = SlowSample::new(seed);
            for first in (0..1_000).step_by(chunk as usize) {
                slow.offer_many(chunk, 1, |index| sample(first + index));
            }
            assert_eq!(
                (slow.seen(), slow.sum_ns(), slow.kept().len()),
                (1_000, 1_000, MAX_SLOW_OPS)
            );
            first_half += slow.kept().iter().filter(|sample| sample.key.0 < 500).count();
        }
        first_half
    }

    #[test]
    fn each_request_is_kept_with_the_same_chance() {
        for chunk in [1, 50, 1_000] {
            let first_half = kept_in_the_first_half(chunk);
            // 25 600 drawn, half expected in the first half; five sigma is 400.
            assert!(first_half.abs_diff(12_800) < 400, "{first_half} in chunks of {chunk}");
        }
    }
}
