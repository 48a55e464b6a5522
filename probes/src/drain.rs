//! Empties the ring buffer into stalls. The kernel side wakes nobody: this is called by a timer.
#![cfg(feature = "ebpf")]

use stallion_timeline::Stall;

use crate::attach::Attached;
use crate::server::Server;
use crate::stalls;

/// Events taken at one call: a burst longer than this must not keep the timer from its other
/// duties. At 50 calls a second that is 2 million events a second.
const BATCH: usize = 40_000;

/// Hands every stall that has arrived to `each`.
pub fn drain(attached: &mut Attached, server: &mut Server, mut each: impl FnMut(Stall)) {
    for _ in 0..BATCH {
        let Some(item) = attached.events.next() else {
            return;
        };
        if let Some(stall) = stalls::stall(&item, server) {
            each(stall);
        }
    }
}
