//! The parent inside fork: uprobes on libc's `fork`, scoped to the process, cost nothing until it
//! forks; the tracepoints give the child's id as the host sees it, and its end.

use aya_ebpf::macros::{map, raw_tracepoint, uprobe, uretprobe};
use aya_ebpf::maps::HashMap;
use aya_ebpf::programs::{ProbeContext, RawTracePointContext, RetProbeContext};
use stallion_probes_common::fork::Fork;
use stallion_probes_common::{Kind, Span};

use crate::shared::{CHILDREN, current_tgid, current_tid, emit, main_tid, now_ns, tgid_of, tid_of};

/// Whether this is a child that the server forked and that lives.
#[inline(always)]
pub(crate) fn is_child(pid: u32) -> bool {
    CHILD_PIDS.get_ptr(pid).is_some()
}

static mut START_NS: u64 = 0;
static mut LAST_CHILD: u32 = 0;

/// Children alive. More than a few at once means a server that Redis is not.
#[map]
static CHILD_PIDS: HashMap<u32, u64> = HashMap::with_max_entries(64, 0);

#[uprobe]
fn fork_enter(_ctx: ProbeContext) -> u32 {
    if current_tid() == main_tid() {
        // SAFETY: only the main thread comes here.
        unsafe {
            LAST_CHILD = 0;
            START_NS = now_ns();
        }
    }
    0
}

#[uretprobe]
fn fork_return(_ctx: RetProbeContext) -> u32 {
    // The child returns here as well, with another id.
    if current_tid() != main_tid() {
        return 0;
    }
    // SAFETY: only the main thread comes here.
    unsafe {
        if START_NS != 0 {
            emit(&Fork {
                span: Span::single(Kind::Fork, main_tid(), START_NS, now_ns()),
                child: LAST_CHILD,
                reserved: 0,
            });
            START_NS = 0;
        }
    }
    0
}

#[raw_tracepoint(tracepoint = "sched_process_fork")]
fn sched_process_fork(ctx: RawTracePointContext) -> i32 {
    if current_tgid() != main_tid() {
        return 0;
    }
    let child: u64 = ctx.arg(1);
    let (Some(tid), Some(tgid)) = (tid_of(child), tgid_of(child)) else {
        return 0;
    };
    if tgid == main_tid() {
        return 0; // a thread
    }
    if CHILD_PIDS.insert(tid, now_ns(), 0).is_ok() {
        // SAFETY: Redis forks in its main thread only.
        unsafe {
            LAST_CHILD = tid;
            CHILDREN += 1;
        }
    }
    0
}

#[raw_tracepoint(tracepoint = "sched_process_exit")]
fn sched_process_exit(_ctx: RawTracePointContext) -> i32 {
    // SAFETY: reads a word.
    if unsafe { CHILDREN } == 0 {
        return 0;
    }
    if CHILD_PIDS.remove(current_tid()).is_ok() {
        // SAFETY: a child's exit that races with a fork miscounts by one at worst, and the count
        // is only evidence beside the faults.
        unsafe { CHILDREN -= 1 };
    }
    0
}
