//! Zipf's law at table speed: an alias table for the head, rejection-inversion for the tail.
//!
//! `rand_distr::Zipf` takes 50 to 70 ns a draw here, which would be half of an operation at
//! pipeline 64. The head (the first 65 536 ranks, most of the mass) is one look-up in an alias
//! table (Walker 1977, built by Vose's method); the tail is drawn by rejection-inversion
//! (W. Hörmann and G. Derflinger, "Rejection-inversion to generate variates from monotone
//! discrete distributions", ACM TOMACS 6(3), 1996), restricted to the ranks past the head.
//! Tests hold it to `rand_distr::Zipf` and to the law itself.

use rand::{Rng, RngExt};

use crate::units::KeyId;

const HEAD: u64 = 65_536;

/// Draws `k` of `0..keys` with probability proportional to `1 / (k + 1)^s`.
#[derive(Debug, Clone)]
pub struct Zipf {
    head: Alias,
    tail: Option<Tail>,
}

impl Zipf {
    /// The law over `keys` keys with exponent `s`. Takes about 3 ms and 1 MiB.
    #[must_use]
    pub fn new(keys: u64, s: f64) -> Self {
        let head_ranks = keys.min(HEAD);
        let mut weights: Vec<f64> = (1..=head_ranks).map(|rank| (rank as f64).powf(-s)).collect();
        let tail = (keys > HEAD).then(|| Tail::new(HEAD + 1, keys, s));
        if tail.is_some() {
            weights.push(tail_mass(HEAD + 1, keys, s));
        }
        Self { head: Alias::new(&weights), tail }
    }

    /// The next key; 0 is the hottest.
    #[inline]
    pub fn draw(&self, random: &mut impl Rng) -> KeyId {
        let rank = u64::from(self.head.draw(random));
        match &self.tail {
            Some(tail) if rank == HEAD => KeyId(tail.draw(random) - 1),
            _ => KeyId(rank),
        }
    }
}

/// The sum of `rank^-s` for `first..=last`: the first million terms, then Euler-Maclaurin.
fn tail_mass(first: u64, last: u64, s: f64) -> f64 {
    let exact_to = last.min(first + 1_000_000);
    let exact: f64 = (first..=exact_to).map(|rank| (rank as f64).powf(-s)).sum();
    if exact_to == last {
        return exact;
    }
    let (from, to) = (exact_to as f64, last as f64);
    let ends = (to.powf(-s) - from.powf(-s)) / 2.0;
    let slope = s * (from.powf(-s - 1.0) - to.powf(-s - 1.0)) / 12.0;
    exact + integral(to, s) - integral(from, s) + ends + slope
}

/// The integral of `x^-s` from 1 to `x`.
fn integral(x: f64, s: f64) -> f64 {
    let log = x.ln();
    log * exp_minus_1_over((1.0 - s) * log)
}

/// The inverse of [`integral`].
fn inverse_integral(area: f64, s: f64) -> f64 {
    let scaled = (area * (1.0 - s)).max(-1.0);
    (area * log_1_plus_over(scaled)).exp()
}

/// `(e^x - 1) / x`, also near zero, so that s = 1 needs no case of its own.
fn exp_minus_1_over(x: f64) -> f64 {
    if x.abs() > 1e-8 { x.exp_m1() / x } else { 1.0 + x / 2.0 }
}

/// `ln(1 + x) / x`, also near zero.
fn log_1_plus_over(x: f64) -> f64 {
    if x.abs() > 1e-8 { x.ln_1p() / x } else { 1.0 - x / 2.0 }
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

/// Rejection-inversion over the ranks `first..=last`.
#[derive(Debug, Clone)]
struct Tail {
    first: f64,
    last: f64,
    s: f64,
    area_first: f64,
    area_last: f64,
}

impl Tail {
    fn new(first: u64, last: u64, s: f64) -> Self {
        let (first, last) = (first as f64, last as f64);
        let area_first = integral(first - 0.5, s);
        Self { first, last, s, area_first, area_last: integral(last + 0.5, s) }
    }

    fn draw(&self, random: &mut impl Rng) -> u64 {
        loop {
            let area =
                self.area_first + random.random::<f64>() * (self.area_last - self.area_first);
            let rank = inverse_integral(area, self.s).round().clamp(self.first, self.last);
            // The hat over one rank is the integral over [rank - 1/2, rank + 1/2], which by
            // convexity is never below rank^-s; past rank 65 536 it is above by less than 1e-10.
            if area >= integral(rank + 0.5, self.s) - rank.powf(-self.s) {
                return rank as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_distr::Distribution;
    use rand_xoshiro::Xoshiro256PlusPlus;

    /// Bins of equal width in the logarithm of the rank.
    fn bin(rank: u64) -> usize {
        ((rank as f64).log2() * 2.0) as usize
    }

    fn chi_square_against_law(keys: u64, s: f64, draws: u64, next: &mut dyn FnMut() -> u64) -> f64 {
        let bins = bin(keys) + 1;
        let mut expected = vec![0.0; bins];
        let total = tail_mass(1, keys, s);
        let edge = |index: usize| (index as f64 / 2.0).exp2().ceil() as u64;
        for (index, cell) in expected.iter_mut().enumerate() {
            let (from, to) = (edge(index), edge(index + 1).min(keys + 1));
            if from < to {
                *cell = tail_mass(from, to - 1, s) / total * draws as f64;
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
        for (keys, s) in
            [(50, 1.2), (50_000, 0.99), (3_000_000, 0.99), (3_000_000, 1.0), (3_000_000, 1.2)]
        {
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
        for keys in [1, 2, 65_536, 65_537, 1_000_000_000] {
            let zipf = Zipf::new(keys, 0.5);
            assert!((0..10_000).all(|_| zipf.draw(&mut random).0 < keys));
        }
    }
}
