//! A client-side ring, for people.

use stallion_client::summary::ring::RingSummary;

use crate::client::human_count;

pub(super) fn print(ring: &RingSummary) {
    for node in &ring.nodes {
        println!(
            "  node     {}: {} requests ({:.1} %)",
            node.node,
            human_count(node.ops as f64),
            node.ops_share * 100.0
        );
    }
    if let Some(moved) = ring.moved_without_last {
        println!("  moved    {:.1} % of the keys if the last server were gone", moved * 100.0);
    }
    if let Some(moved) = ring.moved_to_compared {
        println!("  moved    {:.1} % of the keys with the list of --ring-compare", moved * 100.0);
    }
}
