//! fork: hooks in: uprobe and uretprobe on libc `fork`; raw tracepoints `sched_process_fork`,
//! `sched_process_exit`. Stall out: [`StallClass::Fork`], the time the parent was inside.

use stallion_probes_common::fork::Fork;
use stallion_timeline::{Stall, StallClass};

use super::from_span;
use crate::server::Server;

/// The stall of one fork.
pub fn stall(event: &Fork, server: &mut Server) -> Stall {
    let what = match event.child {
        0 => String::new(),
        child => format!("child {child}"),
    };
    server.note_exact(&event.span);
    let resident_bytes = server.resident_bytes();
    let mut stall = from_span(StallClass::Fork, &event.span, server, what);
    stall.detail.insert("child".into(), f64::from(event.child));
    stall.detail.insert("resident_bytes".into(), resident_bytes as f64);
    stall
}
