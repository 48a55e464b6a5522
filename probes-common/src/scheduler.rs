//! Time in which the shard's main thread was not on a core, although it had work.

use crate::span::Span;

/// Length of a thread's name in the kernel, with its final zero.
pub const COMM_LEN: usize = 16;

/// Why the thread was off the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum WaitClass {
    /// Runnable, and another thread had the core.
    RunQueue = 0,
    /// Runnable, and the core was left idle: the cgroup's CPU quota was used up.
    Throttle = 1,
    /// Blocked in a system call or a page fault.
    OffCpu = 2,
    /// Stopped by a signal.
    Stopped = 3,
    /// Stopped by a tracer (gdb, strace, gcore).
    Traced = 4,
    /// Frozen by the cgroup's freezer.
    Frozen = 5,
}

/// How many classes there are.
pub const WAIT_CLASSES: usize = 6;

impl WaitClass {
    /// The class with this number.
    #[must_use]
    pub const fn from_u32(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::RunQueue,
            1 => Self::Throttle,
            2 => Self::OffCpu,
            3 => Self::Stopped,
            4 => Self::Traced,
            5 => Self::Frozen,
            _ => return None,
        })
    }

    /// Whether the thread stays off the core until another process lets it go on. The start of
    /// such a wait is told at once, because its end may never come.
    #[must_use]
    #[inline(always)]
    pub const fn is_halt(self) -> bool {
        matches!(self, Self::Stopped | Self::Traced | Self::Frozen)
    }
}

/// Stands for the number of a system call that the kernel does not let programs read.
pub const UNKNOWN_SYSCALL: i64 = i64::MIN;

/// One wait off the core, or a window of short ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Wait {
    /// Head; [`crate::Kind::Wait`]. `count` is 0 when the wait begins and its end is not known yet.
    pub span: Span,
    /// A [`WaitClass`].
    pub class: u32,
    /// Thread that took the core (preempted), had it (woken and waiting), woke it (off-CPU,
    /// frozen), sent the signal (stopped), or traces it (traced); 0 when unknown.
    pub other_tid: u32,
    /// Number of the system call the thread was in; negative in user mode or in a page fault, or
    /// [`UNKNOWN_SYSCALL`].
    pub syscall: i64,
    /// First argument of that system call: mostly a file descriptor. The signal's number when the
    /// thread was stopped by one.
    pub argument: u64,
    /// Start of a background thread's fsync that was in flight at the start; 0 without one.
    pub background_sync_ns: u64,
    /// Name of `other_tid`.
    pub other_comm: [u8; COMM_LEN],
}

const _: () = assert!(size_of::<Wait>() == 88);

/// The bit of `task_struct.__state` that means "stopped by a signal" (stable since Linux 2.6).
pub const STATE_STOPPED: u64 = 0x4;

/// The bit that means "stopped by a tracer".
pub const STATE_TRACED: u64 = 0x8;

/// The bit that the first version of the cgroup freezer sets (since Linux 6.1).
pub const STATE_FROZEN: u64 = 0x8000;

/// The bit of `task_struct.jobctl` with which the second version of the freezer traps a thread.
pub const TRAPPED_BY_FREEZER: u64 = 1 << 23;

/// The bit of a sleep that no signal ends, mostly for a disk (`TASK_UNINTERRUPTIBLE`).
pub const STATE_DISK: u64 = 0x2;

/// Bits of the state that name a sleep; without them the thread was preempted while runnable.
pub const STATE_SLEEPS: u64 = 0xff;

/// The class of a switch away from the core, but for the throttle, which needs the next thread.
#[must_use]
#[inline(always)]
pub fn class_of(preempted: bool, state: u64, jobctl: u64) -> WaitClass {
    if preempted {
        WaitClass::RunQueue
    } else if state & STATE_FROZEN != 0 {
        WaitClass::Frozen
    } else if state & STATE_SLEEPS == 0 {
        WaitClass::RunQueue
    } else if state & STATE_TRACED != 0 {
        WaitClass::Traced
    } else if state & STATE_STOPPED != 0 {
        WaitClass::Stopped
    } else if jobctl & TRAPPED_BY_FREEZER != 0 {
        WaitClass::Frozen
    } else {
        WaitClass::OffCpu
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_told_apart() {
        assert_eq!(class_of(false, 0, 0), WaitClass::RunQueue);
        assert_eq!(class_of(false, 0x100, 0), WaitClass::RunQueue, "R+ of a preempted thread");
        assert_eq!(class_of(true, 1, 0), WaitClass::RunQueue, "preempted on its way to sleep");
        assert_eq!(class_of(true, 1, TRAPPED_BY_FREEZER), WaitClass::RunQueue);
        assert_eq!(class_of(false, 1, 0), WaitClass::OffCpu);
        assert_eq!(class_of(false, 2, 0), WaitClass::OffCpu);
        assert_eq!(class_of(false, 4, 0), WaitClass::Stopped);
        assert_eq!(class_of(false, 8, 0), WaitClass::Traced);
        assert_eq!(class_of(false, 0x8000, 0), WaitClass::Frozen, "the first version");
        assert_eq!(class_of(false, 1, TRAPPED_BY_FREEZER), WaitClass::Frozen, "the second");
        for number in 0..WAIT_CLASSES as u32 {
            assert_eq!(WaitClass::from_u32(number).unwrap() as u32, number);
        }
    }
}
