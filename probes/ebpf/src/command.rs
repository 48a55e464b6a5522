//! The main thread on its core for long: its own sleeps, a sampler by the scheduler's tick or by CPU
//! time, and uprobes on rare commands.

use aya_ebpf::helpers::generated::bpf_probe_read_user;
use aya_ebpf::macros::{perf_event, raw_tracepoint, uprobe, uretprobe};
use aya_ebpf::programs::{PerfEventContext, ProbeContext, RawTracePointContext, RetProbeContext};
use stallion_probes_common::command::{
    Call, Ended, Evidence, Follower, STACK_BYTES, Sample, Stack, Stretch,
};
use stallion_probes_common::{Kind, Span};

use crate::shared::{
    NO_WAKEUP, UserRegs, current_task, current_tgid, current_tid, emit, main_tid, now_ns,
    polls, reserve, stretch_ns, user_regs,
};
use crate::threads;

/// The stack is read at this sample of a stretch: the second, when it is known to be one; at the
/// first, where one request has had the thread for long by then.
const STACK_AT_SAMPLE: u64 = 2;

/// The stack is read in pieces of this size.
const PIECE_BYTES: usize = 512;

static mut FOLLOWER: Follower = Follower::NEW;

/// Fires once per `SAMPLE_PERIOD_NS` of the main thread's CPU time.
#[perf_event]
fn cpu_clock(_ctx: PerfEventContext) -> u32 {
    if current_tid() == main_tid() {
        sample();
    }
    0
}

/// Fires at each tick of a busy core, and at its other timers.
#[raw_tracepoint(tracepoint = "local_timer_entry")]
fn local_timer_entry(_ctx: RawTracePointContext) -> i32 {
    if current_tid() == main_tid() {
        sample();
    }
    0
}

#[inline(always)]
fn sample() {
    let now = now_ns();
    threads::look(current_task(), now);
    let Some(io_count) = threads::io_count(current_task()) else {
        return;
    };
    let regs = user_regs();
    let sample = Sample {
        now_ns: now,
        io_count,
        syscall: regs.syscall,
        argument: regs.argument,
        ip: regs.ip,
        polls: polls(regs.syscall),
    };
    // SAFETY: only the main thread comes here, and its own switches do not interrupt this.
    unsafe {
        let follower = &mut *(&raw mut FOLLOWER);
        let before = *follower;
        if let Some(ended) = follower.sample(&sample) {
            send(&before, before.samples(), &ended);
        }
        let known = follower.samples() == STACK_AT_SAMPLE
            || (follower.samples() == 1 && follower.is_alone_for(stretch_ns(), &sample));
        if known && regs.sp != 0 {
            send_stack(now, &regs);
        }
    }
}

/// The main thread goes to sleep by itself.
#[inline(always)]
pub(crate) fn sleep(now: u64, task: u64) {
    // SAFETY: called in the main thread's own switch.
    unsafe {
        let follower = &mut *(&raw mut FOLLOWER);
        // A thread that is found now was not counted at the wake-up.
        if follower.is_awake_for(stretch_ns(), now) && threads::look(task, now) {
            follower.forget();
            return;
        }
        let Some(io_count) = threads::io_count(task) else {
            return;
        };
        let samples = follower.samples();
        if let Some(ended) = follower.sleep(now, io_count) {
            send(follower, samples, &ended);
        }
    }
}

/// The main thread comes back from a sleep.
#[inline(always)]
pub(crate) fn wake(now: u64, task: u64) {
    let Some(io_count) = threads::io_count(task) else {
        return;
    };
    // SAFETY: called in the switch to the main thread.
    unsafe { (*(&raw mut FOLLOWER)).wake(now, io_count) };
}

/// The main thread has its core again, for which it waited.
#[inline(always)]
pub(crate) fn waited(waited_ns: u64) {
    // SAFETY: called in the switch to the main thread.
    unsafe { (*(&raw mut FOLLOWER)).waited(waited_ns) };
}

#[inline(always)]
fn send(follower: &Follower, samples: u64, ended: &Ended) {
    if ended.busy_ns() < stretch_ns() {
        return;
    }
    // Without a sample the evidence is that of another stretch.
    let seen = if samples == 0 { Evidence::NONE } else { follower.evidence() };
    emit(&Stretch {
        span: Span {
            count: samples,
            busy_ns: ended.busy_ns(),
            ..Span::single(Kind::Stretch, main_tid(), ended.start_ns, ended.end_ns)
        },
        syscall: seen.syscall,
        in_syscall: seen.in_syscall,
        argument: seen.argument,
        error_ns: ended.error_ns,
        ips: seen.ips,
    });
}

#[inline(always)]
fn send_stack(now: u64, regs: &UserRegs) {
    let Some(mut entry) = reserve::<Stack>() else {
        return;
    };
    let stack = entry.as_mut_ptr();
    // SAFETY: the reserved entry is as large as a `Stack`; the helper zeroes what it cannot read.
    unsafe {
        (&raw mut (*stack).span).write(Span::single(Kind::Stack, main_tid(), now, now));
        (&raw mut (*stack).ip).write(regs.ip);
        (&raw mut (*stack).sp).write(regs.sp);
        // In pieces, because a read that crosses the stack's upper end yields nothing at all, and
        // the event loop is only some hundred bytes away from it.
        let words: *mut u8 = (&raw mut (*stack).words).cast();
        for piece in 0..STACK_BYTES / PIECE_BYTES {
            bpf_probe_read_user(
                words.add(piece * PIECE_BYTES).cast(),
                PIECE_BYTES as u32,
                (regs.sp + (piece * PIECE_BYTES) as u64) as *const _,
            );
        }
    }
    entry.submit(NO_WAKEUP);
}

/// The outermost rare command that runs now.
struct Running {
    start_ns: u64,
    function: u64,
    depth: u32,
}

static mut RUNNING: Running = Running { start_ns: 0, function: 0, depth: 0 };

#[uprobe]
fn command_enter(ctx: ProbeContext) -> u32 {
    if current_tid() != main_tid() || current_tgid() != main_tid() {
        return 0;
    }
    let running = &raw mut RUNNING;
    // SAFETY: only the main thread comes here.
    unsafe {
        if (*running).depth == 0 {
            (*running).start_ns = now_ns();
            (*running).function = crate::shared::probed_address(ctx.regs);
        }
        (*running).depth += 1;
    }
    0
}

#[uretprobe]
fn command_return(_ctx: RetProbeContext) -> u32 {
    if current_tid() != main_tid() {
        return 0;
    }
    let running = &raw mut RUNNING;
    // SAFETY: only the main thread comes here.
    unsafe {
        if (*running).depth == 0 {
            return 0;
        }
        (*running).depth -= 1;
        let now = now_ns();
        if (*running).depth == 0 && now.saturating_sub((*running).start_ns) >= stretch_ns() {
            emit(&Call {
                span: Span::single(Kind::Call, main_tid(), (*running).start_ns, now),
                function: (*running).function,
            });
        }
    }
    0
}
