//! Which node has which connections: the pools, and who moves into one.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;

use super::{Node, Router};
use crate::units::{ConnId, Nanos, NodeId};
use stallion_resp::units::SlotId;

/// The connections of one node.
#[derive(Debug)]
pub(super) struct NodePool {
    pub(super) node: Option<NodeId>,
    /// Of its places, those that are used.
    used: usize,
    /// Connections with room for a request, in turn.
    pub(super) ready: VecDeque<ConnId>,
    /// Connections that are open.
    pub(super) open: usize,
    /// Since when none is open and one was lost or refused, if so.
    down_since: Option<Nanos>,
}

impl NodePool {
    pub(super) fn new(node: Option<NodeId>, used: usize, size: usize) -> Self {
        Self { node, used, ready: VecDeque::with_capacity(size), open: 0, down_since: None }
    }

    /// Whether its node has something to do, or may have.
    fn is_wanted(&self, nodes: &[Node]) -> bool {
        self.node.is_some_and(|node| nodes[node.index()].is_wanted())
    }
}

impl Router {
    /// How many pools there are.
    #[must_use]
    pub fn pools(&self) -> usize {
        self.pools.len()
    }

    /// The connections of a node pool.
    #[must_use]
    pub const fn places(&self, pool: usize) -> Range<u32> {
        (pool * self.pool_size) as u32..((pool + 1) * self.pool_size) as u32
    }

    /// Whether a connection shall be open: its node has something to do, or may have.
    #[must_use]
    pub fn is_wanted(&self, id: ConnId) -> bool {
        let pool = &self.pools[id.index() / self.pool_size];
        id.index() % self.pool_size < pool.used && pool.is_wanted(&self.nodes)
    }

    /// How many connections shall be open and are not.
    #[must_use]
    pub fn missing(&self) -> usize {
        let wanted = self.pools.iter().filter(|pool| pool.is_wanted(&self.nodes));
        wanted.map(|pool| pool.used.saturating_sub(pool.open)).sum()
    }

    /// The address of a node pool's node.
    #[must_use]
    pub fn address(&self, pool: usize) -> Option<SocketAddr> {
        self.pools[pool].node.and_then(|node| self.cluster_map.address(node))
    }

    /// A node that wants a node pool and has none.
    #[must_use]
    pub fn without_pool(&self) -> Option<NodeId> {
        let lacks_pool = |node: &Node| node.pool.is_none() && node.is_wanted();
        self.nodes.iter().position(lacks_pool).map(|id| NodeId(id as u16))
    }

    /// A node pool that can be had: an empty one, else one whose node has nothing to do.
    #[must_use]
    pub fn spare_pool(&self) -> Option<usize> {
        let has_none = |pool: &NodePool| pool.node.is_none();
        let is_idle = |pool: &NodePool| !pool.is_wanted(&self.nodes);
        let pools = &self.pools;
        pools.iter().position(has_none).or_else(|| pools.iter().position(is_idle))
    }

    /// Gives a node pool to a node.
    pub fn move_in(&mut self, pool: usize, node: NodeId) {
        if let Some(before) = self.pools[pool].node.replace(node) {
            self.nodes[before.index()].pool = None;
        }
        self.pools[pool].used = self.pool_size;
        self.pools[pool].ready.clear();
        (self.pools[pool].open, self.pools[pool].down_since) = (0, None);
        self.nodes[node.index()].pool = Some(pool as u16);
    }

    /// A connection of a node pool was opened.
    pub fn opened(&mut self, pool: usize) {
        self.pools[pool].open += 1;
        self.pools[pool].down_since = None;
    }

    /// One was closed. With the last one of a replica what waits for it goes to the primary.
    pub fn closed(&mut self, pool: usize) {
        let pool = &mut self.pools[pool];
        pool.open = pool.open.saturating_sub(1);
        if let (0, Some(node), true) = (pool.open, pool.node, self.reader.is_some()) {
            self.sort_out(node.index());
        }
    }

