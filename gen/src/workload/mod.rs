//! WHAT to send and WHEN: keys, values, commands, arrivals. Filling is one more workload.

pub mod sizes;

pub mod values;

pub mod keys;

pub mod command;

pub mod mix;

pub mod arrivals;

mod fill;

pub mod replay;

use rand::SeedableRng;
use rand_xoshiro::{SplitMix64, Xoshiro256PlusPlus};

pub use fill::Fill;

use crate::units::{CommandId, KeyId};

use keys::Keys;
use mix::Mix;
use replay::Replay;

/// One operation, before it has a connection. Its bytes are a function of it but for the time to
/// live, so that a flight, which keeps the rest, can be sent again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Op {
    /// The command.
    pub command: CommandId,
    /// Decides all of a request that is neither its command nor its key.
    pub nonce: u16,
    /// The key.
    pub key: KeyId,
    /// Time to live of a write in seconds; 0 for none.
    pub ttl_s: u32,
}

/// A source of operations.
#[derive(Debug, Clone)]
pub enum Workload {
    /// Commands and keys by their laws, without end.
    Traffic(Traffic),
    /// Each key once.
    Fill(Fill),
    /// What was recorded, once.
    Replay(Replay),
}

/// Operations drawn by law.
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
    /// The traffic of one shard. All its connections draw from this one source: rivals whose
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

/// The laws of the traffic that an operation was drawn from, where there are any: by them the rest
/// of it is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Law<'a>(Option<&'a Traffic>);

impl<'a> Law<'a> {
    /// What a request of `op` holds besides its key.
    #[inline]
    #[must_use]
    pub fn rest(self, op: Op) -> Rest<'a> {
        Rest::of(op, self.0)
    }
}

/// What a request holds besides its own key: the same for the same operation.
#[derive(Debug)]
pub struct Rest<'a> {
    traffic: Option<&'a Traffic>,
    random: SplitMix64,
}

impl<'a> Rest<'a> {
    fn of(op: Op, traffic: Option<&'a Traffic>) -> Self {
        // Consecutive keys and nonces are far apart after one step of this generator.
        let seed = op.key.0 << 16 | u64::from(op.nonce);
        Self { traffic, random: SplitMix64::seed_from_u64(seed) }
    }

    /// Another key that goes with the one named last; that one itself where there is no law.
    pub fn key(&mut self, before: KeyId) -> KeyId {
        self.traffic.map_or(before, |traffic| traffic.keys.other(before, &mut self.random))
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        rand::RngExt::random_range(&mut self.random, 0..bound)
    }

    /// The next command of a transaction, and the generator of its own rest.
    pub fn command(&mut self, before: Option<KeyId>, first: KeyId) -> (Op, Self) {
        let one_key = |traffic: &Traffic| traffic.transaction.is_some_and(|one| one.one_key);
        let key = match before {
            Some(before) if !self.traffic.is_some_and(one_key) => self.key(before),
            _ => first,
        };
        let Some(traffic) = self.traffic else {
            let op = Op { key, ..Op::default() };
            return (op, Self::of(op, None));
        };
        let command = traffic.mix.draw(&mut self.random);
        let ttl_s = traffic.mix.draw_ttl(command, &mut self.random);
        let op = Op { command, nonce: self.below(1 << 16) as u16, key, ttl_s };
        (op, Self::of(op, Some(traffic)))
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
    pub fn draw_many(&mut self, wanted: usize, mut take: impl FnMut(Op, Law<'_>)) -> usize {
        match self {
            Self::Traffic(traffic) => {
                // The generator's state stays in registers: by way of memory each draw waits for
                // the one before to be stored.
                let mut random = traffic.random.clone();
                for _ in 0..wanted {
                    let op = traffic.draw(&mut random);
                    take(op, Law(Some(traffic)));
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
    pub const fn law(&self) -> Law<'_> {
        match self {
            Self::Traffic(traffic) => Law(Some(traffic)),
            Self::Fill(_) | Self::Replay(_) => Law(None),
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
    mut take: impl FnMut(Op, Law<'_>),
) -> usize {
    let mut taken = 0;
    while taken < wanted
        && let Some(op) = draw()
    {
        take(op, Law(None));
        taken += 1;
    }
    taken
}
