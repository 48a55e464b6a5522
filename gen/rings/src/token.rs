//! What a kernel completion is about, packed into the 64 bits that io_uring carries for us.

use stallion_engine::units::ConnId;

/// What was asked of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Purpose {
    /// Opening the connection.
    Connect = 1,
    /// Receiving, until further notice.
    Receive = 2,
    /// Sending one half of the outgoing buffer.
    Send = 3,
    /// Waiting for a client to connect.
    Accept = 4,
}

/// Connection, its generation, and the purpose: 32, 24 and 8 bits.
///
/// The generation tells the completions of a closed connection from those of its successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    /// Which connection.
    pub(crate) connection: ConnId,
    /// How often it had been opened, modulo 2^24.
    pub(crate) generation: u32,
    /// What was asked.
    pub(crate) purpose: Purpose,
}

/// Bits of a generation.
const GENERATION_BITS: u32 = 24;

impl Token {
    /// The generation after `generation`.
    #[must_use]
    pub(crate) const fn next_generation(generation: u32) -> u32 {
        (generation + 1) & ((1 << GENERATION_BITS) - 1)
    }

    /// As io_uring's `user_data`.
    #[must_use]
    #[inline]
    pub(crate) const fn pack(self) -> u64 {
        (self.connection.0 as u64) << 32 | (self.generation as u64) << 8 | self.purpose as u64
    }

    /// From `user_data`; none when it was not packed here.
    #[must_use]
    #[inline]
    pub(crate) const fn unpack(bits: u64) -> Option<Self> {
        let purpose = match bits as u8 {
            1 => Purpose::Connect,
            2 => Purpose::Receive,
            3 => Purpose::Send,
            4 => Purpose::Accept,
            _ => return None,
        };
        let generation = (bits >> 8) as u32 & ((1 << GENERATION_BITS) - 1);
        Some(Self { connection: ConnId((bits >> 32) as u32), generation, purpose })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;

    proptest! {
        #[test]
        fn tokens_survive(connection: u32, generation in 0_u32..1 << 24, purpose in 1_u8..5) {
            let purpose = match purpose {
                1 => Purpose::Connect,
                2 => Purpose::Receive,
                3 => Purpose::Send,
                _ => Purpose::Accept,
            };
            let token = Token { connection: ConnId(connection), generation, purpose };
            assert_eq!(Token::unpack(token.pack()), Some(token));
        }
    }

    #[test]
    fn foreign_bits_are_refused_and_generations_wrap() {
        assert_eq!(Token::unpack(0), None);
        assert_eq!(Token::next_generation((1 << 24) - 1), 0);
    }
}
