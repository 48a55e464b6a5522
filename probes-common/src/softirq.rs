//! Softirqs that ran on the main thread's core, on its time.

use crate::span::Span;

/// How many softirqs the kernel has, rounded up.
pub const VECTORS: usize = 16;

/// One long softirq, or a window of short ones of one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Softirq {
    /// Head; [`crate::Kind::Softirq`].
    pub span: Span,
    /// Number of the softirq: 1 timer, 3 network receive, 7 scheduler, 9 RCU.
    pub vector: u64,
}

const _: () = assert!(size_of::<Softirq>() == 48);
