//! Waits of the main thread off its core: `sched_switch` and `sched_waking`.
//!
//! Both fire for every switch of the host, so they compare first: the thread that leaves by its
//! id, the one that arrives or is woken by the address of its `task_struct`, which was learnt
//! when it left. No kernel memory is read for anybody else's switch.

use aya_ebpf::Global;
use aya_ebpf::helpers::bpf_get_current_comm;
use aya_ebpf::macros::{map, raw_tracepoint};
use aya_ebpf::maps::Array;
use aya_ebpf::programs::RawTracePointContext;
use stallion_probes_common::scheduler::{
    COMM_LEN, STATE_DISK, UNKNOWN_SYSCALL, WAIT_CLASSES, Wait, WaitClass, class_of,
};
use stallion_probes_common::{Kind, Span, Window};

use crate::shared::{
    BACKGROUND_SYNC_NS, MAIN_TASK, TaskField, after, comm_of, current_tid, emit, floor_ns,
    is_throttled, main_tid, now_ns, polls, read_field, tgid_of, tid_of, user_regs,
};
use crate::{block_io, command, signal, threads};

/// 1 more than the offset of `task_struct.__state`, `state` before Linux 5.14.
#[unsafe(no_mangle)]
static STATE_OFFSET: Global<u32> = Global::new(0);

/// Where and why the main thread left its core, until it is back.
struct Away {
    /// When it left; 0 while it runs.
    out_ns: u64,
    /// When it was woken; 0 before.
    woken_ns: u64,
    /// Who woke it, or took the core from it.
    other_tid: u32,
    class: WaitClass,
    /// In a sleep that no signal ends: no event loop waits for work like that.
    deep: bool,
    syscall: i64,
    argument: u64,
    background_sync_ns: u64,
    other_comm: [u8; COMM_LEN],
}

static mut AWAY: Away = Away {
    out_ns: 0,
    woken_ns: 0,
    other_tid: 0,
    class: WaitClass::RunQueue,
    deep: false,
    syscall: -1,
    argument: 0,
    background_sync_ns: 0,
    other_comm: [0; COMM_LEN],
};

/// Short waits by class. A map and no static: the verifier cannot follow an enum as an index.
#[map]
static WAIT_WINDOWS: Array<Window> = Array::with_max_entries(WAIT_CLASSES as u32, 0);

#[raw_tracepoint(tracepoint = "sched_switch")]
fn sched_switch(ctx: RawTracePointContext) -> i32 {
    // Arguments: preempt, previous task, next task, previous state (since Linux 5.18).
    switched(&ctx, ctx.arg(3));
    0
}

/// Before Linux 5.18 the state is not among the arguments, but the task still has it.
#[raw_tracepoint(tracepoint = "sched_switch")]
fn sched_switch_by_task(ctx: RawTracePointContext) -> i32 {
    let known = current_tid() == main_tid() || threads::are_known();
    let state = if known { read_field::<u32>(ctx.arg(1), STATE_OFFSET.load()) } else { None };
    switched(&ctx, u64::from(state.unwrap_or(0)));
    0
}

#[inline(always)]
fn switched(ctx: &RawTracePointContext, state: u64) {
    if current_tid() == main_tid() {
        leave(ctx, state);
    } else {
        enter(ctx);
    }
    if threads::are_known() {
        threads::switched(ctx.arg::<u64>(0) & 1 != 0, ctx.arg(1), ctx.arg(2), state);
    }
}

#[inline(always)]
fn enter(ctx: &RawTracePointContext) {
    // SAFETY: a word that only the main thread's switches write.
    let main = unsafe { MAIN_TASK };
    if main != 0 && ctx.arg::<u64>(2) == main {
        arrive(main);
    }
}

#[raw_tracepoint(tracepoint = "sched_waking")]
fn sched_waking(ctx: RawTracePointContext) -> i32 {
    if threads::are_known() {
        threads::woken(ctx.arg(0));
    }
    let away = &raw mut AWAY;
    // SAFETY: the main thread is off its core, so nothing else writes these fields but another
    // waker, and the kernel lets only one of them through.
    unsafe {
        if MAIN_TASK == 0 || ctx.arg::<u64>(0) != MAIN_TASK || (*away).woken_ns != 0 {
            return 0;
        }
        (*away).woken_ns = now_ns();
        if matches!((*away).class, WaitClass::Stopped | WaitClass::Traced) {
            // Who stopped it says more than who lets it go on.
            return 0;
        }
        (*away).other_tid = current_tid();
        (*away).other_comm = bpf_get_current_comm().unwrap_or([0; COMM_LEN]);
    }
    0
}

