//! Which node of a cluster a request goes to, and what waits for it there. Pure state: the dispatcher
//! acts on what this says.
//!
//! The connections of a worker are divided into pools of equal size, one for each node; a node that
//! serves nothing any more gives its node pool up to one that has none.

mod node_pools;

mod replicas;

mod leftovers;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use super::outages::Outages;
use super::replica_reader::Reader;
use super::routing::Routing;
use super::waiting::{Queue, Waiting, WaitingPool};
use crate::cluster::cluster_map::{ClusterMap, NO_NODE, Table};
use crate::cluster::slots::RequestSlots;
use crate::limits::{MAX_NODES, MAX_WAITING, MAX_WAITING_PER_NODE};
use crate::units::{ConnId, Nanos, NodeId};
use node_pools::NodePool;
use stallion_resp::op::Op;
use stallion_resp::units::SLOTS;
use stallion_resp::units::SlotId;

/// A node as a worker sees it.
#[derive(Debug, Clone, Copy)]
struct Node {
    /// Slots that it serves.
    owned: u32,
    /// Reads of another one's slots go to it.
    reads: bool,
    pool: Option<u16>,
    /// Not sent yet.
    fresh: Queue,
    /// Sent before.
    again: Queue,
}

impl Node {
    const NEW: Self =
        Self { owned: 0, reads: false, pool: None, fresh: Queue::EMPTY, again: Queue::EMPTY };

    const fn is_wanted(&self) -> bool {
        self.owned > 0 || self.reads || !self.fresh.is_empty() || !self.again.is_empty()
    }
}

/// The router of one worker.
#[derive(Debug)]
pub struct Router {
    cluster_map: Arc<ClusterMap>,
    slots: RequestSlots,
    retries: bool,
    fixed: bool,
    /// Who serves each slot, as far as this worker knows: MOVED changes it at once.
    table: Box<Table>,
    scratch: Box<Table>,
    version: u64,
    nodes: Box<[Node]>,
    pools: Vec<NodePool>,
    pool_size: usize,
    waiting: WaitingPool,
    /// Requests that wait and are to be sent again at a time; the number keeps their order.
    delayed: BinaryHeap<Reverse<(Nanos, u64, u32)>>,
    numbered: u64,
    fresh: usize,
    /// A node wants a node pool, or a node pool its connections.
    unsettled: bool,
    /// Who serves all slots, if one does.
    sole: Option<NodeId>,
    /// Places that what has not been sent yet must leave to what was begun.
    reserved: usize,
    /// The slots that fail.
    pub outages: Outages,
    /// Which replicas are read, if any are.
    reader: Option<Reader>,
}

impl Router {
    /// A router whose first pools are those of the primaries.
    #[must_use]
    pub fn new(routing: Routing) -> Self {
        let pool_size = routing.pool_size();
        let count = routing.places() / pool_size.max(1);
        let pools = (0..count).map(|pool| {
            let node = routing.primaries.get(pool).copied();
            NodePool::new(node, routing.used(pool), pool_size)
        });
        let mut router = Self {
            pools: pools.collect(),
            cluster_map: routing.cluster_map,
            slots: routing.slots,
            retries: routing.retries,
            fixed: routing.fixed,
            table: Box::new([NO_NODE; SLOTS as usize]),
            scratch: Box::new([NO_NODE; SLOTS as usize]),
            version: u64::MAX,
            nodes: vec![Node::NEW; MAX_NODES].into(),
            pool_size,
            waiting: WaitingPool::default(),
            delayed: BinaryHeap::with_capacity(MAX_WAITING),
            numbered: 0,
            fresh: 0,
            unsettled: true,
            sole: None,
            reserved: 0,
            outages: Outages::default(),
            reader: routing.reads.map(|(choice, seed)| Reader::new(choice, seed)),
        };
        for (pool, primary) in routing.primaries.iter().enumerate() {
            router.nodes[primary.index()].pool = Some(pool as u16);
        }
        router.look();
        router
    }

    /// The slot of a request.
    #[inline]
    #[must_use]
    pub fn slot(&self, op: Op) -> SlotId {
        self.slots.of(op.command, op.key)
    }

    /// Who serves a slot. Of one that nobody serves the node with the first node pool is asked, whose
    /// answer says so.
    #[inline]
    #[must_use]
    pub fn owner(&self, slot: SlotId) -> NodeId {
        match self.table[slot.index()] {
            NO_NODE => self.pools.iter().find_map(|pool| pool.node).unwrap_or_default(),
            owner => NodeId(u16::from(owner)),
        }
    }

