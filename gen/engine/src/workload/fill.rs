//! Filling: each key of a range exactly once, and once more what was lost on the way.

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::mix::Ttl;
use stallion_resp::op::Op;
use stallion_resp::units::{CommandId, KeyId};

/// The keys `next, next + step, …` below `end`, each written once.
#[derive(Debug, Clone)]
pub struct Fill {
    next: u64,
    end: u64,
    step: u64,
    ttl: Ttl,
    random: Xoshiro256PlusPlus,
    /// Keys to write again. Its capacity is the most that can be in flight, so it never grows.
    again: Vec<KeyId>,
    retries_left: u64,
}

impl Fill {
    /// The part of worker `worker` of `workers` in filling `0..keys`; at most `in_flight` writes are
    /// open at any time. Each key may fail as often as there are keys, and then some, before
    /// the fill gives up: a server that refuses every write must not be asked for ever.
    #[must_use]
    pub fn new(
        first: u64,
        keys: u64,
        worker: u64,
        workers: u64,
        ttl: Ttl,
        seed: u64,
        in_flight: usize,
    ) -> Self {
        Self {
            next: first + worker,
            end: keys,
            step: workers,
            ttl,
            random: Xoshiro256PlusPlus::seed_from_u64(seed ^ worker),
            again: Vec::with_capacity(in_flight),
            retries_left: keys / workers.max(1) / 10 + 10_000,
        }
    }

    #[inline]
    pub(super) fn draw(&mut self) -> Option<Op> {
        let key = if let Some(key) = self.again.pop() {
            key
        } else if self.next < self.end {
            let key = KeyId(self.next);
            self.next += self.step;
            key
        } else {
            return None;
        };
        let ttl_s = self.ttl.draw(&mut self.random);
        Some(Op { command: CommandId(0), nonce: key.0 as u16, key, ttl_s })
    }

    pub(super) const fn is_exhausted(&self) -> bool {
        self.again.is_empty() && self.next >= self.end
    }

    pub(super) fn give_back(&mut self, key: KeyId) {
        if self.retries_left > 0 && self.again.len() < self.again.capacity() {
            self.retries_left -= 1;
            self.again.push(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_together_write_each_key_once() {
        let mut seen = vec![0; 103];
        for worker in 0..4 {
            let mut fill = Fill::new(0, 103, worker, 4, Ttl::NONE, 1, 8);
            while let Some(op) = fill.draw() {
                seen[op.key.0 as usize] += 1;
            }
            assert!(fill.is_exhausted());
        }
        assert!(seen.iter().all(|&count| count == 1));
    }

    #[test]
    fn what_was_lost_comes_again() {
        let mut fill = Fill::new(0, 1, 0, 1, Ttl::NONE, 1, 8);
        assert_eq!(fill.draw().map(|op| op.key), Some(KeyId(0)));
        fill.give_back(KeyId(0));
        assert!(!fill.is_exhausted());
        assert_eq!(fill.draw().map(|op| op.key), Some(KeyId(0)));
        assert_eq!(fill.draw(), None);
    }
}
