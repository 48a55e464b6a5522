//! The end of the server's process.

use crate::scheduler::COMM_LEN;
use crate::span::Span;

/// The process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Exit {
    /// Head; [`crate::Kind::Exit`]. Start and end are when the main thread ended.
    pub span: Span,
    /// As wait(2) tells it: a signal in the low seven bits, or a status in the next byte.
    pub code: u32,
    /// Who sent the last signal that the process got; 0 when nobody did, or it is unknown.
    pub sender_tid: u32,
    /// That signal.
    pub signal: u32,
    /// Keeps the size a multiple of 8.
    pub reserved: u32,
    /// Name of the sender.
    pub sender_comm: [u8; COMM_LEN],
}

const _: () = assert!(size_of::<Exit>() == 72);

impl Exit {
    /// The signal that ended the process; 0 when it ended by itself.
    #[must_use]
    pub const fn killed_by(&self) -> u32 {
        self.code & 0x7f
    }

    /// The status that the process gave.
    #[must_use]
    pub const fn status(&self) -> u32 {
        self.code >> 8 & 0xff
    }
}
