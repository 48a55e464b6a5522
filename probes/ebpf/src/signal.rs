//! Signals that the server is sent, by whom, and the end of its process.

use aya_ebpf::helpers::bpf_get_current_comm;
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use stallion_probes_common::exit::Exit;
use stallion_probes_common::scheduler::COMM_LEN;
use stallion_probes_common::{Kind, Span};

use crate::shared::{
    TaskField, after, current_task, current_tgid, current_tid, emit, main_tid, now_ns, read_field, tgid_of,
};

/// A signal, and who sent it.
#[derive(Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) signal: u32,
    pub(crate) tid: u32,
    pub(crate) comm: [u8; COMM_LEN],
}

const NONE: Sent = Sent { signal: 0, tid: 0, comm: [0; COMM_LEN] };

/// SIGSTOP, SIGTSTP, SIGTTIN and SIGTTOU have one range of numbers on x86 and Arm.
const STOPS: core::ops::RangeInclusive<u32> = 19..=22;

static mut LAST_STOP: Sent = NONE;
static mut LAST: Sent = NONE;

/// The last signal that stops.
#[inline(always)]
pub(crate) fn last_stop() -> Sent {
    // SAFETY: the signal was sent before it takes effect.
    unsafe { LAST_STOP }
}

#[raw_tracepoint(tracepoint = "signal_generate")]
fn signal_generate(ctx: RawTracePointContext) -> i32 {
    // Arguments: signal, siginfo, task, to the group, result.
    if tgid_of(ctx.arg(2)) != Some(main_tid()) {
        return 0;
    }
    let sent = Sent {
        signal: ctx.arg::<u32>(0),
        tid: current_tgid(),
        comm: bpf_get_current_comm().unwrap_or([0; COMM_LEN]),
    };
    // SAFETY: signals to one process are sent under its lock.
    unsafe {
        if STOPS.contains(&sent.signal) {
            LAST_STOP = sent;
        } else {
            LAST = sent;
        }
    }
    0
}

/// Fires for every thread of the host that ends; the main thread ends with its process.
#[raw_tracepoint(tracepoint = "sched_process_exit")]
fn server_exit(_ctx: RawTracePointContext) -> i32 {
    if current_tid() == main_tid() {
        exits();
    }
    0
}

#[inline(always)]
fn exits() {
    let now = now_ns();
    let code = read_field::<u32>(current_task(), after(TaskField::ExitCode)).unwrap_or(u32::MAX);
    // SAFETY: as in `last_stop`.
    let sent = unsafe { LAST };
    emit(&Exit {
        span: Span::single(Kind::Exit, main_tid(), now, now),
        code,
        sender_tid: sent.tid,
        signal: sent.signal,
        reserved: 0,
        sender_comm: sent.comm,
    });
}
