//! Which command: reads and writes by ratio, and which writes carry a time to live.

use rand::{Rng, RngExt};

use crate::units::OpKind;

/// Weights of the commands.
#[derive(Debug, Clone)]
pub struct Mix {
    /// Draws below this threshold (of 2^32) are reads.
    read_below: u64,
    ttl: Ttl,
}

/// Which writes expire, and when.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Ttl {
    /// Share of the writes that get a time to live, 0 to 1.
    pub fraction: f64,
    /// Shortest time to live in seconds.
    pub min_s: u32,
    /// Longest time to live in seconds.
    pub max_s: u32,
}

impl Ttl {
    /// No write expires.
    pub const NONE: Self = Self { fraction: 0.0, min_s: 0, max_s: 0 };

    /// The time to live of one write in seconds; 0 for none.
    #[inline]
    pub fn draw(&self, random: &mut impl Rng) -> u32 {
        if self.fraction > 0.0 && random.random::<f64>() < self.fraction {
            random.random_range(self.min_s..=self.max_s)
        } else {
            0
        }
    }
}

impl Mix {
    /// Reads to writes as `reads : writes`; at least one of them is positive.
    #[must_use]
    pub fn new(reads: u32, writes: u32, ttl: Ttl) -> Self {
        let total = u64::from(reads) + u64::from(writes);
        Self { read_below: (u64::from(reads) << 32) / total.max(1), ttl }
    }

    /// The next command.
    #[inline]
    pub fn draw(&self, random: &mut impl Rng) -> OpKind {
        // A mix of one command costs no random number.
        if self.read_below == 1 << 32 {
            OpKind::Get
        } else if self.read_below == 0 || random.next_u64() >> 32 >= self.read_below {
            OpKind::Set
        } else {
            OpKind::Get
        }
    }

    /// The time to live of the next write in seconds; 0 for none.
    #[inline]
    pub fn draw_ttl(&self, random: &mut impl Rng) -> u32 {
        self.ttl.draw(random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    fn reads_of(reads: u32, writes: u32) -> u32 {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let mix = Mix::new(reads, writes, Ttl::NONE);
        (0..100_000).map(|_| u32::from(mix.draw(&mut random) == OpKind::Get)).sum()
    }

    #[test]
    fn ratios_are_kept() {
        assert_eq!(reads_of(1, 0), 100_000);
        assert_eq!(reads_of(0, 1), 0);
        // Five standard deviations of a binomial with p = 0.9.
        assert!(reads_of(9, 1).abs_diff(90_000) < 475);
    }

    #[test]
    fn times_to_live_stay_in_range() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let mix = Mix::new(0, 1, Ttl { fraction: 0.5, min_s: 10, max_s: 20 });
        let drawn: Vec<u32> = (0..10_000).map(|_| mix.draw_ttl(&mut random)).collect();
        let expiring = drawn.iter().filter(|&&ttl| ttl > 0).count();
        assert!(expiring.abs_diff(5_000) < 250);
        assert!(drawn.iter().all(|&ttl| ttl == 0 || (10..=20).contains(&ttl)));
    }
}