    /// The node pool of the node that serves all slots, if one does and nothing waits: requests need no
    /// choice then.
    #[inline]
    #[must_use]
    pub fn sole_pool(&self) -> Option<usize> {
        self.sole.filter(|_| self.waiting.is_empty()).and_then(|node| self.pool(node))
    }

    /// The connections of a node pool with room for a request, and the slots of requests.
    #[inline]
    pub fn lane(&mut self, pool: usize) -> (&mut VecDeque<ConnId>, &RequestSlots) {
        (&mut self.pools[pool].ready, &self.slots)
    }

    fn find_sole(&mut self) {
        let serves_all = |node: &Node| node.owned == u32::from(SLOTS);
        self.sole = self.nodes.iter().position(serves_all).map(|id| NodeId(id as u16));
    }

    /// Whether passing errors and lost connections are sent again.
    #[must_use]
    pub const fn retries(&self) -> bool {
        self.retries
    }

    /// Whether redirects are followed.
    #[must_use]
    pub const fn follows(&self) -> bool {
        !self.fixed
    }

    /// The node of a node pool.
    #[must_use]
    pub fn node(&self, pool: usize) -> Option<NodeId> {
        self.pools[pool].node
    }

    /// The node pool of a node; none while it has none.
    #[inline]
    #[must_use]
    pub fn pool(&self, node: NodeId) -> Option<usize> {
        self.nodes.get(node.index()).and_then(|node| node.pool).map(usize::from)
    }

    /// Connections of a node pool with room for a request, in turn.
    #[inline]
    pub fn ready(&mut self, pool: usize) -> &mut VecDeque<ConnId> {
        &mut self.pools[pool].ready
    }

    /// Requests that wait and have never been sent.
    #[must_use]
    pub const fn fresh(&self) -> usize {
        self.fresh
    }

    /// Whether nothing waits for a node.
    #[inline]
    #[must_use]
    pub fn is_idle(&self, node: NodeId) -> bool {
        let node = &self.nodes[node.index()];
        node.fresh.is_empty() && node.again.is_empty()
    }

    /// Leaves so many places to the parts of requests that were begun.
    pub const fn reserve(&mut self, places: usize) {
        self.reserved = places;
    }

    /// Whether so many requests find places.
    #[inline]
    #[must_use]
    pub const fn has_room_for(&self, count: usize) -> bool {
        self.waiting.room() >= count
    }

    /// How many requests that have not been sent find places.
    #[inline]
    #[must_use]
    pub const fn spare(&self) -> usize {
        self.waiting.room().saturating_sub(self.reserved)
    }

    /// Whether something that was sent before waits for a node.
    #[inline]
    #[must_use]
    pub fn has_resent(&self, node: NodeId) -> bool {
        !self.nodes[node.index()].again.is_empty()
    }

    /// Keeps a request that has not been sent; `bounded` says that what is too much is dropped.
    /// False when it was.
    #[inline]
    #[must_use]
    pub fn keep_fresh(
        &mut self,
        node: NodeId,
        waiting: Waiting,
        bounded: bool,
        now: Nanos,
    ) -> bool {
        self.look_whether_out(node, waiting.slot, now);
        let spare = self.spare();
        let queue = &mut self.nodes[node.index()].fresh;
        let fits = spare > 0 && (!bounded || queue.len() < MAX_WAITING_PER_NODE);
        let kept = fits && self.waiting.push(queue, waiting);
        self.fresh += usize::from(kept);
        self.unsettled |= self.nodes[node.index()].pool.is_none();
        kept
    }

    /// Keeps a request that was sent before, for a node. False when there is no place.
    #[must_use]
    pub fn keep_again(&mut self, node: NodeId, waiting: Waiting, now: Nanos) -> bool {
        self.look_whether_out(node, waiting.slot, now);
        self.unsettled |= self.nodes[node.index()].pool.is_none();
        self.waiting.push(&mut self.nodes[node.index()].again, waiting)
    }

    /// Keeps a request that was sent before until a time. False when there is no place.
    #[must_use]
    pub fn delay(&mut self, waiting: Waiting, until: Nanos) -> bool {
        let Some(place) = self.waiting.keep(waiting) else { return false };
        self.numbered += 1;
        self.delayed.push(Reverse((until, self.numbered, place)));
        true
    }

