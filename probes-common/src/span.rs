//! The head of every event: what it is, which thread, from when to when.

/// Which struct an event is. The values travel as `u32` and are never used again for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// [`crate::fork::Fork`].
    Fork = 1,
    /// [`crate::page_fault::Faults`].
    Faults = 2,
    /// [`crate::fsync::Sync`].
    Sync = 3,
    /// [`crate::scheduler::Wait`].
    Wait = 4,
    /// [`crate::command::Stretch`].
    Stretch = 5,
    /// [`crate::command::Stack`].
    Stack = 6,
    /// [`crate::command::Call`].
    Call = 7,
    /// [`crate::block_io::Disk`].
    Disk = 8,
    /// [`crate::reclaim::Reclaim`].
    Reclaim = 9,
    /// [`crate::softirq::Softirq`].
    Softirq = 10,
    /// [`crate::network::Network`].
    Network = 11,
    /// [`crate::exit::Exit`].
    Exit = 12,
}

impl Kind {
    /// The kind with this number; none for a number that another version may use.
    #[must_use]
    pub const fn from_u32(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Fork,
            2 => Self::Faults,
            3 => Self::Sync,
            4 => Self::Wait,
            5 => Self::Stretch,
            6 => Self::Stack,
            7 => Self::Call,
            8 => Self::Disk,
            9 => Self::Reclaim,
            10 => Self::Softirq,
            11 => Self::Network,
            12 => Self::Exit,
            _ => return None,
        })
    }
}

/// The head of every event. Times are CLOCK_MONOTONIC nanoseconds (`bpf_ktime_get_ns`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Span {
    /// A [`Kind`].
    pub kind: u32,
    /// The thread, as the host's first pid namespace numbers it.
    pub tid: u32,
    /// Start of the stall, or of the window in which small ones were summed.
    pub start_ns: u64,
    /// Its end.
    pub end_ns: u64,
    /// Stalled time within.
    pub busy_ns: u64,
    /// How many stalls; 1 for a single one.
    pub count: u64,
}

const _: () = assert!(size_of::<Span>() == 40);

impl Span {
    /// One stall.
    #[must_use]
    pub const fn single(kind: Kind, tid: u32, start_ns: u64, end_ns: u64) -> Self {
        Self {
            kind: kind as u32,
            tid,
            start_ns,
            end_ns,
            busy_ns: end_ns.saturating_sub(start_ns),
            count: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_survive_the_border() {
        for number in 0..100 {
            if let Some(kind) = Kind::from_u32(number) {
                assert_eq!(kind as u32, number);
            }
        }
        assert_eq!(Kind::from_u32(0), None);
    }
}
