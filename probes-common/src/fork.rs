//! The parent inside fork.

use crate::span::Span;

/// One fork, as long as the parent was inside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Fork {
    /// Head; [`crate::Kind::Fork`].
    pub span: Span,
    /// The child as the host's first pid namespace numbers it; 0 when the fork failed or the
    /// kernel offers no type information.
    pub child: u32,
    /// Size of nothing; keeps the struct free of padding.
    pub reserved: u32,
}

const _: () = assert!(size_of::<Fork>() == 48);
