//! What all programs share: the loader's constants, the ring buffer, and the few facts that one
//! probe leaves for another.
//!
//! State lives in plain statics. Everything but `BACKGROUND_SYNC_NS` and the wake-up time is
//! written only in the context of the main thread, so there is no race to lose.

use aya_ebpf::Global;
use aya_ebpf::bindings::{BPF_RB_NO_WAKEUP, task_struct};
use aya_ebpf::helpers::generated::{bpf_get_current_task_btf, bpf_task_pt_regs};
use aya_ebpf::helpers::generated::bpf_probe_read_kernel as bpf_probe_read_kernel_into;
use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_ktime_get_ns, bpf_probe_read_kernel};
use aya_ebpf::macros::map;
use aya_ebpf::maps::{PerCpuArray, RingBuf};
use stallion_probes_common::scheduler::{COMM_LEN, UNKNOWN_SYSCALL};

/// The server's process id, which is also its main thread's id.
#[unsafe(no_mangle)]
static TGID: Global<u32> = Global::new(0);
/// Stalls shorter than this are summed in windows; windows with less in them are dropped.
#[unsafe(no_mangle)]
static FLOOR_NS: Global<u64> = Global::new(100_000);
/// A stretch on the CPU shorter than this is no stall.
#[unsafe(no_mangle)]
static STRETCH_NS: Global<u64> = Global::new(1_000_000);
/// Offset of `task_struct.pid`; 0 when the kernel has no type information.
#[unsafe(no_mangle)]
static PID_OFFSET: Global<u32> = Global::new(0);
/// Offset of `task_struct.tgid`; 0 when unknown.
#[unsafe(no_mangle)]
static TGID_OFFSET: Global<u32> = Global::new(0);
/// Offset of `task_struct.comm`; 0 when unknown.
#[unsafe(no_mangle)]
static COMM_OFFSET: Global<u32> = Global::new(0);
/// Offset of `task_struct.ioac.syscr`, which `syscw` follows; 0 when unknown.
#[unsafe(no_mangle)]
static IO_COUNT_OFFSET: Global<u32> = Global::new(0);

/// Whether the kernel lets programs read a thread's registers (Linux 5.15, with type
/// information). The verifier drops the branch that this rules out.
#[unsafe(no_mangle)]
static REGISTERS: Global<u32> = Global::new(0);

/// 1 more than the offsets of `task_struct.{signal, thread_node, parent, jobctl, exit_code}` and
/// `signal_struct.thread_head`; 0 where unknown.
#[unsafe(no_mangle)]
static TASK_FIELDS: Global<[u32; 6]> = Global::new([0; 6]);

/// 1 more than the offsets of `task_struct.se.cfs_rq` and `cfs_rq.throttle_count`; 0 where the
/// kernel does not tell, or has no quotas.
#[unsafe(no_mangle)]
static THROTTLE_OFFSETS: Global<[u32; 2]> = Global::new([0; 2]);

/// System calls in which the event loop waits for work: `epoll_wait` and its kin.
#[unsafe(no_mangle)]
static IDLE_SYSCALLS: Global<[i64; 4]> = Global::new([-2; 4]);

/// Events for user space. 4 MiB hold 40 000 of the larger kinds.
#[map]
static EVENTS: RingBuf = RingBuf::with_byte_size(4 << 20, 0);

/// Events that found the ring buffer full, by CPU.
#[map]
static LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

/// Address of the main thread's `task_struct`, learnt when it first leaves a core.
pub(crate) static mut MAIN_TASK: u64 = 0;
/// Start of a background thread's fsync in flight; 0 without one.
pub(crate) static mut BACKGROUND_SYNC_NS: u64 = 0;
/// Forked children alive.
pub(crate) static mut CHILDREN: u32 = 0;

/// The thread that runs now.
#[inline(always)]
pub(crate) fn current_tid() -> u32 {
    bpf_get_current_pid_tgid() as u32
}

/// The process that runs now.
#[inline(always)]
pub(crate) fn current_tgid() -> u32 {
    (bpf_get_current_pid_tgid() >> 32) as u32
}

