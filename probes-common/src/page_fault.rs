//! Page faults of the main thread, timed without kprobes.

use crate::span::Span;

/// What a fault did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum FaultKind {
    /// Copied a page that a forked child shares.
    Copy = 0,
    /// Made a page writable again that nobody shares any more.
    Reuse = 1,
    /// Mapped a new zeroed page.
    Zero = 2,
    /// Mapped a new zeroed huge page.
    Huge = 3,
    /// Mapped a page that was already in memory, mostly of a file.
    Map = 4,
    /// Read a page from a device.
    Major = 5,
    /// Split a huge page that a forked child shares, and copied 4 KiB of it.
    Split = 6,
}

/// How many kinds there are.
pub const FAULT_KINDS: usize = 7;

/// The page was present, so the fault is about its protection (x86 error code, bit 0).
const CODE_PRESENT: u64 = 1;
/// The fault was a write (x86 error code, bit 1).
const CODE_WRITE: u64 = 2;
/// Order of a 2 MiB page.
const HUGE_ORDER: u64 = 9;

impl FaultKind {
    /// The kind with this number.
    #[must_use]
    pub const fn from_u32(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Copy,
            1 => Self::Reuse,
            2 => Self::Zero,
            3 => Self::Huge,
            4 => Self::Map,
            5 => Self::Major,
            6 => Self::Split,
            _ => return None,
        })
    }

    /// The kind of a fault from its error code and from what was allocated inside it.
    ///
    /// The code alone does not tell a copy from a re-use: of 177 000 write-protect faults of one
    /// snapshot 142 000 allocated a page, and those times 4 KiB came within 2 % of Redis's
    /// `rdb_last_cow_size`. A copy flushes the address after the page was allocated; only the
    /// split of a huge page flushes (its 2 MiB) before anything was: `flushed`.
    #[must_use]
    #[inline(always)]
    pub fn of(code: u64, pages: u64, max_order: u64, flushed: bool, major: bool) -> Self {
        if major {
            Self::Major
        } else if flushed && code & CODE_PRESENT != 0 {
            Self::Split
        } else if code & CODE_PRESENT != 0 {
            if pages > 0 { Self::Copy } else { Self::Reuse }
        } else if pages > 0 && max_order >= HUGE_ORDER {
            Self::Huge
        } else if pages > 0 && code & CODE_WRITE != 0 {
            Self::Zero
        } else {
            Self::Map
        }
    }
}

/// One long fault, or a window of short ones of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Faults {
    /// Head; [`crate::Kind::Faults`].
    pub span: Span,
    /// A [`FaultKind`].
    pub kind: u32,
    /// Children alive at the end.
    pub children: u32,
    /// Pages of 4 KiB allocated inside.
    pub pages: u64,
}

const _: () = assert!(size_of::<Faults>() == 56);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_apart() {
        assert_eq!(FaultKind::of(7, 1, 0, false, false), FaultKind::Copy);
        assert_eq!(
            FaultKind::of(3, 1, 0, false, false),
            FaultKind::Copy,
            "from read() in the kernel"
        );
        assert_eq!(FaultKind::of(7, 0, 0, false, false), FaultKind::Reuse);
        assert_eq!(FaultKind::of(6, 1, 0, false, false), FaultKind::Zero);
        assert_eq!(FaultKind::of(2, 1, 0, false, false), FaultKind::Zero);
        assert_eq!(FaultKind::of(6, 512, 9, false, false), FaultKind::Huge);
        assert_eq!(FaultKind::of(7, 1, 0, true, false), FaultKind::Split);
        assert_eq!(FaultKind::of(6, 1, 0, true, false), FaultKind::Zero);
        assert_eq!(FaultKind::of(4, 0, 0, false, false), FaultKind::Map);
        assert_eq!(FaultKind::of(4, 1, 0, false, true), FaultKind::Major);
        for number in 0..FAULT_KINDS as u32 {
            assert_eq!(FaultKind::from_u32(number).unwrap() as u32, number);
        }
    }
}
