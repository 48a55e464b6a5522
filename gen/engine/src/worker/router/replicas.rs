//! Reads that go to replicas: which of them can be asked, and who gets what they cannot answer.

use super::{Reader, Router, Waiting};
use crate::units::NodeId;
use stallion_resp::units::SlotId;

impl Router {
    /// Whether reads go to replicas.
    #[must_use]
    pub const fn reads_replicas(&self) -> bool {
        self.reader.is_some()
    }

    /// A replica that can be asked for a slot; none when there is none, or none is to be asked.
    pub fn replica(&mut self, slot: SlotId) -> Option<NodeId> {
        let owner = self.owner(slot);
        let (nodes, pools) = (&self.nodes, &self.pools);
        let is_open = |id: NodeId| {
            let pool = nodes.get(id.index()).and_then(|node| node.pool);
            pool.is_some_and(|pool| pools[usize::from(pool)].open > 0)
        };
        self.reader.as_mut()?.choose(owner, is_open)
    }

    /// A node answered after so long.
    pub fn note_latency(&mut self, pool: usize, took_ns: u64) {
        if let (Some(reader), Some(node)) = (&mut self.reader, self.pools[pool].node) {
            reader.note_latency(node, took_ns);
        }
    }

    /// Whether a node is read in place of others.
    #[must_use]
    pub fn is_replica(&self, node: NodeId) -> bool {
        self.nodes.get(node.index()).is_some_and(|node| node.reads)
    }

    /// Who is to get a request that waits at a node: this one, or another one meanwhile.
    #[inline]
    pub(super) fn place_of(&self, waiting: &Waiting, at: NodeId) -> NodeId {
        let owner = self.owner(waiting.slot);
        let is_read_here = |reader: &Reader| {
            let pool = self.nodes[at.index()].pool;
            let is_open = pool.is_some_and(|pool| self.pools[usize::from(pool)].open > 0);
            is_open && reader.serves(owner, at)
        };
        let stays =
            waiting.asks || waiting.by_replica && self.reader.as_ref().is_some_and(is_read_here);
        if stays { at } else { owner }
    }

    /// The replicas as the cluster map has them now: they may be newer than the owners, until the next
    /// look, and what one of them does not serve it sends to its primary.
    pub(super) fn look_for_replicas(&mut self) {
        let Some(reader) = &mut self.reader else { return };
        if self.cluster_map.copy_replicas(&mut reader.replicas).is_none() {
            // Being replaced just now: the version is another one at the next look.
            return;
        }
        for replica in reader.replicas.as_flattened() {
            if let Some(node) = self.nodes.get_mut(usize::from(*replica)) {
                node.reads = true;
            }
        }
    }
}
