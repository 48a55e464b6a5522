//! What stands beside a cached value so that a reader can judge its age: when it expires, and how
//! long it took to get. One word, where other runs write a version.

use rand::{Rng, RngExt};

use crate::units::Nanos;

/// Bits of the time that it took.
const DELTA_BITS: u32 = 22;

/// Unit of that time: the longest is 67 s.
const DELTA_UNIT_NS: u64 = 16_000;

const MS_NS: u64 = 1_000_000;

/// A value's age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// When it expires, by this host's monotonic clock.
    pub expires: Nanos,
    /// How long it took to get.
    pub delta_ns: u64,
}

impl Stamp {
    /// As one word: milliseconds of the clock, and units of the time that it took.
    #[must_use]
    pub const fn pack(self) -> u64 {
        let delta = self.delta_ns / DELTA_UNIT_NS;
        let most = (1 << DELTA_BITS) - 1;
        let delta = if delta > most { most } else { delta };
        (self.expires.0 / MS_NS) << DELTA_BITS | delta
    }

    /// Reads one; none when it cannot be one that was written with such a life before `now`: a value
    /// that somebody else wrote.
    #[must_use]
    pub const fn unpack(word: u64, now: Nanos, life_ns: u64) -> Option<Self> {
        let expires = Nanos((word >> DELTA_BITS).saturating_mul(MS_NS));
        let delta_ns = (word & ((1 << DELTA_BITS) - 1)) * DELTA_UNIT_NS;
        let far = expires.since(now) > life_ns || now.since(expires) > life_ns;
        if far { None } else { Some(Self { expires, delta_ns }) }
    }

    /// Whether a reader gets the value anew though it has not expired: the nearer the end and the
    /// longer it takes, the likelier (Vattani, Chierichetti, Lowenstein, "Optimal Probabilistic Cache
    /// Stampede Prevention", VLDB 2015: `now - delta * beta * ln(rand()) >= expiry`).
    #[must_use]
    pub fn is_early(self, now: Nanos, beta: f64, random: &mut impl Rng) -> bool {
        // In (0, 1]: its logarithm is finite.
        let drawn = 1.0 - random.random::<f64>();
        let ahead_ns = -(self.delta_ns as f64 * beta * drawn.ln());
        now.0 as f64 + ahead_ns >= self.expires.0 as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    #[test]
    fn a_stamp_comes_back_and_other_bytes_are_none() {
        let now = Nanos(5_000_000_000_000);
        let stamp = Stamp { expires: Nanos(5_010_000_000_000), delta_ns: 320_000 };
        assert_eq!(Stamp::unpack(stamp.pack(), now, 60_000_000_000), Some(stamp));
        for word in [0, u64::MAX, 0x1234_5678_9abc_def0] {
            assert_eq!(Stamp::unpack(word, now, 60_000_000_000), None, "{word:x}");
        }
    }

    /// The chance of an early read `gap` before the end is `exp(-gap / (delta * beta))`.
    #[test]
    fn early_reads_come_as_the_paper_says() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
        let stamp = Stamp { expires: Nanos(1_000_000_000), delta_ns: 10_000_000 };
        for (gap_ns, beta) in [(10_000_000, 1.0), (20_000_000, 1.0), (20_000_000, 2.0)] {
            let now = Nanos(stamp.expires.0 - gap_ns);
            let early = (0..100_000).filter(|_| stamp.is_early(now, beta, &mut random)).count();
            let wanted = (-(gap_ns as f64) / (10_000_000.0 * beta)).exp() * 1e5;
            assert!((early as f64 - wanted).abs() < 750.0, "{early} for {wanted}");
        }
    }
}
