//! Direct reclaim, reclaim for the memory cgroup and compaction on the server's own threads, and
//! the OOM killer. None of these fires unless memory is short.

use aya_ebpf::macros::{map, raw_tracepoint};
use aya_ebpf::maps::{Array, HashMap};
use aya_ebpf::programs::RawTracePointContext;
use stallion_probes_common::reclaim::{RECLAIM_WINDOWS, Reclaim, ReclaimKind};
use stallion_probes_common::{Kind, Span, Window};

use crate::fork::is_child;
use crate::shared::{current_tgid, current_tid, emit, floor_ns, main_tid, now_ns, tgid_of};

/// Addresses of the kernel have their highest bit set; a process id has not.
const KERNEL_HALF: u64 = 1 << 63;

/// Start of what a thread is in, by thread (low half) and kind (high half). A process has few
/// threads, and one thread is in few at once.
#[map]
static RECLAIMS: HashMap<u64, u64> = HashMap::with_max_entries(256, 0);

/// Short ones of the main thread, by kind.
#[map]
static RECLAIM_SUMS: Array<Window> = Array::with_max_entries(RECLAIM_WINDOWS as u32, 0);

#[raw_tracepoint(tracepoint = "mm_vmscan_direct_reclaim_begin")]
fn mm_vmscan_direct_reclaim_begin(_ctx: RawTracePointContext) -> i32 {
    begin(ReclaimKind::Direct)
}

#[raw_tracepoint(tracepoint = "mm_vmscan_direct_reclaim_end")]
fn mm_vmscan_direct_reclaim_end(ctx: RawTracePointContext) -> i32 {
    end(ReclaimKind::Direct, ctx.arg(0))
}

#[raw_tracepoint(tracepoint = "mm_vmscan_memcg_reclaim_begin")]
fn mm_vmscan_memcg_reclaim_begin(_ctx: RawTracePointContext) -> i32 {
    begin(ReclaimKind::Cgroup)
}

#[raw_tracepoint(tracepoint = "mm_vmscan_memcg_reclaim_end")]
fn mm_vmscan_memcg_reclaim_end(ctx: RawTracePointContext) -> i32 {
    end(ReclaimKind::Cgroup, ctx.arg(0))
}

#[raw_tracepoint(tracepoint = "mm_compaction_begin")]
fn mm_compaction_begin(_ctx: RawTracePointContext) -> i32 {
    begin(ReclaimKind::Compaction)
}

#[raw_tracepoint(tracepoint = "mm_compaction_end")]
fn mm_compaction_end(_ctx: RawTracePointContext) -> i32 {
    end(ReclaimKind::Compaction, 0)
}

/// Fires in whatever thread asked for memory in vain. The argument is the victim's task, or its
/// process id before Linux 6.9.
#[raw_tracepoint(tracepoint = "mark_victim")]
fn mark_victim(ctx: RawTracePointContext) -> i32 {
    let victim: u64 = ctx.arg(0);
    let tgid = if victim & KERNEL_HALF != 0 { tgid_of(victim).unwrap_or(0) } else { victim as u32 };
    let kind = if tgid == main_tid() {
        ReclaimKind::Killed
    } else if is_child(tgid) {
        ReclaimKind::ChildKilled
    } else {
        return 0;
    };
    let now = now_ns();
    send(kind, Span::single(Kind::Reclaim, tgid, now, now), 0);
    0
}

#[inline(always)]
fn key(kind: ReclaimKind) -> u64 {
    (kind as u64) << 32 | u64::from(current_tid())
}

#[inline(always)]
fn begin(kind: ReclaimKind) -> i32 {
    if current_tgid() == main_tid() {
        let _ = RECLAIMS.insert(key(kind), now_ns(), 0);
    }
    0
}

#[inline(always)]
fn end(kind: ReclaimKind, pages: u64) -> i32 {
    if current_tgid() != main_tid() {
        return 0;
    }
    let key = key(kind);
    // SAFETY: the value is copied out before it is removed, by the thread that put it there.
    let Some(start) = (unsafe { RECLAIMS.get(key) }).copied() else {
        return 0;
    };
    let _ = RECLAIMS.remove(key);
    let now = now_ns();
    let tid = current_tid();
    if now.saturating_sub(start) >= floor_ns() {
        send(kind, Span::single(Kind::Reclaim, tid, start, now), pages);
    } else if tid == main_tid() {
        sum(kind, start, now, pages);
    }
    0
}

#[inline(always)]
fn sum(kind: ReclaimKind, start: u64, now: u64, pages: u64) {
    let Some(window) = RECLAIM_SUMS.get_ptr_mut(kind as u32) else {
        return;
    };
    // SAFETY: only the main thread comes here.
    unsafe {
        if (*window).is_ripe(now) {
            if (*window).busy_ns >= floor_ns() {
                send(kind, (*window).span(Kind::Reclaim, main_tid()), (*window).pages);
            }
            *window = Window::EMPTY;
        }
        (*window).add(start, now, pages);
    }
}

#[inline(always)]
fn send(kind: ReclaimKind, span: Span, pages: u64) {
    emit(&Reclaim { span, kind: kind as u32, reserved: 0, pages });
}
