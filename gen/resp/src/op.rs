//! One operation, and the distributions from which the rest of its request is drawn.

use rand::SeedableRng;
use rand_xoshiro::SplitMix64;

use crate::units::{CommandId, KeyId};

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

/// The distributions of traffic: they draw what a request holds besides its own key.
pub trait Draw {
    /// Another key that goes with the one named last.
    fn key_after(&self, before: KeyId, random: &mut SplitMix64) -> KeyId;

    /// The next command of a transaction.
    fn command(&self, random: &mut SplitMix64) -> Drawn;

    /// Whether all commands of a transaction name the first one's key.
    fn has_one_key(&self) -> bool;
}

/// A command that was drawn for a transaction.
#[derive(Debug, Clone, Copy)]
pub struct Drawn {
    /// The command.
    pub command: CommandId,
    /// Time to live of a write in seconds; 0 for none.
    pub ttl_s: u32,
}

/// The distributions that an operation was drawn from, where there are any: the rest of it is drawn
/// from the same ones.
#[derive(Debug)]
pub struct Distributions<'a, D>(Option<&'a D>);

impl<D> Clone for Distributions<'_, D> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<D> Copy for Distributions<'_, D> {}

impl<'a, D: Draw> Distributions<'a, D> {
    /// No distribution: the operation says all.
    pub const NONE: Self = Self(None);

    /// Those of `traffic`.
    #[inline]
    #[must_use]
    pub const fn of(traffic: &'a D) -> Self {
        Self(Some(traffic))
    }

    /// What a request of `op` holds besides its key.
    #[inline]
    #[must_use]
    pub fn rest(self, op: Op) -> Rest<'a, D> {
        Rest::of(op, self.0)
    }
}

/// What a request holds besides its own key: the same for the same operation.
#[derive(Debug)]
pub struct Rest<'a, D> {
    traffic: Option<&'a D>,
    random: SplitMix64,
}

impl<'a, D: Draw> Rest<'a, D> {
    #[inline]
    fn of(op: Op, traffic: Option<&'a D>) -> Self {
        // Consecutive keys and nonces are far apart after one step of this generator.
        let seed = op.key.0 << 16 | u64::from(op.nonce);
        Self { traffic, random: SplitMix64::seed_from_u64(seed) }
    }

    /// Another key that goes with the one named last; that one itself where there is no
    /// distribution.
    #[inline]
    pub fn key(&mut self, before: KeyId) -> KeyId {
        self.traffic.map_or(before, |traffic| traffic.key_after(before, &mut self.random))
    }

    /// A number below `bound`.
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        rand::RngExt::random_range(&mut self.random, 0..bound)
    }

    /// The next command of a transaction, and the generator of its own rest.
    pub fn command(&mut self, before: Option<KeyId>, first: KeyId) -> (Op, Self) {
        let key = match before {
            Some(before) if !self.traffic.is_some_and(D::has_one_key) => self.key(before),
            _ => first,
        };
        let Some(traffic) = self.traffic else {
            let op = Op { key, ..Op::default() };
            return (op, Self::of(op, None));
        };
        let Drawn { command, ttl_s } = traffic.command(&mut self.random);
        let op = Op { command, nonce: self.below(1 << 16) as u16, key, ttl_s };
        (op, Self::of(op, Some(traffic)))
    }
}
