//! Which key: uniform, zipfian or sequential.

mod zipf;

use rand::Rng;

pub use zipf::Zipf;

use crate::units::KeyId;

/// A law by which keys are drawn from `0..keys`.
#[derive(Debug, Clone)]
pub enum Keys {
    /// Each key alike.
    Uniform {
        /// How many keys there are.
        keys: u64,
    },
    /// Key number k with probability proportional to 1 / (k + 1)^s: key 0 is the hottest.
    Zipfian(Box<Zipf>),
    /// One after the other, from `next`, in steps of `step`, around the end.
    Sequential {
        /// How many keys there are.
        keys: u64,
        /// The key that comes next.
        next: u64,
        /// Distance to the one after (the number of shards: each has its own residue).
        step: u64,
    },
}

impl Keys {
    /// The next key.
    #[inline]
    pub fn draw(&mut self, random: &mut impl Rng) -> KeyId {
        match self {
            // Lemire's multiplication without its rejection: off by less than keys / 2^64.
            Self::Uniform { keys } => {
                KeyId(((u128::from(random.next_u64()) * u128::from(*keys)) >> 64) as u64)
            }
            Self::Zipfian(zipf) => zipf.draw(random),
            Self::Sequential { keys, next, step } => {
                let key = *next;
                *next = if key + *step < *keys { key + *step } else { key % *step };
                KeyId(key)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    #[test]
    fn uniform_passes_chi_square() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(5);
        let mut keys = Keys::Uniform { keys: 100 };
        let mut counts = [0_u64; 100];
        for _ in 0..1_000_000 {
            counts[keys.draw(&mut random).0 as usize] += 1;
        }
        let chi: f64 = counts.iter().map(|&n| (n as f64 - 1e4).powi(2) / 1e4).sum();
        // 99 degrees of freedom: 0.9999 quantile is 161.
        assert!(chi < 161.0, "chi-square {chi}");
    }

    #[test]
    fn two_sequential_shards_visit_each_key_once_a_round() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(5);
        let mut seen = [0; 7];
        for shard in 0..2 {
            let mut keys = Keys::Sequential { keys: 7, next: shard, step: 2 };
            for _ in 0..if shard == 0 { 4 } else { 3 } {
                seen[keys.draw(&mut random).0 as usize] += 1;
            }
            assert_eq!(keys.draw(&mut random).0, shard, "the round begins again");
        }
        assert_eq!(seen, [1; 7]);
    }
}
