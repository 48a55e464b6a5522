//! Softirqs on the main thread's time: hooks in: raw tracepoints `softirq_entry`, `softirq_exit`.
//! Stall out: [`StallClass::Softirq`], summed in windows of 1 ms by vector.

use stallion_probes_common::softirq::Softirq;
use stallion_timeline::{Stall, StallClass};

use super::from_span;
use crate::server::Server;

/// Names by number, as in /proc/softirqs.
const VECTORS: [&str; 10] = [
    "high-priority tasklets",
    "timers",
    "network send",
    "network receive",
    "block devices",
    "interrupt polling",
    "tasklets",
    "scheduler",
    "high-resolution timers",
    "RCU",
];

/// The stall of one long softirq, or of a window of short ones.
pub fn stall(event: &Softirq, server: &mut Server) -> Stall {
    let name = usize::try_from(event.vector).ok().and_then(|number| VECTORS.get(number));
    let what =
        name.map_or_else(|| format!("softirq {}", event.vector), |name| format!("softirq: {name}"));
    from_span(StallClass::Softirq, &event.span, server, what)
}
