//! Page faults of the main thread: they start at the exception's tracepoint and end where the
//! kernel counts them (perf software events with period 1 on that thread), so no kprobe is needed.

use aya_ebpf::macros::{map, perf_event, raw_tracepoint};
use aya_ebpf::maps::Array;
use aya_ebpf::programs::{PerfEventContext, RawTracePointContext};
use stallion_probes_common::page_fault::{FAULT_KINDS, FaultKind, Faults};
use stallion_probes_common::{Kind, Span, Window};

use crate::shared::{CHILDREN, current_tid, emit, floor_ns, main_tid, now_ns};

/// `TLB_LOCAL_MM_SHOOTDOWN`: this thread changed its own address space.
const LOCAL_SHOOTDOWN: u32 = 3;

/// The fault that the main thread is in.
struct Open {
    /// Start; 0 without one.
    start_ns: u64,
    code: u64,
    pages: u64,
    max_order: u64,
    /// The TLB was flushed before any page was allocated.
    flushed: bool,
}

static mut OPEN: Open = Open { start_ns: 0, code: 0, pages: 0, max_order: 0, flushed: false };

/// Short faults by kind. A map and no static: the verifier cannot follow an enum as an index.
#[map]
static FAULT_WINDOWS: Array<Window> = Array::with_max_entries(FAULT_KINDS as u32, 0);

#[raw_tracepoint(tracepoint = "page_fault_user")]
fn page_fault_user(ctx: RawTracePointContext) -> i32 {
    begin(&ctx)
}

/// Faults inside system calls. With 64 KB values 84 % of the copies after a fork happen here, in
/// read() into shared pages.
#[raw_tracepoint(tracepoint = "page_fault_kernel")]
fn page_fault_kernel(ctx: RawTracePointContext) -> i32 {
    begin(&ctx)
}

#[inline(always)]
fn begin(ctx: &RawTracePointContext) -> i32 {
    if current_tid() == main_tid() {
        let open = &raw mut OPEN;
        // SAFETY: only the main thread comes here.
        unsafe {
            (*open).code = ctx.arg(2);
            (*open).pages = 0;
            (*open).max_order = 0;
            (*open).flushed = false;
            (*open).start_ns = now_ns();
        }
    }
    0
}

#[raw_tracepoint(tracepoint = "mm_page_alloc")]
fn mm_page_alloc(ctx: RawTracePointContext) -> i32 {
    let open = &raw mut OPEN;
    // SAFETY: the word is compared before anything else because this fires for every page that
    // anybody on the host allocates; the rest only the main thread touches.
    unsafe {
        if (*open).start_ns == 0 || current_tid() != main_tid() {
            return 0;
        }
        let order: u64 = ctx.arg::<u64>(1) & 0xf;
        (*open).pages += 1 << order;
        if order > (*open).max_order {
            (*open).max_order = order;
        }
    }
    0
}

/// Fires for every change of address spaces, too, so the fault is compared first.
#[raw_tracepoint(tracepoint = "tlb_flush")]
fn tlb_flush(ctx: RawTracePointContext) -> i32 {
    let open = &raw mut OPEN;
    // SAFETY: as in `mm_page_alloc`.
    unsafe {
        if (*open).start_ns == 0 || (*open).pages != 0 || current_tid() != main_tid() {
            return 0;
        }
        if ctx.arg::<u32>(0) == LOCAL_SHOOTDOWN {
            (*open).flushed = true;
        }
    }
    0
}

#[perf_event]
fn minor_fault(_ctx: PerfEventContext) -> u32 {
    end(false)
}

#[perf_event]
fn major_fault(_ctx: PerfEventContext) -> u32 {
    end(true)
}

#[inline(always)]
fn end(major: bool) -> u32 {
    let now = now_ns();
    let open = &raw mut OPEN;
    // SAFETY: the perf events are those of the main thread only.
    unsafe {
        let start = (*open).start_ns;
        if start == 0 || current_tid() != main_tid() {
            return 0;
        }
        (*open).start_ns = 0;
        let kind = FaultKind::of((*open).code, (*open).pages, (*open).max_order, (*open).flushed, major);
        let Some(window) = FAULT_WINDOWS.get_ptr_mut(kind as u32) else {
            return 0;
        };
        if (*window).is_ripe(now) {
            send(kind, (*window).span(Kind::Faults, main_tid()), (*window).pages);
            *window = Window::EMPTY;
        }
        if now.saturating_sub(start) >= floor_ns() {
            let span = Span::single(Kind::Faults, main_tid(), start, now);
            send(kind, span, (*open).pages);
        } else {
            (*window).add(start, now, (*open).pages);
        }
    }
    0
}

#[inline(always)]
unsafe fn send(kind: FaultKind, span: Span, pages: u64) {
    emit(&Faults {
        span,
        kind: kind as u32,
        // SAFETY: reads a word.
        children: unsafe { CHILDREN },
        pages,
    });
}
