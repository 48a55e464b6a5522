//! The store behind the cache, for people.

use stallion_client::summary::store::StoreSummary;

use crate::client::{human_count, human_us};

pub(super) fn print(store: &StoreSummary) {
    let count = |name: &str| store.counts.get(name).copied().unwrap_or(0);
    println!(
        "  store    {} reads ({} a second), {:.0} % busy, at most {} waiting; p50 {}, p99 {}",
        human_count(count("reads") as f64),
        human_count(store.reads_per_sec),
        store.busy * 100.0,
        human_count(store.queue_max as f64),
        human_us(store.latency_us.p50),
        human_us(store.latency_us.p99)
    );
    println!(
        "  stampede at most {} reads of one key at once; {} joined another, {} came early, {} were \
         served stale",
        human_count(store.herd_max as f64),
        human_count(count("joined") as f64),
        human_count(count("early") as f64),
        human_count(count("stale") as f64)
    );
    let (refused, failed) = (count("refused"), count("failed"));
    if refused + failed > 0 {
        println!("  store    {refused} reads found its queue full, {failed} failed");
    }
}
