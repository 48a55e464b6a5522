//! What goes wrong on the sockets of the server.

use crate::span::Span;

/// What happened to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum NetworkKind {
    /// The server sent a segment again.
    Retransmit = 0,
    /// The peer reset the connection.
    ResetReceived = 1,
    /// The server's side reset it.
    ResetSent = 2,
}

/// How many kinds there are.
pub const NETWORK_KINDS: usize = 3;

/// At most one event of a kind in this time; the others of it are counted in the next.
pub const QUIET_NS: u64 = 1_000_000;

impl NetworkKind {
    /// The kind with this number.
    #[must_use]
    pub const fn from_u32(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Retransmit,
            1 => Self::ResetReceived,
            2 => Self::ResetSent,
            _ => return None,
        })
    }
}

/// Something happened `span.count` times. It has no length: it harms one connection, and the main
/// thread goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Network {
    /// Head; [`crate::Kind::Network`].
    pub span: Span,
    /// A [`NetworkKind`].
    pub kind: u32,
    /// The server's port.
    pub local_port: u16,
    /// The peer's port, in network byte order as the kernel keeps it.
    pub peer_port_be: u16,
    /// The peer's address: IPv4 in the first four bytes, or IPv6.
    pub peer: [u8; 16],
    /// 2 for IPv4, 10 for IPv6.
    pub family: u32,
    /// Size of nothing; keeps the struct free of padding.
    pub reserved: u32,
}

const _: () = assert!(size_of::<Network>() == 72);

/// Keeps a storm of one kind to one event for each [`QUIET_NS`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Limiter {
    /// When the last event was handed over.
    last_ns: u64,
    /// First one that was not.
    first_ns: u64,
    /// How many were not.
    held: u64,
}

impl Limiter {
    /// Counts one. Returns how many are to be told now, and since when; none when it is too soon.
    #[inline(always)]
    pub fn count(&mut self, now_ns: u64) -> Option<(u64, u64)> {
        if self.held == 0 {
            self.first_ns = now_ns;
        }
        self.held += 1;
        if now_ns.saturating_sub(self.last_ns) < QUIET_NS {
            return None;
        }
        let told = (self.first_ns, self.held);
        self.last_ns = now_ns;
        self.held = 0;
        Some(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_told_once_a_millisecond_and_completely() {
        let mut limiter = Limiter::default();
        assert_eq!(limiter.count(QUIET_NS), Some((QUIET_NS, 1)), "the first at once");
        for step in 1..10 {
            assert_eq!(limiter.count(QUIET_NS + step * 100_000), None);
        }
        assert_eq!(limiter.count(QUIET_NS * 2), Some((QUIET_NS + 100_000, 10)));
        for number in 0..10 {
            if let Some(kind) = NetworkKind::from_u32(number) {
                assert_eq!(kind as u32, number);
            }
        }
    }
}
