//! What a worker is told of its cluster, and how patient its requests are.

use std::sync::Arc;

use crate::cluster::cluster_map::ClusterMap;
use crate::cluster::slots::RequestSlots;
use crate::limits::{MAX_RETRY_PAUSE_NS, MIN_RETRY_PAUSE_NS, SPARE_NODE_POOLS};
use crate::mitigation::Choice;
use crate::units::NodeId;

/// How a worker's requests find their nodes.
#[derive(Debug, Clone)]
pub struct Routing {
    /// What is known of the cluster, by all workers.
    pub cluster_map: Arc<ClusterMap>,
    /// The slots of requests.
    pub slots: RequestSlots,
    /// The nodes that get connections at the start: those that serve slots, and with `reads` their
    /// replicas.
    pub primaries: Vec<NodeId>,
    /// Reads go to replicas: which, and a seed for the choice.
    pub reads: Option<(Choice, u64)>,
    /// Connections of this worker, over all of them.
    pub connections: usize,
    /// Whether passing errors and lost connections are sent again.
    pub retries: bool,
    /// Who serves what never changes: redirects are errors, and no node pool is kept for nodes that come
    /// later.
    pub fixed: bool,
}

impl Routing {
    /// Connections of one node pool.
    #[must_use]
    pub fn pool_size(&self) -> usize {
        self.connections.div_ceil(self.primaries.len().max(1))
    }

    /// Connections that a node pool has at the start.
    #[must_use]
    pub fn used(&self, pool: usize) -> usize {
        let primaries = self.primaries.len();
        if pool >= primaries {
            return 0;
        }
        self.connections / primaries + usize::from(pool < self.connections % primaries)
    }

    /// Connections of all node pools, for nodes that come later, too: as many as the ring needs.
    #[must_use]
    pub fn places(&self) -> usize {
        if self.fixed {
            return self.primaries.len() * self.pool_size();
        }
        (self.primaries.len() * 2 + SPARE_NODE_POOLS) * self.pool_size()
    }
}

/// The pause before a request is sent again that was sent so often.
#[must_use]
pub fn retry_pause_ns(hops: u8) -> u64 {
    (MIN_RETRY_PAUSE_NS << hops.clamp(1, 32).saturating_sub(1)).min(MAX_RETRY_PAUSE_NS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{MAX_HOPS, QUICK_HOPS};

    #[test]
    fn connections_are_shared_out_and_none_is_lost() {
        for (connections, primaries) in [(50, 3), (3, 3), (7, 1), (20, 6)] {
            let routing = Routing {
                cluster_map: Arc::default(),
                slots: RequestSlots::new(1, |_, _| Vec::new()),
                primaries: (0..primaries).map(NodeId).collect(),
                connections,
                retries: true,
                fixed: false,
                reads: None,
            };
            let used: Vec<usize> = (0..20).map(|pool| routing.used(pool)).collect();
            assert_eq!(used.iter().sum::<usize>(), connections);
            assert!(used.iter().all(|used| *used <= routing.pool_size()));
            assert!(routing.places() >= 2 * connections);
            let fixed = Routing { fixed: true, ..routing };
            assert!((connections..2 * connections + 7).contains(&fixed.places()));
        }
    }

    #[test]
    fn all_retries_together_take_about_ten_seconds() {
        assert_eq!((retry_pause_ns(0), retry_pause_ns(1)), (1_000_000, 1_000_000));
        assert_eq!((retry_pause_ns(2), retry_pause_ns(200)), (2_000_000, 256_000_000));
        let all_ns: u64 = (QUICK_HOPS..=MAX_HOPS).map(retry_pause_ns).sum();
        assert!((9_000_000_000..12_000_000_000).contains(&all_ns), "{all_ns}");
    }
}
