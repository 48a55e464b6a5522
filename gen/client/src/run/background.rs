//! Keeps what is not a worker off the workers' cores: the recorder's turns (0.1 ms and more, many
//! times a second) would otherwise be schedule lag. On a host of few cores they then fall on the
//! server's, so they wait their turn: threads of SCHED_BATCH preempt nobody when they wake (sched(7)),
//! and whoever wakes while they run preempts them, because their slice is longer (`sched_runtime` of
//! sched_setattr(2), heeded since Linux 6.12).

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The calling thread, and those that it starts, stand aside as long as this lives.
#[derive(Debug)]
pub struct Background {
    before: Option<CpuSet>,
    batch: bool,
}

impl Background {
    /// Leaves `cores` to the workers, if any other is left for this thread.
    #[must_use]
    pub fn of(cores: &[usize]) -> Self {
        let batch = change_policy(libc::SCHED_OTHER, (libc::SCHED_BATCH, LONG_SLICE_NS));
        Self { before: leave(cores), batch }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if self.batch {
            forward();
        }
        if let Some(before) = &self.before {
            let _ = sched_setaffinity(Pid::from_raw(0), before);
        }
    }
}

/// The calling thread was started by one that stands aside, and shall not.
pub(super) fn forward() {
    change_policy(libc::SCHED_BATCH, (libc::SCHED_OTHER, DEFAULT_SLICE_NS));
}

/// The longest slice that the kernel takes (its default is 0.7 to 2.8 ms by the number of CPUs).
const LONG_SLICE_NS: u64 = 100_000_000;

/// The kernel's own.
const DEFAULT_SLICE_NS: u64 = 0;

/// From one ordinary policy to another, with a slice; whoever runs under a third one has chosen it.
fn change_policy(from: libc::c_int, (to, slice_ns): (libc::c_int, u64)) -> bool {
    // SAFETY: a struct of numbers, for which zeroes are a value.
    let mut wanted: libc::sched_attr = unsafe { std::mem::zeroed() };
    wanted.size = size_of::<libc::sched_attr>() as u32;
    (wanted.sched_policy, wanted.sched_runtime) = (to.unsigned_abs(), slice_ns);
    // SAFETY: 0 is the calling thread; the call takes and gives numbers.
    wanted.sched_nice = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    // SAFETY: 0 is the calling thread, and the attributes outlive the call.
    unsafe {
        // By its number: musl's own function says that there is no such call.
        libc::syscall(libc::SYS_sched_getscheduler, 0) == libc::c_long::from(from)
            && libc::syscall(libc::SYS_sched_setattr, 0, &raw const wanted, 0) == 0
    }
}

/// What was allowed before; none when nothing was changed.
fn leave(cores: &[usize]) -> Option<CpuSet> {
    let this_thread = Pid::from_raw(0);
    let before = sched_getaffinity(this_thread).ok()?;
    let mut rest = before;
    for &core in cores {
        rest.unset(core).ok()?;
    }
    let any_left = (0..CpuSet::count()).any(|cpu| rest.is_set(cpu).unwrap_or(false));
    (any_left && rest != before).then_some(())?;
    sched_setaffinity(this_thread, &rest).ok()?;
    Some(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> CpuSet {
        sched_getaffinity(Pid::from_raw(0)).unwrap()
    }

    #[test]
    fn a_batch_thread_comes_forward_again() {
        // SAFETY: takes and gives numbers.
        let policy = || unsafe { libc::sched_getscheduler(0) };
        let before = policy();
        let aside = Background::of(&[]);
        assert_eq!(policy(), libc::SCHED_BATCH);
        std::thread::spawn(move || {
            forward();
            assert_eq!(policy(), libc::SCHED_OTHER);
        })
        .join()
        .unwrap();
        drop(aside);
        assert_eq!(policy(), before);
    }

    #[test]
    fn a_core_is_left_for_a_while_and_never_the_last_one() {
        let before = allowed();
        let all: Vec<usize> =
            (0..CpuSet::count()).filter(|cpu| before.is_set(*cpu).unwrap()).collect();
        {
            let _aside = Background::of(&all);
            assert_eq!(allowed(), before, "nothing would be left");
        }
        if let [first, _, ..] = all[..] {
            let aside = Background::of(&[first]);
            assert!(!allowed().is_set(first).unwrap());
            drop(aside);
        }
        assert_eq!(allowed(), before);
    }
}
