//! fsync and fdatasync of any thread of the server.

use crate::span::Span;

/// One call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Sync {
    /// Head; [`crate::Kind::Sync`].
    pub span: Span,
    /// Address of the libc function, to name it.
    pub function: u64,
    /// The file descriptor.
    pub fd: u64,
}

const _: () = assert!(size_of::<Sync>() == 56);
