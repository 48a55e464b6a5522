//! Softirqs that run on top of the main thread and take its time.
//!
//! A softirq that a thread raises itself runs inside its own system call: a send over loopback
//! delivers the packet to the other side right there. That is the thread's own work, so short
//! softirqs count only when they came in by an interrupt of user mode; long ones count anyway.

use aya_ebpf::macros::{map, raw_tracepoint};
use aya_ebpf::maps::Array;
use aya_ebpf::programs::RawTracePointContext;
use stallion_probes_common::scheduler::UNKNOWN_SYSCALL;
use stallion_probes_common::softirq::{Softirq, VECTORS};
use stallion_probes_common::{Kind, Span, Window};

use crate::shared::{current_tid, emit, floor_ns, main_tid, now_ns, user_regs};

/// Start of the one that runs on top of the main thread; 0 without one. They do not nest.
static mut START_NS: u64 = 0;

/// Short ones, by vector.
#[map]
static SOFTIRQ_SUMS: Array<Window> = Array::with_max_entries(VECTORS as u32, 0);

#[raw_tracepoint(tracepoint = "softirq_entry")]
fn softirq_entry(_ctx: RawTracePointContext) -> i32 {
    if current_tid() == main_tid() {
        // SAFETY: only on top of the main thread, and softirqs do not nest.
        unsafe { START_NS = now_ns() };
    }
    0
}

#[raw_tracepoint(tracepoint = "softirq_exit")]
fn softirq_exit(ctx: RawTracePointContext) -> i32 {
    if current_tid() != main_tid() {
        return 0;
    }
    // SAFETY: as in `softirq_entry`.
    let start = unsafe { START_NS };
    if start == 0 {
        return 0;
    }
    // SAFETY: as in `softirq_entry`.
    unsafe { START_NS = 0 };
    let now = now_ns();
    let vector: u64 = ctx.arg(0);
    if now.saturating_sub(start) >= floor_ns() {
        emit(&Softirq { span: Span::single(Kind::Softirq, main_tid(), start, now), vector });
    } else {
        let syscall = user_regs().syscall;
        if syscall < 0 && syscall != UNKNOWN_SYSCALL {
            sum(vector, start, now);
        }
    }
    0
}

#[inline(always)]
fn sum(vector: u64, start: u64, now: u64) {
    let Some(window) = SOFTIRQ_SUMS.get_ptr_mut(vector as u32) else {
        return;
    };
    // SAFETY: as in `softirq_entry`.
    unsafe {
        if (*window).is_ripe(now) {
            if (*window).busy_ns >= floor_ns() {
                emit(&Softirq { span: (*window).span(Kind::Softirq, main_tid()), vector });
            }
            *window = Window::EMPTY;
        }
        (*window).add(start, now, 0);
    }
}
