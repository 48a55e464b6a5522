//! Memory for what connections send, the same in every ring: two halves for each, of which one is
//! written while the other is sent.

use stallion_engine::ring::HALVES;
use stallion_engine::units::ConnId;

/// The halves of all connections of a ring.
#[derive(Debug)]
pub(super) struct Outgoing {
    memory: Box<[u8]>,
    half_bytes: usize,
}

impl Outgoing {
    pub(super) fn new(connections: usize, half_bytes: usize) -> Self {
        Self { memory: vec![0; connections * HALVES * half_bytes].into(), half_bytes }
    }

    /// Where a half begins in [`Outgoing::memory`].
    #[inline]
    pub(super) const fn start(&self, connection: ConnId, half: usize) -> usize {
        (connection.index() * HALVES + half) * self.half_bytes
    }

    /// One half, to be written.
    #[inline]
    pub(super) fn half(&mut self, connection: ConnId, half: usize) -> &mut [u8] {
        let start = self.start(connection, half);
        &mut self.memory[start..start + self.half_bytes]
    }

    /// All of it, one half after the other.
    #[inline]
    pub(super) const fn memory(&self) -> &[u8] {
        &self.memory
    }
}
