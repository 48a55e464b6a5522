//! A thread of the server that has to find memory itself, and the end of that: the OOM killer.

use crate::span::Span;

/// What the thread was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum ReclaimKind {
    /// The host was short of memory.
    Direct = 0,
    /// Its memory cgroup was at its limit.
    Cgroup = 1,
    /// Free memory was in pieces too small.
    Compaction = 2,
    /// The kernel chose the server for its OOM killer.
    Killed = 3,
    /// The kernel chose a forked child of the server.
    ChildKilled = 4,
}

/// Kinds that take time and are summed in windows.
pub const RECLAIM_WINDOWS: usize = 3;

impl ReclaimKind {
    /// The kind with this number.
    #[must_use]
    pub const fn from_u32(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Direct,
            1 => Self::Cgroup,
            2 => Self::Compaction,
            3 => Self::Killed,
            4 => Self::ChildKilled,
            _ => return None,
        })
    }
}

/// One long reclaim, a window of short ones, or a victim of the OOM killer (no length).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Reclaim {
    /// Head; [`crate::Kind::Reclaim`].
    pub span: Span,
    /// A [`ReclaimKind`].
    pub kind: u32,
    /// Size of nothing; keeps the struct free of padding.
    pub reserved: u32,
    /// Pages of 4 KiB that were freed inside.
    pub pages: u64,
}

const _: () = assert!(size_of::<Reclaim>() == 56);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_survive_the_border() {
        for number in 0..10 {
            if let Some(kind) = ReclaimKind::from_u32(number) {
                assert_eq!(kind as u32, number);
            }
        }
        assert_eq!(ReclaimKind::from_u32(5), None);
    }
}
