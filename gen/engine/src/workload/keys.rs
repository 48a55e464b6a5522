//! Which key: uniform, zipfian, a hot spot, gaussian or sequential.

mod zipf;

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

pub use zipf::Zipf;

use stallion_resp::units::KeyId;

/// A distribution by which keys are drawn from `0..keys`.
#[derive(Debug, Clone)]
pub enum Keys {
    /// Each key alike.
    Uniform {
        /// How many keys there are.
        keys: u64,
    },
    /// Key number k with probability proportional to 1 / (k + 1)^s: key 0 is the hottest.
    Zipfian(Box<Zipf>),
    /// The first `hot` keys get a share of the requests, the others the rest; alike within each.
    HotSpot {
        /// How many keys there are.
        keys: u64,
        /// How many of them are hot; at least 1, fewer than all.
        hot: u64,
        /// Draws below this threshold (of 2^64) are of the hot ones.
        hot_below: u64,
    },
    /// Around the middle key, by the normal distribution; what falls outside is drawn again.
    Gaussian {
        /// How many keys there are.
        keys: u64,
        /// Standard deviation in keys.
        deviation: f64,
    },
    /// One after the other, from `next`, in steps of `step`, around the end.
    Sequential {
        /// How many keys there are.
        keys: u64,
        /// The key that comes next.
        next: u64,
        /// Distance to the one after (the number of workers: each has its own residue).
        step: u64,
    },
}

impl Keys {
    /// The next key. What follows it in order is passed over as far as `others` more go with it.
    #[inline(always)]
    pub fn draw(&mut self, others: u64, random: &mut impl Rng) -> KeyId {
        match self {
            Self::Sequential { keys, next, step } => {
                let key = *next;
                for _ in 0..=others {
                    *next = if *next + *step < *keys { *next + *step } else { *next % *step };
                }
                KeyId(key)
            }
            distribution => distribution.other(KeyId(0), random),
        }
    }

    /// A key that goes with another one in the same request: drawn from the same distribution, or the next in
    /// order.
    #[inline(always)]
    pub(super) fn other(&self, before: KeyId, random: &mut impl Rng) -> KeyId {
        match self {
            Self::Uniform { keys } => KeyId(below(*keys, random)),
            Self::HotSpot { keys, hot, hot_below } => {
                if random.next_u64() < *hot_below {
                    KeyId(below(*hot, random))
                } else {
                    KeyId(*hot + below(*keys - *hot, random))
                }
            }
            Self::Gaussian { keys, deviation } => {
                let middle = *keys as f64 / 2.0;
                loop {
                    let drawn: f64 = StandardNormal.sample(random);
                    let key = (middle + drawn * *deviation).floor();
                    if key >= 0.0 && key < *keys as f64 {
                        return KeyId(key as u64);
                    }
                }
            }
            Self::Zipfian(zipf) => zipf.draw(random),
            Self::Sequential { keys, step, .. } => {
                let next = before.0 + *step;
                KeyId(if next < *keys { next } else { before.0 % *step })
            }
        }
    }
}

impl Keys {
    /// `hot_keys` and `hot_requests` are shares, above 0 and below 1. At least one key is hot, and
    /// one is not; of a single key nothing can be hotter than the rest.
    #[must_use]
    pub fn hot_spot(keys: u64, hot_keys: f64, hot_requests: f64) -> Self {
        if keys < 2 {
            return Self::Uniform { keys };
        }
        let hot = ((keys as f64 * hot_keys).round() as u64).clamp(1, keys - 1);
        Self::HotSpot { keys, hot, hot_below: (hot_requests * 2_f64.powi(64)) as u64 }
    }
}

/// A number below `bound`, by Lemire's multiplication without its rejection: off by less than
/// `bound` / 2^64.
#[inline]
fn below(bound: u64, random: &mut impl Rng) -> u64 {
    ((u128::from(random.next_u64()) * u128::from(bound)) >> 64) as u64
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
            counts[keys.draw(0, &mut random).0 as usize] += 1;
        }
        let chi: f64 = counts.iter().map(|&n| (n as f64 - 1e4).powi(2) / 1e4).sum();
        // 99 degrees of freedom: 0.9999 quantile is 161.
        assert!(chi < 161.0, "chi-square {chi}");
    }

    #[test]
    fn a_hot_spot_gets_its_share_evenly() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(6);
        let mut keys = Keys::hot_spot(1_000, 0.1, 0.9);
        let mut counts = [0_u64; 1_000];
        for _ in 0..1_000_000 {
            counts[keys.draw(0, &mut random).0 as usize] += 1;
        }
        let hot: u64 = counts[..100].iter().sum();
        // Five standard deviations of a binomial with p = 0.9.
        assert!(hot.abs_diff(900_000) < 1_500, "{hot}");
        let chi = |counts: &[u64], each: f64| -> f64 {
            counts.iter().map(|&n| (n as f64 - each).powi(2) / each).sum()
        };
        // 99 and 899 degrees of freedom: the 0.9999 quantiles are 161 and 1 063.
        let (in_spot, outside) = (hot as f64 / 100.0, (1_000_000 - hot) as f64 / 900.0);
        assert!(chi(&counts[..100], in_spot) < 161.0 && chi(&counts[100..], outside) < 1_063.0);
    }

    #[test]
    fn one_key_has_no_hotter_neighbour() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(6);
        assert_eq!(Keys::hot_spot(1, 0.1, 0.9).draw(0, &mut random), KeyId(0));
        assert!((0..100).all(|_| Keys::hot_spot(2, 0.9, 0.5).draw(0, &mut random).0 < 2));
    }

    /// Kolmogorov and Smirnov's distance between the drawn keys and the normal distribution cut at both ends.
    #[test]
    fn gaussian_keys_follow_the_normal_distribution() {
        let (keys, deviation, draws) = (1_000_000_u64, 100_000.0, 200_000);
        let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
        let mut distribution = Keys::Gaussian { keys, deviation };
        let mut drawn: Vec<u64> = (0..draws).map(|_| distribution.draw(0, &mut random).0).collect();
        drawn.sort_unstable();
        assert!(drawn.last().is_some_and(|last| *last < keys));
        let distance = drawn.iter().enumerate().map(|(rank, key)| {
            let z = (*key as f64 + 0.5 - keys as f64 / 2.0) / deviation;
            (normal(z) - rank as f64 / f64::from(draws)).abs()
        });
        let distance = distance.fold(0.0, f64::max);
        // The critical distance at 0.0001 is 2.23 / sqrt(n).
        assert!(distance < 2.23 / f64::from(draws).sqrt(), "{distance}");
    }

    /// The standard normal distribution function, by Simpson's rule from the mean.
    fn normal(z: f64) -> f64 {
        let steps = 200;
        let width = z / f64::from(steps);
        let density = |x: f64| (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let area: f64 = (0..steps)
            .map(|step| {
                let from = width * f64::from(step);
                let middle = density(from + width / 2.0);
                (density(from) + 4.0 * middle + density(from + width)) * width / 6.0
            })
            .sum();
        0.5 + area
    }

    #[test]
    fn two_sequential_workers_visit_each_key_once_a_round() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(5);
        let mut seen = [0; 7];
        for worker in 0..2 {
            let mut keys = Keys::Sequential { keys: 7, next: worker, step: 2 };
            for _ in 0..if worker == 0 { 4 } else { 3 } {
                seen[keys.draw(0, &mut random).0 as usize] += 1;
            }
            assert_eq!(keys.draw(0, &mut random).0, worker, "the round begins again");
        }
        assert_eq!(seen, [1; 7]);
    }
}
