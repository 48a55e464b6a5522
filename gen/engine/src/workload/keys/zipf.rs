//! Zipf's law at table speed, the same for ten thousand keys and for a billion.
//!
//! `rand_distr::Zipf` takes 50 ns a draw here, which would be most of an operation at pipeline 64.
//! Here one look-up in an alias table (Walker 1977, built by Vose's method) names a rank of the
//! head, or a stretch of the tail; stretches are a sixteenth of a power of two wide, and within one
//! a rank is drawn evenly and kept by its own probability over that of the stretch's first rank,
//! which is 0.94 or more at s = 1. The law is exact but for the rounding of the table's weights.
//! Tests hold it to `rand_distr::Zipf` and to the law itself.

use rand::{Rng, RngExt};

use stallion_resp::units::KeyId;

/// Ranks with a column of their own: 64 KiB of table, which stays in the second-level cache.
/// With 65 536 a draw took 16 ns instead of 8.
const HEAD: u64 = 8_192;

/// Stretches in each power of two of the tail.
const STRETCHES: u64 = 16;

/// Draws `k` of `0..keys` with probability proportional to `1 / (k + 1)^s`.
#[derive(Debug, Clone)]
pub struct Zipf {
    columns: Alias,
    head: u32,
    tail: Box<[Stretch]>,
    s: f64,
}

impl Zipf {
    /// The law over `keys` keys with exponent `s`. Takes less than a millisecond and 100 KiB.
    #[must_use]
    pub fn new(keys: u64, s: f64) -> Self {
        let head = keys.min(HEAD);
        let mut weights: Vec<f64> = (1..=head).map(|rank| (rank as f64).powf(-s)).collect();
        let mut tail = Vec::new();
        let (mut first, mut width) = (HEAD + 1, HEAD / STRETCHES);
        while first <= keys {
            let last = keys.min(first + width - 1);
            weights.push(mass(first, last, s));
            tail.push(Stretch::new(first, last, s));
            first = last + 1;
            if first > (width * STRETCHES) * 2 {
                width *= 2;
            }
        }
        Self { columns: Alias::new(&weights), head: head as u32, tail: tail.into(), s }
    }

    /// The next key; 0 is the hottest.
    #[inline]
    pub fn draw(&self, random: &mut impl Rng) -> KeyId {
        let column = self.columns.draw(random);
        match self.tail.get(column.wrapping_sub(self.head) as usize) {
            Some(stretch) => KeyId(stretch.draw(self.s, random) - 1),
            None => KeyId(u64::from(column)),
        }
    }
}

/// Neighbouring ranks of the tail.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    first: u64,
    count: u64,
    /// The probability of the last rank over that of the first: who draws less than that needs
    /// no power to be sure.
    surely: f64,
}

impl Stretch {
    fn new(first: u64, last: u64, s: f64) -> Self {
        Self { first, count: last - first + 1, surely: (first as f64 / last as f64).powf(s) }
    }

    #[inline]
    fn draw(&self, s: f64, random: &mut impl Rng) -> u64 {
        loop {
            let offset = (u128::from(random.next_u64()) * u128::from(self.count)) >> 64;
            let rank = self.first + offset as u64;
            let chance: f64 = random.random();
            if chance < self.surely || chance < (self.first as f64 / rank as f64).powf(s) {
                return rank;
            }
        }
    }
}

/// The sum of `rank^-s` for `first..=last`, by Euler and Maclaurin's formula. The next term is
/// s (s + 1) (s + 2) / 720 rank^(-s - 3): nothing past rank 8 192.
fn mass(first: u64, last: u64, s: f64) -> f64 {
    let (from, to) = (first as f64, last as f64);
    let ends = (from.powf(-s) + to.powf(-s)) / 2.0;
    let slope = s * (from.powf(-s - 1.0) - to.powf(-s - 1.0)) / 12.0;
    // The integral by its mean over the stretch: differences of large areas would lose digits.
    let area = from.powf(-s) * from * integral(to / from, s);
    area + ends + slope
}

/// The integral of `x^-s` from 1 to `x`.
fn integral(x: f64, s: f64) -> f64 {
    let log = x.ln();
    log * exp_minus_1_over((1.0 - s) * log)
}

/// `(e^x - 1) / x`, also near zero, so that s = 1 needs no case of its own.
fn exp_minus_1_over(x: f64) -> f64 {
    if x.abs() > 1e-8 { x.exp_m1() / x } else { 1.0 + x / 2.0 }
}

/// Walker's alias table: one random word, one look-up.
#[derive(Debug, Clone)]
struct Alias {
    /// For each column the threshold in 2^-32 below which the column itself is meant, and the
    /// alias that is meant otherwise.
    columns: Box<[(u32, u32)]>,
}

