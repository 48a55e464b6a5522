//! Page faults: hooks in: raw tracepoints `page_fault_user`, `page_fault_kernel`,
//! `mm_page_alloc`, `tlb_flush`; perf software events minor-faults and major-faults of the main thread. Stalls
//! out: [`StallClass::CowFault`], `ZeroFault`, `FileFault`, `HugePage`, summed in windows of 1 ms.

use stallion_probes_common::page_fault::{FaultKind, Faults};
use stallion_timeline::{Stall, StallClass};

use super::from_span;
use crate::server::Server;

const PAGE_BYTES: u64 = 4096;

/// The stall of one long fault, or of a window of short ones.
pub fn stall(event: &Faults, server: &mut Server) -> Option<Stall> {
    let (class, what) = match FaultKind::from_u32(event.kind)? {
        FaultKind::Copy => (StallClass::CowFault, "copy"),
        FaultKind::Reuse => (StallClass::CowFault, "re-use"),
        FaultKind::Zero => (StallClass::ZeroFault, "zero-fill"),
        FaultKind::Huge => (StallClass::HugePage, "huge zero-fill"),
        FaultKind::Split => (StallClass::HugePage, "split"),
        FaultKind::Map => (StallClass::FileFault, "map"),
        FaultKind::Major => (StallClass::FileFault, "major"),
    };
    let mut stall = from_span(class, &event.span, server, what.to_owned());
    let bytes = event.pages.saturating_mul(PAGE_BYTES) as f64;
    let figure = if what == "copy" || what == "split" { "copied_bytes" } else { "allocated_bytes" };
    if event.pages > 0 {
        stall.detail.insert(figure.into(), bytes);
    }
    if event.children > 0 {
        stall.detail.insert("children".into(), f64::from(event.children));
    }
    Some(stall)
}