/// The server's main thread, and process.
#[inline(always)]
pub(crate) fn main_tid() -> u32 {
    TGID.load()
}

#[inline(always)]
pub(crate) fn floor_ns() -> u64 {
    FLOOR_NS.load()
}

#[inline(always)]
pub(crate) fn stretch_ns() -> u64 {
    STRETCH_NS.load()
}

#[inline(always)]
pub(crate) fn now_ns() -> u64 {
    // SAFETY: reads the clock.
    unsafe { bpf_ktime_get_ns() }
}

/// Sends one event. No wake-up: the reader polls, so that a stalled shard does not also pay for
/// an interrupt to it.
#[inline(always)]
pub(crate) fn emit<T: 'static>(event: &T) {
    if EVENTS.output::<T>(event, u64::from(BPF_RB_NO_WAKEUP)).is_err() {
        count_lost();
    }
}

/// A place on the ring buffer for an event that is too large for the BPF stack of 512 bytes.
#[inline(always)]
pub(crate) fn reserve<T: 'static>() -> Option<aya_ebpf::maps::ring_buf::RingBufEntry<T>> {
    let entry = EVENTS.reserve::<T>(0);
    if entry.is_none() {
        count_lost();
    }
    entry
}

/// Flags of `submit` after [`reserve`].
pub(crate) const NO_WAKEUP: u64 = BPF_RB_NO_WAKEUP as u64;

#[inline(always)]
fn count_lost() {
    if let Some(lost) = LOST.get_ptr_mut(0) {
        // SAFETY: each CPU has its own word.
        unsafe { *lost += 1 };
    }
}

/// Reads `T` at an offset of a task.
#[inline(always)]
fn read_task<T>(task: u64, offset: u32) -> Option<T> {
    if offset == 0 { None } else { read_at(task, offset) }
}

/// Reads a field of a kernel struct, given 1 more than its offset; none for 0, that is unknown.
#[inline(always)]
pub(crate) fn read_field<T>(object: u64, after: u32) -> Option<T> {
    if after == 0 { None } else { read_at(object, after - 1) }
}

#[inline(always)]
pub(crate) fn read_at<T>(object: u64, offset: u32) -> Option<T> {
    if object == 0 {
        return None;
    }
    // SAFETY: the helper checks the address; a bad one is an error.
    unsafe { bpf_probe_read_kernel((object + u64::from(offset)) as *const T) }.ok()
}

/// Thread id of a task; none without type information.
#[inline(always)]
pub(crate) fn tid_of(task: u64) -> Option<u32> {
    read_task(task, PID_OFFSET.load())
}

/// Name of a task; empty without type information.
#[inline(always)]
pub(crate) fn comm_of(task: u64) -> [u8; COMM_LEN] {
    read_task(task, COMM_OFFSET.load()).unwrap_or([0; COMM_LEN])
}

/// Process id of a task; none without type information.
#[inline(always)]
pub(crate) fn tgid_of(task: u64) -> Option<u32> {
    read_task(task, TGID_OFFSET.load())
}

/// Reads and writes that a task has completed; none when the kernel does not count them.
#[inline(always)]
pub(crate) fn io_count_of(task: u64) -> Option<u64> {
    let counts: [u64; 2] = read_task(task, IO_COUNT_OFFSET.load())?;
    Some(counts[0].wrapping_add(counts[1]))
}

/// 1 more than the offset of a field of [`TASK_FIELDS`].
pub(crate) enum TaskField {
    Signal,
    ThreadNode,
    Parent,
    JobControl,
    ExitCode,
    /// Of `signal_struct`.
    ThreadHead,
}

#[inline(always)]
pub(crate) fn after(field: TaskField) -> u32 {
    let fields = TASK_FIELDS.load();
    match field {
        TaskField::Signal => fields[0],
        TaskField::ThreadNode => fields[1],
        TaskField::Parent => fields[2],
        TaskField::JobControl => fields[3],
        TaskField::ExitCode => fields[4],
        TaskField::ThreadHead => fields[5],
    }
}

