//! What a kernel offers, and a ring made of the best of it.

use std::io;

use io_uring::{IoUring, Probe, opcode};

use crate::buffers::Buffers;
use stallion_engine::limits::{
    FIRST_RECEIVE_BUFFERS, RECEIVE_BUFFER_BYTES, RECEIVE_BUFFERS, SUBMISSION_QUEUE,
};

/// How the kernel runs a ring's deferred work; each better than the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskWork {
    /// By interrupting the thread.
    Interrupting,
    /// When the thread enters the kernel anyway (5.19).
    Cooperative,
    /// The same, for a ring that one thread alone uses (6.0).
    SingleIssuer,
    /// Only when the thread asks for completions (6.1).
    Deferred,
}

/// What a ring uses of what newer kernels offer. Without any of it a ring runs on Linux 5.19.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// How deferred work is run.
    pub task_work: TaskWork,
    /// One receive request serves until further notice (6.0); else each receive is asked for.
    pub multishot_receive: bool,
    /// One buffer takes several receives (6.12); else each receive takes a buffer whole.
    pub incremental_buffers: bool,
}

impl Features {
    /// Everything.
    pub const ALL: Self =
        Self { task_work: TaskWork::Deferred, multishot_receive: true, incremental_buffers: true };
}

/// A ring and its receive buffers, with as many of the features that are `wanted` as the kernel
/// has, and which ones those are.
pub(super) fn setup(
    wanted: Features,
    completions: u32,
) -> io::Result<(IoUring, Buffers, Features)> {
    let (ring, task_work) = build(wanted.task_work, completions)?;
    let submitter = ring.submitter();
    let multishot_receive = wanted.multishot_receive && has_multishot_receive(&ring);
    let buffers = Buffers::register(
        &submitter,
        (FIRST_RECEIVE_BUFFERS, RECEIVE_BUFFERS),
        RECEIVE_BUFFER_BYTES,
        wanted.incremental_buffers && multishot_receive,
    )?;
    let features =
        Features { task_work, multishot_receive, incremental_buffers: buffers.incremental() };
    Ok((ring, buffers, features))
}

/// No probe names multishot receive; zero-copy send came with the same release (6.0).
fn has_multishot_receive(ring: &IoUring) -> bool {
    let mut probe = Probe::new();
    ring.submitter().register_probe(&mut probe).is_ok() && probe.is_supported(opcode::SendZc::CODE)
}

fn build(best: TaskWork, completions: u32) -> io::Result<(IoUring, TaskWork)> {
    let mut refused = io::Error::from(io::ErrorKind::Unsupported);
    for task_work in
        [TaskWork::Deferred, TaskWork::SingleIssuer, TaskWork::Cooperative, TaskWork::Interrupting]
    {
        if task_work > best {
            continue;
        }
        let mut builder = IoUring::builder();
        builder.setup_cqsize(completions).setup_clamp();
        if task_work >= TaskWork::Cooperative {
            builder.setup_coop_taskrun().setup_taskrun_flag();
        }
        if task_work >= TaskWork::SingleIssuer {
            builder.setup_single_issuer();
        }
        if task_work >= TaskWork::Deferred {
            builder.setup_defer_taskrun();
        }
        match builder.build(SUBMISSION_QUEUE) {
            Ok(ring) => return Ok((ring, task_work)),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}
