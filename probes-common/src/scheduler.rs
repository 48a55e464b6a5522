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
    /// Stopped by a signal or a tracer.
    Stopped = 3,
}

/// How many classes there are.
pub const WAIT_CLASSES: usize = 4;

impl WaitClass {
    /// The class with this number.
    #[must_use]
    pub const fn from_u32(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::RunQueue,
            1 => Self::Throttle,
            2 => Self::OffCpu,
            3 => Self::Stopped,
            _ => return None,
        })
    }
}

/// Stands for the number of a system call that the kernel does not let programs read.
pub const UNKNOWN_SYSCALL: i64 = i64::MIN;

/// One wait off the core, or a window of short ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Wait {
    /// Head; [`crate::Kind::Wait`].
    pub span: Span,
    /// A [`WaitClass`].
    pub class: u32,
    /// Thread that took the core (preempted), had it (woken and waiting), or woke it (off-CPU).
    pub other_tid: u32,
    /// Number of the system call the thread was in; negative in user mode or in a page fault, or
    /// [`UNKNOWN_SYSCALL`].
    pub syscall: i64,
    /// First argument of that system call: mostly a file descriptor.
    pub argument: u64,
    /// Start of a background thread's fsync that was in flight at the start; 0 without one.
    pub background_sync_ns: u64,
    /// Name of `other_tid`.
    pub other_comm: [u8; COMM_LEN],
}

const _: () = assert!(size_of::<Wait>() == 88);

/// Bits of `task_struct.__state` that mean "stopped" and "traced" (stable since Linux 2.6).
pub const STATE_STOPPED: u64 = 0x4 | 0x8;

/// The bit of a sleep that no signal ends, mostly for a disk (`TASK_UNINTERRUPTIBLE`).
pub const STATE_DISK: u64 = 0x2;

/// Bits of the state that name a sleep; without them the thread was preempted while runnable.
pub const STATE_SLEEPS: u64 = 0xff;

/// The class of a switch away from the core, but for the throttle, which needs the next thread.
#[must_use]
#[inline(always)]
pub fn class_of(preempted: bool, state: u64) -> WaitClass {
    if preempted || state & STATE_SLEEPS == 0 {
        WaitClass::RunQueue
    } else if state & STATE_STOPPED != 0 {
        WaitClass::Stopped
    } else {
        WaitClass::OffCpu
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_told_apart() {
        assert_eq!(class_of(false, 0), WaitClass::RunQueue);
        assert_eq!(class_of(false, 0x100), WaitClass::RunQueue, "R+ of a preempted thread");
        assert_eq!(class_of(true, 1), WaitClass::RunQueue, "preempted on its way to sleep");
        assert_eq!(class_of(false, 1), WaitClass::OffCpu);
        assert_eq!(class_of(false, 2), WaitClass::OffCpu);
        assert_eq!(class_of(false, 4), WaitClass::Stopped);
        for number in 0..WAIT_CLASSES as u32 {
            assert_eq!(WaitClass::from_u32(number).unwrap() as u32, number);
        }
    }
}