/// Whether the quota of the task's group, or of one above it, is used up. Without this a throttle
/// shows only by the core that is left idle, which others may want.
#[inline(always)]
pub(crate) fn is_throttled(task: u64) -> bool {
    let offsets = THROTTLE_OFFSETS.load();
    read_field::<u64>(task, offsets[0])
        .and_then(|queue| read_field::<u32>(queue, offsets[1]))
        .is_some_and(|count| count > 0)
}

/// Whether a system call is one in which the event loop waits for work.
#[inline(always)]
pub(crate) fn polls(syscall: i64) -> bool {
    let idle = IDLE_SYSCALLS.load();
    syscall == idle[0] || syscall == idle[1] || syscall == idle[2] || syscall == idle[3]
}

/// The same without a branch, for the verifier's sake: 0 for what cannot be read.
#[inline(always)]
pub(crate) fn io_count_or_zero(task: u64) -> u64 {
    let mut counts = [0_u64; 2];
    // SAFETY: the helper checks the address, and fills the buffer with zeros where it cannot read.
    unsafe {
        bpf_probe_read_kernel_into(
            (&raw mut counts).cast(),
            size_of::<[u64; 2]>() as u32,
            (task + u64::from(IO_COUNT_OFFSET.load())) as *const _,
        );
    }
    counts[0].wrapping_add(counts[1])
}

/// Registers with which the current thread entered the kernel.
pub(crate) struct UserRegs {
    /// The system call; negative after an interrupt or a fault.
    pub(crate) syscall: i64,
    /// Its first argument.
    pub(crate) argument: u64,
    /// User program counter.
    pub(crate) ip: u64,
    /// User stack pointer.
    pub(crate) sp: u64,
}

/// Offsets within `pt_regs`, which are ABI of each architecture's ptrace.
#[cfg(bpf_target_arch = "x86_64")]
mod offset {
    pub(super) const SYSCALL: u64 = 120;
    pub(super) const ARGUMENT: u64 = 112;
    pub(super) const IP: u64 = 128;
    pub(super) const SP: u64 = 152;
}

#[cfg(bpf_target_arch = "aarch64")]
mod offset {
    pub(super) const SYSCALL: u64 = 280;
    pub(super) const ARGUMENT: u64 = 272;
    pub(super) const IP: u64 = 256;
    pub(super) const SP: u64 = 248;
}

#[inline(always)]
pub(crate) fn user_regs() -> UserRegs {
    if REGISTERS.load() == 0 {
        return UserRegs { syscall: UNKNOWN_SYSCALL, argument: u64::MAX, ip: 0, sp: 0 };
    }
    // SAFETY: both helpers accept any current task; the offsets lie within `pt_regs`, which the
    // verifier checks against the kernel's types.
    unsafe {
        let task: *mut task_struct = bpf_get_current_task_btf();
        let regs = bpf_task_pt_regs(task) as u64;
        #[cfg(bpf_target_arch = "x86_64")]
        let syscall = core::ptr::read_volatile((regs + offset::SYSCALL) as *const i64);
        #[cfg(bpf_target_arch = "aarch64")]
        let syscall = i64::from(core::ptr::read_volatile((regs + offset::SYSCALL) as *const i32));
        UserRegs {
            syscall,
            argument: core::ptr::read_volatile((regs + offset::ARGUMENT) as *const u64),
            ip: core::ptr::read_volatile((regs + offset::IP) as *const u64),
            sp: core::ptr::read_volatile((regs + offset::SP) as *const u64),
        }
    }
}

/// Address of the current task.
#[inline(always)]
pub(crate) fn current_task() -> u64 {
    // SAFETY: reads a per-CPU pointer.
    unsafe { aya_ebpf::helpers::generated::bpf_get_current_task() }
}

/// Address of the function that a uprobe sits on.
#[inline(always)]
pub(crate) fn probed_address(regs: *mut aya_ebpf::bindings::pt_regs) -> u64 {
    // SAFETY: the context of a uprobe is the user's registers.
    unsafe {
        #[cfg(bpf_target_arch = "x86_64")]
        return (*regs).rip;
        #[cfg(bpf_target_arch = "aarch64")]
        return (*regs).pc;
    }
}
