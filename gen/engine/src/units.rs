//! The engine's quantities. No bare integer crosses a module's border.

use std::ops::Add;

/// A time on CLOCK_MONOTONIC (or on a simulated clock) in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanos(pub u64);

impl Nanos {
    /// A time that never comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// Nanoseconds since `earlier`; zero when `earlier` is later.
    #[must_use]
    #[inline]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<u64> for Nanos {
    type Output = Self;

    #[inline]
    fn add(self, duration_ns: u64) -> Self {
        Self(self.0.saturating_add(duration_ns))
    }
}

/// A connection of one worker, counted from 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u32);

impl ConnId {
    /// As an index into the worker's connections.
    #[must_use]
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A node of a cluster: its place in a list of nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u16);

impl NodeId {
    /// As an index into the list.
    #[must_use]
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}
