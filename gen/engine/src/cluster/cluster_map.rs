//! What all workers and the control thread know of a cluster: its nodes' addresses, who serves each
//! slot, and whether somebody wants to know it anew. Atomics only: a worker never waits.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering, fence};

use super::slot_map::SlotMap;
use crate::limits::{MAX_NODES, MAX_REPLICAS};
use crate::units::NodeId;
use stallion_resp::units::SLOTS;
use stallion_resp::units::SlotId;

/// In a table of owners: nobody serves the slot.
pub const NO_NODE: u8 = u8::MAX;

/// Who serves each slot, by the node's number on the cluster_map.
pub type Table = [u8; SLOTS as usize];

/// Who has a copy of each node's slots, by numbers on the cluster map; [`NO_NODE`] where there is none.
pub type Replicas = [[u8; MAX_REPLICAS]; MAX_NODES];

/// The cluster map of one run.
#[derive(Debug)]
pub struct ClusterMap {
    /// Every node ever met; a number once given is never given again.
    nodes: Box<[OnceLock<SocketAddr>]>,
    owners: Box<[AtomicU8]>,
    /// The replicas of each node, [`MAX_REPLICAS`] places for each.
    replicas: Box<[AtomicU8]>,
    /// How often the owners were replaced, times two; odd while they are.
    version: AtomicU64,
    wanted: AtomicBool,
    refreshes: AtomicU64,
}

impl Default for ClusterMap {
    fn default() -> Self {
        Self {
            nodes: (0..MAX_NODES).map(|_| OnceLock::new()).collect(),
            owners: (0..SLOTS).map(|_| AtomicU8::new(NO_NODE)).collect(),
            replicas: (0..MAX_NODES * MAX_REPLICAS).map(|_| AtomicU8::new(NO_NODE)).collect(),
            version: AtomicU64::new(0),
            wanted: AtomicBool::new(false),
            refreshes: AtomicU64::new(0),
        }
    }
}

impl ClusterMap {
    /// The number of a node, which gets one if it has none; none when there are too many.
    #[must_use]
    pub fn number(&self, address: SocketAddr) -> Option<NodeId> {
        for (index, place) in self.nodes.iter().enumerate() {
            // Two workers may meet the same node at the same time: one of them writes it.
            if *place.get_or_init(|| address) == address {
                return Some(NodeId(index as u16));
            }
        }
        None
    }

    /// A node's address.
    #[must_use]
    pub fn address(&self, node: NodeId) -> Option<SocketAddr> {
        self.nodes.get(node.index()).and_then(OnceLock::get).copied()
    }

