//! What a ring has to tell, before it lends out the bytes.

use std::ops::Range;

use stallion_engine::ring::{Completion, Reason};
use stallion_engine::units::ConnId;

/// A [`Completion`] whose bytes are still a range of the ring's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RawCompletion {
    Opened(ConnId),
    Received(ConnId, Range<usize>),
    /// So many bytes of the memory for stamped receives.
    Stamped(ConnId, usize),
    Sent(ConnId),
    Closed(ConnId, Reason),
}

impl RawCompletion {
    #[inline]
    pub(super) fn with<'a>(self, memory: &'a [u8], stamped: &'a [u8]) -> Completion<'a> {
        match self {
            Self::Opened(connection) => Completion::Opened(connection),
            Self::Received(connection, range) => Completion::Received(connection, &memory[range]),
            Self::Stamped(connection, length) => {
                Completion::Received(connection, &stamped[..length])
            }
            Self::Sent(connection) => Completion::Sent(connection),
            Self::Closed(connection, reason) => Completion::Closed(connection, reason),
        }
    }

    pub(super) const fn connection(&self) -> ConnId {
        match self {
            Self::Opened(connection)
            | Self::Received(connection, _)
            | Self::Stamped(connection, _)
            | Self::Sent(connection)
            | Self::Closed(connection, _) => *connection,
        }
    }
}
