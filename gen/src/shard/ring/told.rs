//! What a ring has to tell, before it lends out the bytes.

use std::ops::Range;

use super::{Completion, Reason};
use crate::units::ConnId;

/// A [`Completion`] whose bytes are still a range of the ring's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    Opened(ConnId),
    Received(ConnId, Range<usize>),
    Sent(ConnId),
    Closed(ConnId, Reason),
}

impl Told {
    #[inline]
    pub(super) fn with(self, memory: &[u8]) -> Completion<'_> {
        match self {
            Self::Opened(connection) => Completion::Opened(connection),
            Self::Received(connection, range) => Completion::Received(connection, &memory[range]),
            Self::Sent(connection) => Completion::Sent(connection),
            Self::Closed(connection, reason) => Completion::Closed(connection, reason),
        }
    }

    pub(super) const fn connection(&self) -> ConnId {
        match self {
            Self::Opened(connection)
            | Self::Received(connection, _)
            | Self::Sent(connection)
            | Self::Closed(connection, _) => *connection,
        }
    }
}