    /// All addresses, in the order of their numbers.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map_while(OnceLock::get).copied().collect()
    }

    /// Replaces the owners of all slots. `addresses` are those of the map's nodes, none where a
    /// name has no address now. One thread publishes.
    pub fn publish(&self, map: &SlotMap, addresses: &[Option<SocketAddr>]) {
        let numbers: Vec<u8> = addresses
            .iter()
            .map(|address| address.and_then(|address| self.number(address)))
            .map(|node| node.map_or(NO_NODE, |node| node.0 as u8))
            .collect();
        let number = |id: NodeId| numbers.get(id.index()).copied().unwrap_or(NO_NODE);
        let replicas = map.replicas_of_all().map(|(primary, replicas)| {
            (number(primary), replicas.iter().map(|replica| number(*replica)))
        });
        self.replace(|slot| map.primary(slot).map_or(NO_NODE, number), replicas);
    }

    /// A cluster map of servers that serve what they serve from the beginning to the end: the first slots
    /// are theirs, one each, and all others the last one's. None when there are too many servers.
    #[must_use]
    pub fn fixed(addresses: &[SocketAddr]) -> Option<Self> {
        let cluster_map = Self::default();
        let numbers: Option<Vec<u8>> = addresses
            .iter()
            .map(|address| cluster_map.number(*address).map(|node| node.0 as u8))
            .collect();
        let numbers = numbers?;
        let last = numbers.last().copied().unwrap_or(NO_NODE);
        let none = std::iter::empty::<(u8, std::iter::Empty<u8>)>();
        cluster_map.replace(|slot| numbers.get(slot.index()).copied().unwrap_or(last), none);
        Some(cluster_map)
    }

    fn replace(
        &self,
        number_of: impl Fn(SlotId) -> u8,
        replicas: impl Iterator<Item = (u8, impl Iterator<Item = u8>)>,
    ) {
        let before = self.version.load(Ordering::Relaxed);
        self.version.store(before + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        for (slot, owner) in self.owners.iter().enumerate() {
            owner.store(number_of(SlotId(slot as u16)), Ordering::Relaxed);
        }
        for place in &self.replicas {
            place.store(NO_NODE, Ordering::Relaxed);
        }
        for (primary, replicas) in replicas {
            let first = usize::from(primary) * MAX_REPLICAS;
            let places = self.replicas.iter().skip(first).take(MAX_REPLICAS);
            for (place, replica) in places.zip(replicas) {
                place.store(replica, Ordering::Relaxed);
            }
        }
        self.version.store(before + 2, Ordering::Release);
        self.refreshes.fetch_add(1, Ordering::Relaxed);
    }

    /// Which owners these are: changes with each [`ClusterMap::publish`].
    #[inline]
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Copies the owners of all slots, and says which version they are; none while they are being
    /// replaced: look again later.
    #[must_use]
    pub fn copy(&self, table: &mut Table) -> Option<u64> {
        let before = self.version();
        for (owner, place) in self.owners.iter().zip(table) {
            *place = owner.load(Ordering::Relaxed);
        }
        fence(Ordering::Acquire);
        (before.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == before)
            .then_some(before)
    }

    /// The replicas of all nodes, as [`ClusterMap::copy`] the owners.
    #[must_use]
    pub fn copy_replicas(&self, replicas: &mut Replicas) -> Option<u64> {
        let before = self.version();
        for (place, replica) in replicas.as_flattened_mut().iter_mut().zip(&self.replicas) {
            *place = replica.load(Ordering::Relaxed);
        }
        fence(Ordering::Acquire);
        (before.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == before)
            .then_some(before)
    }

    /// Every primary with each of its replicas; none while they are being replaced.
    #[must_use]
    pub fn pairs(&self) -> Vec<(NodeId, NodeId)> {
        let mut all = Box::new([[NO_NODE; MAX_REPLICAS]; MAX_NODES]);
        if self.copy_replicas(&mut all).is_none() {
            return Vec::new();
        }
        let pairs = all.iter().enumerate().flat_map(|(primary, replicas)| {
            let known = replicas.iter().filter(|replica| **replica != NO_NODE);
            known.map(move |replica| (NodeId(primary as u16), NodeId(u16::from(*replica))))
        });
        pairs.collect()
    }

    /// Wants the topology to be looked at again; any number of wishes is one.
    pub fn want_refresh(&self) {
        // Read first: a storm of redirects must not pass the line from core to core.
        if !self.wanted.load(Ordering::Relaxed) {
            self.wanted.store(true, Ordering::Relaxed);
        }
    }

    /// Whether somebody wants it, which is thereby answered.
    #[must_use]
    pub fn take_wish(&self) -> bool {
        self.wanted.swap(false, Ordering::Relaxed)
    }

    /// How often the owners were replaced.
    #[must_use]
    pub fn refreshes(&self) -> u64 {
        self.refreshes.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::slot_map::{Node, Row};

    fn map(split: u16) -> SlotMap {
        let node = |port| Node { host: "127.0.0.1".to_owned(), port };
        SlotMap::of(&[
            Row { first: 0, last: usize::from(split) - 1, nodes: vec![node(1)] },
            Row { first: usize::from(split), last: 16_383, nodes: vec![node(2)] },
        ])
    }

    fn addresses(map: &SlotMap) -> Vec<Option<SocketAddr>> {
        map.nodes.iter().map(|node| Some(([127, 0, 0, 1], node.port).into())).collect()
    }

    #[test]
    fn what_is_published_is_copied_whole() {
        let cluster_map = ClusterMap::default();
        let mut table = [0; SLOTS as usize];
        assert_eq!(cluster_map.copy(&mut table), Some(0));
        assert!(table.iter().all(|owner| *owner == NO_NODE));
        let map = map(100);
        cluster_map.publish(&map, &addresses(&map));
        assert_eq!(cluster_map.copy(&mut table), Some(cluster_map.version()));
        assert_eq!((table[99], table[100], table[16_383]), (0, 1, 1));
        assert_eq!(cluster_map.address(NodeId(1)), Some(([127, 0, 0, 1], 2).into()));
    }

    #[test]
    fn replicas_stand_with_their_primary_until_the_next_topology() {
        let cluster_map = ClusterMap::default();
        let node = |port| Node { host: "127.0.0.1".to_owned(), port };
        let map = SlotMap::of(&[Row { first: 0, last: 9, nodes: vec![node(1), node(2), node(3)] }]);
        cluster_map.publish(&map, &addresses(&map));
        assert_eq!(cluster_map.pairs(), [(NodeId(0), NodeId(1)), (NodeId(0), NodeId(2))]);
        let alone = SlotMap::of(&[Row { first: 0, last: 9, nodes: vec![node(2)] }]);
        cluster_map.publish(&alone, &addresses(&alone));
        assert!(cluster_map.pairs().is_empty());
    }

    #[test]
    fn wishes_are_one_and_numbers_are_for_ever() {
        let cluster_map = ClusterMap::default();
        assert!(!cluster_map.take_wish());
        cluster_map.want_refresh();
        cluster_map.want_refresh();
        assert!(cluster_map.take_wish() && !cluster_map.take_wish());
        let address = |port| SocketAddr::from(([10, 0, 0, 1], port));
        for port in 0..MAX_NODES as u16 {
            assert_eq!(cluster_map.number(address(port)), Some(NodeId(port)));
        }
        assert_eq!(cluster_map.number(address(7)), Some(NodeId(7)));
        assert_eq!(cluster_map.number(address(9_999)), None, "there are too many");
    }

    #[test]
    fn a_reader_never_sees_half_of_a_new_topology() {
        let cluster_map = ClusterMap::default();
        let maps = [map(100), map(16_000)];
        for map in &maps {
            cluster_map.publish(map, &addresses(map));
        }
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 0..2_000 {
                    let map = &maps[round % 2];
                    cluster_map.publish(map, &addresses(map));
                }
            });
            let (mut table, mut whole) = ([0; SLOTS as usize], 0);
            while cluster_map.refreshes() < 2_002 {
                if cluster_map.copy(&mut table).is_some() {
                    whole += 1;
                    let ones = table.iter().filter(|owner| **owner == 0).count();
                    assert!(ones == 100 || ones == 16_000, "{ones}");
                }
            }
            assert!(cluster_map.copy(&mut table).is_some() || whole > 0);
        });
    }
}
