//! A server's I/O threads (`io_thd_1` …): they read and write for the main thread, so their counts
//! belong to its progress; and the main thread may wait for one that has no core.
//!
//! They are found by walking the process's list of threads, at most once a second, and known by
//! the address of their `task_struct` then. A server without any pays one comparison per switch.

use aya_ebpf::helpers::bpf_get_current_comm;
use aya_ebpf::macros::map;
use aya_ebpf::maps::HashMap;
use stallion_probes_common::scheduler::{COMM_LEN, STATE_SLEEPS, Wait, WaitClass};
use stallion_probes_common::{Kind, Span};

use crate::shared::{
    TaskField, after, comm_of, current_tid, emit, floor_ns, io_count_of, io_count_or_zero,
    is_throttled, now_ns, read_at, read_field, tid_of,
};

/// How many are followed. What further ones read and write does not count as progress.
const FOLLOWED: usize = 8;

/// Threads of the process that are looked at: the background threads come first.
const LOOKED_AT: usize = 32;

/// They are looked for again after this time.
const LOOK_EVERY_NS: u64 = 1_000_000_000;

/// What their names begin with, in Redis from 6 on and in Valkey.
const NAME: [u8; 6] = *b"io_thd";

/// A thread's wait for a core.
#[derive(Clone, Copy)]
struct Core {
    /// When it became runnable without a core; 0 while it has one, or sleeps.
    out_ns: u64,
    throttled: bool,
    asleep: bool,
    other_tid: u32,
    other_comm: [u8; COMM_LEN],
}

const RUNS: Core =
    Core { out_ns: 0, throttled: false, asleep: false, other_tid: 0, other_comm: [0; COMM_LEN] };

/// By the address of the thread's task. A map and no list: the verifier walks every turn of a loop.
#[map]
static CORES: HashMap<u64, Core> = HashMap::with_max_entries(64, 0);

static mut TASKS: [u64; FOLLOWED] = [0; FOLLOWED];
static mut COUNT: u32 = 0;
static mut LOOKED_NS: u64 = 0;
static mut NEW: u32 = 0;

#[inline(always)]
pub(crate) fn are_known() -> bool {
    // SAFETY: reads a word.
    unsafe { COUNT != 0 }
}

/// Looks for the threads of the main thread's process, unless it was just done. Whether one was
/// found that was not known.
#[inline(always)]
pub(crate) fn look(main: u64, now: u64) -> bool {
    let looked = &raw mut LOOKED_NS;
    // SAFETY: only the main thread comes here.
    unsafe {
        if *looked != 0 && now.saturating_sub(*looked) < LOOK_EVERY_NS {
            return false;
        }
        *looked = now;
        NEW = 0;
        walk(main);
        core::ptr::read_volatile(&raw const NEW) != 0
    }
}

#[inline(never)]
fn walk(main: u64) -> u32 {
    let (head_after, node_after) = (after(TaskField::ThreadHead), after(TaskField::ThreadNode));
    let Some(signal) = read_field::<u64>(main, after(TaskField::Signal)) else {
        return 0;
    };
    if head_after == 0 || node_after == 0 {
        return 0;
    }
    let head = signal + u64::from(head_after - 1);
    let mut node = read_at::<u64>(head, 0).unwrap_or(head);
    // SAFETY: only the main thread comes here.
    unsafe { COUNT = 0 };
    for _ in 0..LOOKED_AT {
        if node == head || node == 0 {
            break;
        }
        take(node - u64::from(node_after - 1));
        node = read_at::<u64>(node, 0).unwrap_or(0);
    }
    0
}

/// Follows a task, if it is an I/O thread and there is a place for it.
#[inline(always)]
fn take(task: u64) {
    let comm = u128::from_ne_bytes(comm_of(task));
    const MASK: u128 = (1 << (8 * NAME.len())) - 1;
    const WANTED: u128 = u128::from_ne_bytes([
        NAME[0], NAME[1], NAME[2], NAME[3], NAME[4], NAME[5], 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ]);
    let (tasks, count) = (&raw mut TASKS, &raw mut COUNT);
    // SAFETY: only the main thread comes here; the place is masked.
    unsafe {
        // Read anew each time: the verifier then need not follow its values.
        let place = core::ptr::read_volatile(count);
        if comm & MASK != WANTED || place >= FOLLOWED as u32 {
            return;
        }
        let slot = (tasks as *mut u64).add(place as usize & (FOLLOWED - 1));
        if *slot != task {
            *slot = task;
            NEW = 1;
            let _ = CORES.insert(task, RUNS, 0);
        }
        core::ptr::write_volatile(count, place + 1);
    }
}

/// Reads and writes that the main thread and its I/O threads have completed.
#[inline(always)]
pub(crate) fn io_count(main: u64) -> Option<u64> {
    let sum = io_count_of(main)?;
    if !are_known() {
        return Some(sum);
    }
    Some(sum.wrapping_add(by_threads()))
}

#[inline(always)]
fn by_threads() -> u64 {
    let mut sum = 0_u64;
    let tasks = &raw const TASKS;
    for index in 0..FOLLOWED {
        // SAFETY: the list changes in the main thread only, which is here. A place without a
        // thread counts nothing.
        let task = unsafe { (*tasks)[index] };
        sum = sum.wrapping_add(io_count_or_zero(task));
    }
    sum
}

/// A switch of any thread of the host, once there are I/O threads.
#[inline(always)]
pub(crate) fn switched(preempted: bool, from: u64, to: u64, state: u64) {
    // SAFETY: a thread's entry is written in its own switches, and by its waker.
    unsafe {
        if let Some(core) = CORES.get_ptr_mut(from) {
            leave(&mut *core, preempted, state, from, to);
        }
        if let Some(core) = CORES.get_ptr_mut(to) {
            arrive(&mut *core, to);
        }
    }
}

#[inline(always)]
fn leave(core: &mut Core, preempted: bool, state: u64, task: u64, to: u64) {
    core.asleep = !preempted && state & STATE_SLEEPS != 0;
    core.out_ns = 0;
    if !core.asleep {
        core.throttled = is_throttled(task);
        core.other_tid = tid_of(to).unwrap_or(0);
        core.other_comm = comm_of(to);
        core.out_ns = now_ns();
    }
}

/// A thread of the host is woken, once there are I/O threads.
#[inline(always)]
pub(crate) fn woken(task: u64) {
    // SAFETY: as in `switched`.
    unsafe {
        let Some(core) = CORES.get_ptr_mut(task) else { return };
        if (*core).asleep && (*core).out_ns == 0 {
            (*core).throttled = false;
            (*core).other_tid = 0;
            (*core).out_ns = now_ns();
        }
    }
}

/// The current thread makes room for an I/O thread.
#[inline(always)]
fn arrive(core: &mut Core, task: u64) {
    let (now, out_ns) = (now_ns(), core.out_ns);
    core.out_ns = 0;
    core.asleep = false;
    if out_ns == 0 || now.saturating_sub(out_ns) < floor_ns() {
        return;
    }
    if core.other_tid == 0 {
        core.other_tid = current_tid();
        core.other_comm = bpf_get_current_comm().unwrap_or([0; COMM_LEN]);
    }
    let class = if core.throttled { WaitClass::Throttle } else { WaitClass::RunQueue };
    emit(&Wait {
        span: Span::single(Kind::Wait, tid_of(task).unwrap_or(0), out_ns, now),
        class: class as u32,
        other_tid: core.other_tid,
        syscall: -1,
        argument: u64::MAX,
        background_sync_ns: 0,
        other_comm: core.other_comm,
    });
}
