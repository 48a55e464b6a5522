//! Memory that the server had to find itself: hooks in: raw tracepoints
//! `mm_vmscan_direct_reclaim_begin/end`, `mm_vmscan_memcg_reclaim_begin/end`,
//! `mm_compaction_begin/end`, `mark_victim`. Stall out: [`StallClass::Reclaim`]; a victim of the
//! OOM killer has no length.

use stallion_probes_common::reclaim::{Reclaim, ReclaimKind};
use stallion_timeline::{Stall, StallClass};

use super::from_span;
use crate::server::Server;

const PAGE_BYTES: u64 = 4096;

/// What a victim of the OOM killer is told as; the report looks for it.
const KILLED: &str = "chosen by the OOM killer";

/// The stall of one long reclaim, of a window of short ones, or of none: a kill.
pub fn stall(event: &Reclaim, server: &mut Server) -> Option<Stall> {
    let what = match ReclaimKind::from_u32(event.kind)? {
        ReclaimKind::Direct => "direct reclaim".to_owned(),
        ReclaimKind::Cgroup => "memory cgroup at its limit".to_owned(),
        ReclaimKind::Compaction => "compaction".to_owned(),
        ReclaimKind::Killed => {
            server.chosen_by_oom_killer = true;
            KILLED.to_owned()
        }
        ReclaimKind::ChildKilled => format!("child {} {KILLED}", event.span.tid),
    };
    let mut stall = from_span(StallClass::Reclaim, &event.span, server, what);
    if event.pages > 0 {
        stall.detail.insert("freed_bytes".into(), event.pages.saturating_mul(PAGE_BYTES) as f64);
    }
    Some(stall)
}