    /// When the next delayed request is to be sent.
    #[inline]
    #[must_use]
    pub fn next_delayed(&self) -> Nanos {
        self.delayed.peek().map_or(Nanos::NEVER, |Reverse((until, ..))| *until)
    }

    /// Gives the delayed requests whose time has come to the nodes that serve them now.
    pub fn wake(&mut self, now: Nanos) {
        while self.next_delayed() <= now {
            let Some(Reverse((_, _, place))) = self.delayed.pop() else { return };
            let waiting = self.waiting.release(place);
            let node = self.owner(waiting.slot);
            // The place that was just released is free.
            let _ = self.keep_again(node, waiting, now);
        }
    }

    /// The next request for the node of a node pool: those sent before first, others if `fresh`. One
    /// whose slot has moved since is passed on.
    #[inline]
    pub fn take(&mut self, pool: usize, fresh: bool) -> Option<Waiting> {
        let id = self.pools[pool].node?;
        loop {
            let node = &mut self.nodes[id.index()];
            let (queue, is_fresh) = match node.again.is_empty() {
                false => (&mut node.again, false),
                true if fresh => (&mut node.fresh, true),
                true => return None,
            };
            let waiting = self.waiting.pop(queue)?;
            let owner = self.place_of(&waiting, id);
            if owner == id {
                self.fresh -= usize::from(is_fresh);
                return Some(waiting);
            }
            self.pass_on(owner, waiting, is_fresh);
        }
    }

    /// Moves a request that was just taken out of a queue, so that there is a place for it.
    fn pass_on(&mut self, owner: NodeId, waiting: Waiting, is_fresh: bool) {
        let node = &mut self.nodes[owner.index()];
        self.unsettled |= node.pool.is_none();
        let queue = if is_fresh { &mut node.fresh } else { &mut node.again };
        let _ = self.waiting.push(queue, waiting);
    }

    /// Takes the newest topology from the cluster map, if this is not it. What waits for a node that
    /// has lost its slot goes to the new one.
    pub fn look(&mut self) {
        if self.cluster_map.version() == self.version {
            return;
        }
        let Some(version) = self.cluster_map.copy(&mut self.scratch) else { return };
        self.version = version;
        std::mem::swap(&mut self.table, &mut self.scratch);
        self.unsettled = true;
        for node in &mut self.nodes {
            (node.owned, node.reads) = (0, false);
        }
        self.look_for_replicas();
        for owner in self.table.iter().filter(|owner| **owner != NO_NODE) {
            self.nodes[usize::from(*owner)].owned += 1;
        }
        self.find_sole();
        for id in 0..self.nodes.len() {
            self.sort_out(id);
        }
        self.forgive_unwanted();
    }

    fn sort_out(&mut self, id: usize) {
        for is_fresh in [false, true] {
            let node = &mut self.nodes[id];
            let queue = if is_fresh { &mut node.fresh } else { &mut node.again };
            for _ in 0..queue.len() {
                let node = &mut self.nodes[id];
                let queue = if is_fresh { &mut node.fresh } else { &mut node.again };
                let Some(waiting) = self.waiting.pop(queue) else { return };
                let owner = self.place_of(&waiting, NodeId(id as u16));
                self.pass_on(owner, waiting, is_fresh);
            }
        }
    }

    /// A node said that a slot is served by another one from now on.
    pub fn patch(&mut self, slot: SlotId, owner: NodeId) {
        let place = &mut self.table[slot.index()];
        let before = std::mem::replace(place, owner.0 as u8);
        if let Some(node) = self.nodes.get_mut(usize::from(before)) {
            node.owned -= 1;
        }
        let node = &mut self.nodes[owner.index()];
        self.unsettled |= node.pool.is_none() || !node.is_wanted();
        node.owned += 1;
        self.find_sole();
    }

    /// The number of a node's address; none when there are too many nodes.
    #[must_use]
    pub fn number(&self, address: SocketAddr) -> Option<NodeId> {
        self.cluster_map.number(address)
    }

    /// Wants the topology to be looked at again.
    pub fn want_refresh(&self) {
        self.cluster_map.want_refresh();
    }

    /// Whether there is something to settle, which is thereby taken on.
    #[must_use]
    pub fn take_unsettled(&mut self) -> bool {
        std::mem::take(&mut self.unsettled)
    }
}
