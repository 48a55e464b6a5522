//! Which command: drawn by weight; and which writes carry a time to live.

use rand::{Rng, RngExt};

use stallion_resp::command::Command;
use stallion_resp::limits::MAX_COMMANDS;
use stallion_resp::units::CommandId;

/// The commands' weights, and what a draw needs to know of each of them.
#[derive(Debug, Clone)]
pub struct Mix {
    /// Draws below a command's threshold, and not below the one before it, mean that command.
    below: Box<[u32]>,
    /// By command: its traits.
    traits: [Traits; MAX_COMMANDS],
    ttl: Ttl,
}

/// What a draw needs to know of a command.
#[derive(Debug, Clone, Copy, Default)]
struct Traits {
    expires: bool,
    varied: bool,
    /// Keys that it names besides its own.
    others: u16,
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
    /// Commands by their weights, of which at least one is positive; the place of each is its id.
    #[must_use]
    pub fn new(commands: &[Command], ttl: Ttl) -> Self {
        let total: u64 = commands.iter().map(|command| u64::from(command.weight)).sum();
        let mut sum = 0;
        let mut traits = [Traits::default(); MAX_COMMANDS];
        let mut below = Vec::new();
        for (command, traits) in commands.iter().zip(&mut traits) {
            sum += u64::from(command.weight);
            let threshold = (u128::from(sum) << 32) / u128::from(total.max(1));
            below.push(u32::try_from(threshold).unwrap_or(u32::MAX));
            *traits = Traits {
                expires: command.expires && ttl.fraction > 0.0,
                varied: command.is_varied(),
                others: (command.keys() - 1) as u16,
            };
        }
        // The last one takes what rounding left over, unless it is not wanted.
        let last = commands.iter().rposition(|command| command.weight > 0).unwrap_or(0);
        below.truncate(last + 1);
        Self { below: below.into(), traits, ttl }
    }

    /// The next command.
    #[inline]
    pub fn draw(&self, random: &mut impl Rng) -> CommandId {
        // A mix of one command costs no random number.
        let Some((_, thresholds)) = self.below.split_last().filter(|(_, rest)| !rest.is_empty())
        else {
            return CommandId(0);
        };
        let drawn = (random.next_u64() >> 32) as u32;
        let place = thresholds.iter().take_while(|below| drawn >= **below).count();
        CommandId(place as u8)
    }

    /// The time to live of a request of this command in seconds; 0 for none.
    #[inline]
    pub fn draw_ttl(&self, command: CommandId, random: &mut impl Rng) -> u32 {
        if self.traits[command.index()].expires { self.ttl.draw(random) } else { 0 }
    }

    /// What a request of this command draws its other parts by.
    #[inline]
    pub(super) fn draw_nonce(&self, command: CommandId, random: &mut impl Rng) -> u16 {
        if self.traits[command.index()].varied { random.next_u64() as u16 } else { 0 }
    }

    /// Keys that a request of this command names besides its own.
    #[inline]
    pub(super) const fn others(&self, command: CommandId) -> u64 {
        self.traits[command.index()].others as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    fn counts(weights: &[u32]) -> Vec<u32> {
        let commands: Vec<Command> = weights.iter().map(|weight| Command::get(*weight)).collect();
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let mix = Mix::new(&commands, Ttl::NONE);
        let mut counts = vec![0; weights.len()];
        for _ in 0..100_000 {
            counts[mix.draw(&mut random).index()] += 1;
        }
        counts
    }

    #[test]
    fn weights_are_kept() {
        assert_eq!(counts(&[1]), [100_000]);
        assert_eq!(counts(&[0, 1]), [0, 100_000]);
        assert_eq!(counts(&[1, 0]), [100_000, 0]);
        // Five standard deviations of a binomial with p = 0.9.
        assert!(counts(&[9, 1])[0].abs_diff(90_000) < 475);
        let drawn = counts(&[80, 15, 0, 5]);
        let expected = [80_000.0, 15_000.0, 0.0, 5_000.0];
        let chi: f64 = drawn
            .iter()
            .zip(expected)
            .filter(|(_, wanted)| *wanted > 0.0)
            .map(|(&n, wanted)| (f64::from(n) - wanted).powi(2) / wanted)
            .sum();
        // 2 degrees of freedom: 0.9999 quantile is 18.4.
        assert!(chi < 18.4 && drawn[2] == 0, "{drawn:?}: chi-square {chi}");
    }

    #[test]
    fn times_to_live_stay_in_range() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let ttl = Ttl { fraction: 0.5, min_s: 10, max_s: 20 };
        let mix = Mix::new(&[Command::set(1), Command::get(1)], ttl);
        let set = CommandId(0);
        let drawn: Vec<u32> = (0..10_000).map(|_| mix.draw_ttl(set, &mut random)).collect();
        let expiring = drawn.iter().filter(|&&ttl| ttl > 0).count();
        assert!(expiring.abs_diff(5_000) < 250);
        assert!(drawn.iter().all(|&ttl| ttl == 0 || (10..=20).contains(&ttl)));
        assert_eq!(mix.draw_ttl(CommandId(1), &mut random), 0, "a read does not expire");
    }
}
