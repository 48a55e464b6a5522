//! WHAT to send and WHEN: keys, values, commands, arrivals. Filling is one more workload.

pub mod keys;

pub mod mix;

pub mod arrivals;

mod fill;

pub mod replay;

use rand::SeedableRng;
use rand_xoshiro::{SplitMix64, Xoshiro256PlusPlus};

pub use fill::Fill;

use stallion_resp::op::{Distributions, Draw, Drawn, Op};
use stallion_resp::units::{CommandId, KeyId};

use keys::Keys;
use mix::Mix;
use replay::Replay;

/// A source of operations.
#[derive(Debug, Clone)]
pub enum Workload {
    /// Commands and keys from their distributions, without end.
    Traffic(Traffic),
    /// Each key once.
    Fill(Fill),
    /// What was recorded, once.
    Replay(Replay),
}

/// Operations drawn from distributions.
#[derive(Debug, Clone)]
pub struct Traffic {
    keys: Keys,
    mix: Mix,
    /// Every request is one.
    transaction: Option<Transaction>,
    random: Xoshiro256PlusPlus,
}

/// Commands between MULTI and EXEC.
#[derive(Debug, Clone, Copy)]
struct Transaction {
    id: CommandId,
    /// How many.
    count: u64,
    /// All of them name the first one's key.
    one_key: bool,
}

impl Traffic {
    /// The traffic of one worker. All its connections draw from this one source: rivals whose
    /// connections all play the same keys overstate throughput by 18 to 43 %.
    #[must_use]
    pub fn new(keys: Keys, mix: Mix, seed: u64) -> Self {
        let random = Xoshiro256PlusPlus::seed_from_u64(seed);
        Self { keys, mix, transaction: None, random }
    }

    /// The same traffic, `count` commands of it at a time between MULTI and EXEC, which together
    /// are the one command `id`. With `one_key` all of them are about one key: that is one slot of a
    /// cluster.
    #[must_use]
    pub fn in_transactions(self, id: CommandId, count: usize, one_key: bool) -> Self {
        let count = count as u64;
        Self { transaction: Some(Transaction { id, count, one_key }), ..self }
    }

    #[inline(always)]
    fn draw(&mut self, random: &mut Xoshiro256PlusPlus) -> Op {
        if let Some(Transaction { id: command, count, one_key }) = self.transaction {
            let key = self.keys.draw(if one_key { 0 } else { count - 1 }, random);
            let nonce = rand::Rng::next_u64(random) as u16;
            return Op { command, nonce, key, ttl_s: 0 };
        }
        let command = self.mix.draw(random);
        let key = self.keys.draw(self.mix.others(command), random);
        let nonce = self.mix.draw_nonce(command, random);
        let ttl_s = self.mix.draw_ttl(command, random);
        Op { command, nonce, key, ttl_s }
    }
}

impl Draw for Traffic {
    fn key_after(&self, before: KeyId, random: &mut SplitMix64) -> KeyId {
        self.keys.other(before, random)
    }

    fn command(&self, random: &mut SplitMix64) -> Drawn {
        let command = self.mix.draw(random);
        Drawn { command, ttl_s: self.mix.draw_ttl(command, random) }
    }

    fn has_one_key(&self) -> bool {
        self.transaction.is_some_and(|transaction| transaction.one_key)
    }
}

impl Workload {
    /// The next operation; none when there is nothing left to do.
    #[inline]
    pub fn draw(&mut self) -> Option<Op> {
        let mut drawn = None;
        self.draw_many(1, |op, _| drawn = Some(op));
        drawn
    }

    /// Draws `wanted` operations, or as many as are left, and hands each to `take`. Returns how many
    /// there were.
    #[inline]
    pub fn draw_many(
        &mut self,
        wanted: usize,
        mut take: impl FnMut(Op, Distributions<'_, Traffic>),
    ) -> usize {
        match self {
            Self::Traffic(traffic) => {
                // The generator's state stays in registers: by way of memory each draw waits for
                // the one before to be stored.
                let mut random = traffic.random.clone();
                for _ in 0..wanted {
                    let op = traffic.draw(&mut random);
                    take(op, Distributions::of(traffic));
                }
                traffic.random = random;
                wanted
            }
            Self::Fill(fill) => take_all(wanted, || fill.draw(), take),
            Self::Replay(replay) => take_all(wanted, || replay.draw(), take),
        }
    }

    /// By what the rest of its operations is drawn.
    #[inline]
    #[must_use]
    pub const fn distributions(&self) -> Distributions<'_, Traffic> {
        match self {
            Self::Traffic(traffic) => Distributions::of(traffic),
            Self::Fill(_) | Self::Replay(_) => Distributions::NONE,
        }
    }

    /// Whether it ends by itself, when all is done.
    #[must_use]
    pub const fn is_finite(&self) -> bool {
        matches!(self, Self::Fill(_) | Self::Replay(_))
    }

    /// Whether an operation is left.
    #[inline]
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        match self {
            Self::Traffic(_) => false,
            Self::Fill(fill) => fill.is_exhausted(),
            Self::Replay(replay) => replay.is_exhausted(),
        }
    }

    /// An operation failed or was lost. Traffic goes on; a fill does it again later.
    pub fn give_back(&mut self, key: KeyId) {
        if let Self::Fill(fill) = self {
            fill.give_back(key);
        }
    }
}

/// Hands what `draw` yields to `take`, at most `wanted` of it.
#[inline]
fn take_all(
    wanted: usize,
    mut draw: impl FnMut() -> Option<Op>,
    mut take: impl FnMut(Op, Distributions<'_, Traffic>),
) -> usize {
    let mut taken = 0;
    while taken < wanted
        && let Some(op) = draw()
    {
        take(op, Distributions::NONE);
        taken += 1;
    }
    taken
}
