//! fsync and fdatasync by uprobes on libc, scoped to the process: free until called. (Attaching to
//! the `syscalls:` tracepoints would add 0.1 µs to every system call of the host.)

use aya_ebpf::macros::{map, uprobe, uretprobe};
use aya_ebpf::maps::HashMap;
use aya_ebpf::programs::{ProbeContext, RetProbeContext};
use stallion_probes_common::fsync::Sync;
use stallion_probes_common::{Kind, Span, Window};

use crate::block_io;
use crate::shared::{
    BACKGROUND_SYNC_NS, current_tgid, current_tid, emit, floor_ns, main_tid, now_ns, probed_address,
};

/// A call in progress.
#[repr(C)]
#[derive(Clone, Copy)]
struct Call {
    start_ns: u64,
    function: u64,
    fd: u64,
}

/// Short calls of the main thread.
static mut WINDOW: Window = Window::EMPTY;

/// By thread. Redis has a handful of threads.
#[map]
static CALLS: HashMap<u32, Call> = HashMap::with_max_entries(256, 0);

#[uprobe]
fn sync_enter(ctx: ProbeContext) -> u32 {
    if current_tgid() != main_tid() {
        return 0;
    }
    let tid = current_tid();
    let call = Call {
        start_ns: now_ns(),
        function: probed_address(ctx.regs),
        fd: ctx.arg::<u64>(0).unwrap_or(u64::MAX) & 0xffff_ffff,
    };
    let _ = CALLS.insert(tid, call, 0);
    block_io::sync_begins(tid, call.start_ns);
    if tid != main_tid() {
        // SAFETY: one thread at most syncs in the background, bio_aof.
        unsafe { BACKGROUND_SYNC_NS = call.start_ns };
    }
    0
}

#[uretprobe]
fn sync_return(_ctx: RetProbeContext) -> u32 {
    let tid = current_tid();
    // SAFETY: the value is copied out before it is removed, by the thread that put it there.
    let Some(call) = (unsafe { CALLS.get(tid) }).copied() else {
        return 0;
    };
    let _ = CALLS.remove(tid);
    let now = now_ns();
    block_io::sync_ends(tid, now);
    if tid != main_tid() {
        // SAFETY: as in `sync_enter`.
        unsafe { BACKGROUND_SYNC_NS = 0 };
    }
    if now.saturating_sub(call.start_ns) >= floor_ns() {
        send(Span::single(Kind::Sync, tid, call.start_ns, now), &call);
    } else if tid == main_tid() {
        sum(&call, now);
    }
    0
}

/// `appendfsync always` on a fast disk: thousands of short calls a second.
#[inline(always)]
fn sum(call: &Call, now: u64) {
    // SAFETY: only the main thread comes here.
    unsafe {
        let window = &raw mut WINDOW;
        if (*window).is_ripe(now) {
            if (*window).busy_ns >= floor_ns() {
                send((*window).span(Kind::Sync, main_tid()), call);
            }
            *window = Window::EMPTY;
        }
        (*window).add(call.start_ns, now, 0);
    }
}

#[inline(always)]
fn send(span: Span, call: &Call) {
    emit(&Sync { span, function: call.function, fd: call.fd });
}