    /// A connection of a node pool was lost or refused. With none open the slots of what waits for its
    /// node are out, though none of these requests has failed: nobody is there to fail them.
    pub fn look_whether_down(&mut self, pool: usize, now: Nanos) {
        let pool = &mut self.pools[pool];
        let is_new = pool.open == 0 && pool.down_since.is_none() && pool.is_wanted(&self.nodes);
        let Some(node) = pool.node.filter(|_| is_new) else { return };
        pool.down_since = Some(now);
        let Node { fresh, again, .. } = &self.nodes[node.index()];
        for waiting in self.waiting.each(again).chain(self.waiting.each(fresh)) {
            self.outages.failed(node, waiting.slot, now);
        }
    }

    /// A request is to be kept for a node: its slot is out when the node is down.
    pub(super) fn look_whether_out(&mut self, node: NodeId, slot: SlotId, now: Nanos) {
        let pool = self.nodes[node.index()].pool;
        if pool.is_some_and(|pool| self.pools[usize::from(pool)].down_since.is_some()) {
            self.outages.failed(node, slot, now);
        }
    }

    /// Nodes of which nothing is wanted have no connections for that reason: what they were is over.
    pub(super) fn forgive_unwanted(&mut self) {
        for pool in self.pools.iter_mut().filter(|pool| !pool.is_wanted(&self.nodes)) {
            pool.down_since = None;
        }
    }

    /// Whether requests that were never sent wait for a node that is down for so long.
    #[must_use]
    pub fn is_deserted(&self, now: Nanos, patience_ns: u64) -> bool {
        self.pools.iter().any(|pool| {
            let waits = |node: NodeId| !self.nodes[node.index()].fresh.is_empty();
            let is_down = |since: Nanos| now.since(since) >= patience_ns;
            pool.down_since.is_some_and(is_down) && pool.node.is_some_and(waits)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cluster::cluster_map::ClusterMap;
    use crate::cluster::slots::RequestSlots;
    use crate::worker::routing::Routing;
    use crate::worker::waiting::Waiting;
    use stallion_resp::op::Op;
    use stallion_resp::units::{CommandId, KeyId};

    fn router() -> Router {
        let address = SocketAddr::from(([127, 0, 0, 1], 6379));
        Router::new(Routing {
            cluster_map: Arc::new(ClusterMap::fixed(&[address]).unwrap()),
            slots: RequestSlots::new(1, |_, key| key.0.to_string().into_bytes()),
            primaries: vec![NodeId(0)],
            reads: None,
            connections: 2,
            retries: true,
            fixed: true,
        })
    }

    #[test]
    fn a_node_that_dies_while_it_has_nothing_to_do_is_out_for_those_who_come_then() {
        let mut router = router();
        let op = Op { command: CommandId(0), nonce: 0, key: KeyId(5), ttl_s: 0 };
        let (first, second) = (SlotId(7), SlotId(9));
        router.look_whether_out(NodeId(0), first, Nanos(10));
        assert!(router.outages.is_empty(), "a node that was never reached is not down");
        router.opened(0);
        router.opened(0);
        router.closed(0);
        router.look_whether_down(0, Nanos(20));
        router.look_whether_out(NodeId(0), first, Nanos(20));
        assert!(router.outages.is_empty(), "one connection is open");
        assert!(router.keep_fresh(
            NodeId(0),
            Waiting::fresh(op, first, Nanos(25)),
            true,
            Nanos(25)
        ));
        router.closed(0);
        router.look_whether_down(0, Nanos(30));
        router.look_whether_out(NodeId(0), second, Nanos(40));
        router.look_whether_out(NodeId(0), first, Nanos(50));
        assert!(router.is_deserted(Nanos(130), 100) && !router.is_deserted(Nanos(120), 100));
        assert_eq!(router.missing(), 2);
        router.opened(0);
        assert_eq!((router.missing(), router.is_deserted(Nanos(999), 100)), (1, false));
        router.look_whether_out(NodeId(0), SlotId(11), Nanos(60));
        assert_eq!(router.outages.answered(first, Nanos(70)), None);
        let over = router.outages.answered(second, Nanos(80)).unwrap();
        assert_eq!((over.node, over.slots, over.start), (NodeId(0), 2, Nanos(30)));
    }
}