#[inline(always)]
fn leave(ctx: &RawTracePointContext, state: u64) {
    let now = now_ns();
    let task: u64 = ctx.arg(1);
    let regs = user_regs();
    let jobctl = read_field::<u64>(task, after(TaskField::JobControl)).unwrap_or(0);
    let mut class = class_of(ctx.arg::<u64>(0) & 1 != 0, state, jobctl);
    let mut taker = (0, [0; COMM_LEN]);
    let mut argument = regs.argument;
    if matches!(class, WaitClass::RunQueue) {
        // Who takes the core says more than who has it last, when many share it meanwhile.
        let next: u64 = ctx.arg(2);
        let tid = tid_of(next);
        if is_throttled(task) || tid == Some(0) {
            class = WaitClass::Throttle;
        }
        taker = (tid.unwrap_or(0), comm_of(next));
    }
    if matches!(class, WaitClass::Traced) {
        let tracer = read_field::<u64>(task, after(TaskField::Parent)).unwrap_or(0);
        taker = (tgid_of(tracer).unwrap_or(0), comm_of(tracer));
    }
    if matches!(class, WaitClass::Stopped) {
        let sent = signal::last_stop();
        argument = u64::from(sent.signal);
        taker = (sent.tid, sent.comm);
    }
    let away = &raw mut AWAY;
    // SAFETY: the main thread itself is here, on its way off the core.
    unsafe {
        MAIN_TASK = task;
        (*away).out_ns = now;
        (*away).woken_ns = 0;
        (*away).class = class;
        (*away).deep = state & STATE_DISK != 0;
        (*away).syscall = regs.syscall;
        (*away).argument = argument;
        // Now: the write that waits for an fsync may be woken by its very end.
        (*away).background_sync_ns = BACKGROUND_SYNC_NS;
        (*away).other_tid = taker.0;
        (*away).other_comm = taker.1;
        if class.is_halt() {
            send(class, Span { count: 0, ..Span::single(Kind::Wait, main_tid(), now, now) }, away);
        }
    }
    if matches!(class, WaitClass::OffCpu) && state & STATE_DISK != 0 {
        block_io::sleep_begins(now);
    }
    if matches!(class, WaitClass::OffCpu) || class.is_halt() {
        command::sleep(now, task);
    }
}

/// The main thread is about to run again; the current thread is the one that makes room.
#[inline(always)]
fn arrive(task: u64) {
    let now = now_ns();
    let away = &raw mut AWAY;
    // SAFETY: the main thread is not on a core, and its waker is done.
    unsafe {
        let out_ns = (*away).out_ns;
        if out_ns == 0 {
            return;
        }
        (*away).out_ns = 0;
        let class = (*away).class;
        block_io::sleep_ends(now);
        if matches!(class, WaitClass::RunQueue | WaitClass::Throttle) {
            command::waited(now.saturating_sub(out_ns));
            waited(class, out_ns, now, now);
            return;
        }
        let woken = if (*away).woken_ns == 0 { now } else { (*away).woken_ns };
        if !is_idle((*away).syscall, (*away).deep) || class.is_halt() {
            waited(class, out_ns, woken, now);
        }
        // Woken, and kept waiting by whoever has the core until now. An idle core takes some ten
        // microseconds to wake (more on a virtual machine), each time: at 15 000 requests a second
        // that made a third of a quiet minute. What every request pays is no stall; a long one is.
        let holder = current_tid();
        if holder != 0 || now.saturating_sub(woken) >= floor_ns() {
            (*away).other_tid = holder;
            (*away).other_comm = bpf_get_current_comm().unwrap_or([0; COMM_LEN]);
            waited(WaitClass::RunQueue, woken, now, now);
        }
    }
    command::wake(now, task);
}

#[inline(always)]
fn is_idle(syscall: i64, deep: bool) -> bool {
    if syscall == UNKNOWN_SYSCALL {
        return !deep;
    }
    polls(syscall)
}

/// Emits one wait, or adds it to its class's window when it is short.
#[inline(always)]
unsafe fn waited(class: WaitClass, start_ns: u64, end_ns: u64, now: u64) {
    let away = &raw const AWAY;
    // SAFETY: as in `arrive`, the only caller.
    unsafe {
        let Some(window) = WAIT_WINDOWS.get_ptr_mut(class as u32) else {
            return;
        };
        if (*window).is_ripe(now) {
            if (*window).busy_ns >= floor_ns() {
                send(class, (*window).span(Kind::Wait, main_tid()), away);
            }
            *window = Window::EMPTY;
        }
        if end_ns.saturating_sub(start_ns) >= floor_ns() {
            send(class, Span::single(Kind::Wait, main_tid(), start_ns, end_ns), away);
        } else {
            (*window).add(start_ns, end_ns, 0);
        }
    }
}

#[inline(always)]
unsafe fn send(class: WaitClass, span: Span, away: *const Away) {
    // SAFETY: as in `arrive`.
    unsafe {
        emit(&Wait {
            span,
            class: class as u32,
            other_tid: (*away).other_tid,
            syscall: (*away).syscall,
            argument: (*away).argument,
            background_sync_ns: (*away).background_sync_ns,
            other_comm: (*away).other_comm,
        });
    }
}
