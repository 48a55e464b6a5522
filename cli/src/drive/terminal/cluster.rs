//! A cluster's part of the summary: nodes, hottest slots, redirects, outages.

use stallion_client::summary::Summary;
use stallion_client::summary::cluster::{ClusterSummary, OutageSummary};

use crate::client::{human_count, human_us};

/// Slots that are named on a terminal; `--json` has more.
const HOT_SLOTS: usize = 3;

pub(super) fn print(summary: &Summary, cluster: &ClusterSummary) {
    for node in &cluster.nodes {
        let busy = node
            .server_busy
            .map_or_else(String::new, |busy| format!(", main thread {:.0} % busy", busy * 100.0));
        println!(
            "  node     {}: {} requests ({:.1} %), {} slots{busy}",
            node.share.node,
            human_count(node.share.ops as f64),
            node.ops_share * 100.0,
            node.slots
        );
    }
    for slot in cluster.hot_slots.iter().take(HOT_SLOTS) {
        println!(
            "  slot     {}: {} requests ({:.2} %) at {}",
            slot.share.slot,
            human_count(slot.share.ops as f64),
            slot.ops_share * 100.0,
            slot.node
        );
    }
    let redirects = summary.redirects;
    println!(
        "  redirect {} MOVED, {} ASK, {} TRYAGAIN; the topology was read {} times",
        redirects.moved, redirects.ask, redirects.tryagain, cluster.refreshes
    );
    let again: Vec<String> =
        cluster.again.iter().map(|(kind, count)| format!("{count} after {kind}")).collect();
    if !again.is_empty() {
        println!("  resent   {}", again.join(", "));
    }
    if cluster.overflowed + cluster.gave_up > 0 {
        println!(
            "  bounds   {} requests never sent because too many waited for their node, {} failed \
             after all their retries",
            cluster.overflowed, cluster.gave_up
        );
    }
    if let Some(divided) = cluster.divided {
        println!(
            "  divided  {} requests into {} of one key each; {} failed in part",
            human_count(divided.requests as f64),
            human_count(divided.parts as f64),
            human_count(divided.partly_failed as f64)
        );
    }
    if cluster.not_repeated > 0 {
        println!(
            "  lost     {} requests were not sent again: they might have been done twice",
            human_count(cluster.not_repeated as f64)
        );
    }
    if cluster.unserved_slots > 0 {
        println!("  note     {} slots are served by nobody", cluster.unserved_slots);
    }
    for outage in &cluster.outages {
        println!("  outage   {}", outage_line(outage));
    }
}

fn outage_line(outage: &OutageSummary) -> String {
    let span = format!(
        "{} at {:.2} s: {} slots between {} and {}",
        outage.node, outage.at_s, outage.slots, outage.first_slot, outage.last_slot
    );
    let time = |ms: f64| human_us(ms * 1_000.0);
    match (outage.first_answer_ms, outage.recovery_ms) {
        (Some(first), Some(all)) => {
            format!("{span} failed; first answer after {}, all after {}", time(first), time(all))
        }
        (Some(first), None) => format!(
            "{span} failed; first answer after {}, {} of them were not answered again",
            time(first),
            outage.slots - outage.slots_back
        ),
        (None, _) => format!("{span} failed, and none was answered again"),
    }
}
