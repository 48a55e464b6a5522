//! Stalls: what the probes see.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kinds of stall.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum StallClass {
    /// The parent inside fork.
    Fork,
    /// Copy-on-write faults after a fork.
    CowFault,
    /// Faults that zero-fill a new page.
    ZeroFault,
    /// Faults on file-backed pages, and major faults.
    FileFault,
    /// Splits and collapses of huge pages.
    HugePage,
    /// fsync or fdatasync.
    Fsync,
    /// write of the append-only file.
    AofWrite,
    /// The main thread waiting for a background thread's fsync.
    FsyncWait,
    /// A slow system call that has no class of its own.
    Syscall,
    /// Runnable, and not running: somebody else had the core.
    RunQueue,
    /// Runnable, and kept off the core by the cgroup's CPU quota.
    Throttle,
    /// Blocked outside of the event loop's wait, in a lock or another wait.
    OffCpu,
    /// A block device's request.
    BlockIo,
    /// Direct reclaim, compaction or a memory cgroup's limit.
    Reclaim,
    /// Stopped by a signal.
    Stopped,
    /// Stopped by a tracer, such as gdb or strace.
    Traced,
    /// Frozen by the cgroup's freezer, as `docker pause` does.
    Frozen,
    /// The server's process ended; an instant.
    Exited,
    /// Interrupts and softirqs on the shard's core.
    Softirq,
    /// Retransmits and zero windows of the shard's sockets.
    Network,
    /// The event loop on the CPU in one command or job.
    Command,
}

/// Which thread of the server a stall belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThreadRole {
    /// The thread that runs the event loop.
    Main,
    /// A background thread (bio_*, io_thd_*, jemalloc).
    Background,
    /// A forked child (RDB or AOF rewrite).
    Child,
}

/// Time in which a thread of the server could not go on.
///
/// Stalls may nest (a copy-on-write fault inside a slow read); a reader applies its precedence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stall {
    /// What kind.
    pub class: StallClass,
    /// Process id of the server as the host sees it.
    pub pid: u32,
    /// The port by which the server is known; 0 when it is not.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub port: u16,
    /// The thread, as the host sees it.
    pub tid: u32,
    /// What that thread is.
    pub thread: ThreadRole,
    /// Start of the stall, or of the window in which many small ones were summed.
    pub start_ns: u64,
    /// Its end.
    pub end_ns: u64,
    /// Stalled time within; `end_ns - start_ns` for a single stall, less for a sum.
    pub busy_ns: u64,
    /// How many stalls were summed; 1 for a single one.
    pub count: u64,
    /// What it was about: a syscall's name, the thread that had the core, a command.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub what: String,
    /// Further figures, for example `{"copied_bytes": 4096}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub detail: BTreeMap<String, f64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(port: &u16) -> bool {
    *port == 0
}
