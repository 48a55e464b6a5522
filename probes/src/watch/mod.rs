//! One watch from start to end: resolve, attach, stream, sum up.

use std::path::PathBuf;
use std::time::Duration;

use stallion_timeline::{ProbeState, Stall};

use crate::choice::Choice;
use crate::error::ProbeError;
use crate::offsets::Without;
use crate::resolve::Target;
use crate::summary::Summary;

/// What to watch, and for how long.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which servers, all of this host.
    pub targets: Vec<Target>,
    /// Where the timeline goes; none only reports to the caller.
    pub out: Option<PathBuf>,
    /// Ends the watch; without it a signal or the server's end does.
    pub duration: Option<Duration>,
    /// The shortest stretch on the CPU that counts as a stall.
    pub threshold: Duration,
    /// When a server ends, wait for another one at the same port.
    pub follow: bool,
    /// Which probes to attach.
    pub probes: Choice,
    /// What to do without.
    pub without: Without,
}

/// What happens during a watch, as it happens.
#[derive(Debug)]
pub enum Notice<'a> {
    /// The probes are attached to this process, and the timeline has its header.
    Attached {
        /// The host's process id of the server.
        pid: u32,
        /// The port by which it was found, or the first one that it listens on; 0 for none.
        port: u16,
        /// State of each probe.
        states: &'a [ProbeState],
    },
    /// A stall was seen.
    Stall(&'a Stall),
    /// Events were lost.
    Lost(u64),
    /// A server ended.
    ServerEnded(u32),
}

/// Watches as planned, and returns the sums. `ended` is asked 50 times a second whether the caller
/// wants it to end; SIGINT, SIGTERM, the plan's duration and the server's end do so anyway.
///
/// # Errors
/// [`ProbeError`]: no server, no permission, no probe attached, or a timeline that cannot be
/// written. What was seen before is in the timeline then.
#[cfg(not(feature = "ebpf"))]
pub fn watch(
    _plan: &Plan,
    _ended: impl Fn() -> bool,
    _notice: impl FnMut(Notice<'_>),
) -> Result<Summary, ProbeError> {
    Err(ProbeError::NotBuilt)
}

#[cfg(feature = "ebpf")]
mod shard;

#[cfg(feature = "ebpf")]
mod attached;

#[cfg(feature = "ebpf")]
pub use attached::watch;