impl Alias {
    fn new(weights: &[f64]) -> Self {
        let total: f64 = weights.iter().sum();
        let scale = weights.len() as f64 / total;
        let mut scaled: Vec<f64> = weights.iter().map(|weight| weight * scale).collect();
        let mut columns = vec![(u32::MAX, 0_u32); weights.len()];
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..weights.len()).partition(|&column| scaled[column] < 1.0);
        while let (Some(&under), Some(&over)) = (small.last(), large.last()) {
            small.pop();
            columns[under] = ((scaled[under] * 4_294_967_296.0) as u32, over as u32);
            scaled[over] -= 1.0 - scaled[under];
            if scaled[over] < 1.0 {
                large.pop();
                small.push(over);
            }
        }
        for column in small.into_iter().chain(large) {
            columns[column] = (u32::MAX, column as u32);
        }
        Self { columns: columns.into() }
    }

    #[inline]
    fn draw(&self, random: &mut impl Rng) -> u32 {
        let word = random.next_u64();
        let column = ((word >> 32) * self.columns.len() as u64) >> 32;
        let (threshold, alias) = self.columns[column as usize];
        if (word as u32) < threshold { column as u32 } else { alias }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_distr::Distribution;
    use rand_xoshiro::Xoshiro256PlusPlus;

    /// The sum of `rank^-s` for `first..=last`: the first million terms, then the formula.
    fn exact_mass(first: u64, last: u64, s: f64) -> f64 {
        let exact_to = last.min(first + 1_000_000);
        let exact: f64 = (first..=exact_to).map(|rank| (rank as f64).powf(-s)).sum();
        if exact_to == last { exact } else { exact + mass(exact_to + 1, last, s) }
    }

    #[test]
    fn the_mass_of_a_stretch_is_its_sum() {
        for s in [0.5, 0.99, 1.0, 1.2, 2.0] {
            for (first, last) in [(HEAD + 1, HEAD + 1), (HEAD + 1, 70_000), (500_000, 1_400_000)] {
                let exact = exact_mass(first, last, s);
                assert!(
                    (mass(first, last, s) / exact - 1.0).abs() < 1e-9,
                    "{first}..={last}, s {s}"
                );
            }
        }
    }

    #[test]
    fn stretches_follow_each_other_without_a_gap() {
        let zipf = Zipf::new(1_000_000_000_000, 1.0);
        let mut next = HEAD + 1;
        for stretch in &zipf.tail {
            assert_eq!(stretch.first, next);
            assert!(stretch.surely > 0.9, "{stretch:?}");
            next += stretch.count;
        }
        assert_eq!(next, 1_000_000_000_001);
        assert!(zipf.tail.len() < 500);
    }

    /// Bins of equal width in the logarithm of the rank.
    fn bin(rank: u64) -> usize {
        ((rank as f64).log2() * 2.0) as usize
    }

    fn chi_square_against_law(keys: u64, s: f64, draws: u64, next: &mut dyn FnMut() -> u64) -> f64 {
        let bins = bin(keys) + 1;
        let mut expected = vec![0.0; bins];
        let total = exact_mass(1, keys, s);
        let edge = |index: usize| (index as f64 / 2.0).exp2().ceil() as u64;
        for (index, cell) in expected.iter_mut().enumerate() {
            let (from, to) = (edge(index), edge(index + 1).min(keys + 1));
            if from < to {
                *cell = exact_mass(from, to - 1, s) / total * draws as f64;
            }
        }
        let mut counts = vec![0_u64; bins];
        for _ in 0..draws {
            counts[bin(next())] += 1;
        }
        let cells = counts.iter().zip(&expected).filter(|(_, expected)| **expected > 5.0);
        let degrees = cells.clone().count() as f64 - 1.0;
        let chi: f64 = cells.map(|(&n, &e)| (n as f64 - e).powi(2) / e).sum();
        (chi - degrees) / (2.0 * degrees).sqrt()
    }

    #[test]
    fn tables_and_rand_distr_both_follow_the_law() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(11);
        for (keys, s) in [
            (50, 1.2),
            (9_000, 0.5),
            (50_000, 0.99),
            (3_000_000, 0.99),
            (3_000_000, 1.0),
            (3_000_000, 2.0),
        ] {
            let ours = Zipf::new(keys, s);
            let deviation =
                chi_square_against_law(keys, s, 400_000, &mut || ours.draw(&mut random).0 + 1);
            assert!(deviation < 4.5, "ours, {keys} keys, s {s}: {deviation} sigma");
            let theirs = rand_distr::Zipf::new(keys as f64, s).unwrap();
            let deviation =
                chi_square_against_law(keys, s, 400_000, &mut || theirs.sample(&mut random) as u64);
            assert!(deviation < 4.5, "rand_distr, {keys} keys, s {s}: {deviation} sigma");
        }
    }

    #[test]
    fn draws_stay_within_the_keys() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(3);
        for keys in [1, 2, 8_192, 8_193, 1_000_000_000] {
            let zipf = Zipf::new(keys, 0.5);
            assert!((0..10_000).all(|_| zipf.draw(&mut random).0 < keys));
        }
    }
}
