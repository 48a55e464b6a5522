//! WHAT to send and WHEN: keys, values, commands, arrivals. Filling is one more workload.

pub mod values;

pub mod keys;

pub mod mix;

pub mod arrivals;

mod fill;

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

pub use fill::Fill;

use crate::units::{KeyId, OpKind};

use keys::Keys;
use mix::Mix;

/// One operation, before it has a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Op {
    /// The command.
    pub kind: OpKind,
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
}

/// Operations drawn by law.
#[derive(Debug, Clone)]
pub struct Traffic {
    keys: Keys,
    mix: Mix,
    random: Xoshiro256PlusPlus,
}

impl Traffic {
    /// The traffic of one shard. All its connections draw from this one source: rivals whose
    /// connections all play the same keys overstate throughput by 18 to 43 %.
    #[must_use]
    pub fn new(keys: Keys, mix: Mix, seed: u64) -> Self {
        Self { keys, mix, random: Xoshiro256PlusPlus::seed_from_u64(seed) }
    }

    #[inline]
    fn draw(&mut self) -> Op {
        let kind = self.mix.draw(&mut self.random);
        let key = self.keys.draw(&mut self.random);
        let ttl_s = match kind {
            OpKind::Set => self.mix.draw_ttl(&mut self.random),
            OpKind::Get => 0,
        };
        Op { kind, key, ttl_s }
    }
}

impl Workload {
    /// The next operation; none when there is nothing left to do.
    #[inline]
    pub fn draw(&mut self) -> Option<Op> {
        match self {
            Self::Traffic(traffic) => Some(traffic.draw()),
            Self::Fill(fill) => fill.draw(),
        }
    }

    /// Whether it ends by itself, when all is done.
    #[must_use]
    pub const fn is_finite(&self) -> bool {
        matches!(self, Self::Fill(_))
    }

    /// Whether an operation is left.
    #[inline]
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        match self {
            Self::Traffic(_) => false,
            Self::Fill(fill) => fill.is_exhausted(),
        }
    }

    /// An operation failed or was lost. Traffic goes on; a fill does it again later.
    pub fn give_back(&mut self, key: KeyId) {
        if let Self::Fill(fill) = self {
            fill.give_back(key);
        }
    }
}
