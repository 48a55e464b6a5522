//! Clusters by seed, and what their client knows of them.

use std::net::SocketAddr;
use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use stallion_engine::cluster::cluster_map::ClusterMap;
use stallion_engine::cluster::slot_map::SlotMap;
use stallion_engine::measure::cluster::ClusterCounts;
use stallion_engine::measure::outcome::ErrorKind;
use stallion_engine::mitigation::Choice;
use stallion_engine::units::{Nanos, NodeId};
use stallion_engine::worker::routing::Routing;
use stallion_rings::simulated::{ClusterFaults, Met, Simulated, World};

/// Shortest time between two looks at the topology.
const LOOK_EVERY_NS: u64 = 5_000_000;

/// Faults of a cluster by seed.
pub(crate) fn faults(random: &mut Xoshiro256PlusPlus) -> ClusterFaults {
    let endless = random.random_range(0..10) == 0;
    let mut rare = |most: f64| {
        if random.random::<bool>() { random.random::<f64>() * most } else { 0.0 }
    };
    let (flap, migrate, stranger, passing) = (rare(0.2), rare(0.1), rare(0.01), rare(0.2));
    let flush = rare(0.01);
    // A storm without end is rare, and must end, too.
    let storm = if endless { 1.0 } else { rare(0.5) };
    let nodes = 1 + (rare(8.0) as u8);
    let slow = (rare(1.0) > 0.5).then(|| (0, 2 + rare(200.0) as u32));
    let dies = (rare(1.0) > 0.3)
        .then(|| (nodes - 1, Nanos(1_000_000 + rare(80e6) as u64), 1_000_000 + rare(40e6) as u64));
    let replicas = rare(1.0) > 0.5;
    // Of those worlds in which they are, in some it is a replica that is slow or dies.
    let of_replica = |node: u8, is_it: bool| if is_it { World::replica_of(node) } else { node };
    let (slow_replica, dead_replica) = (replicas && rare(1.0) > 0.5, replicas && rare(1.0) > 0.5);
    let slow = slow.map(|(node, times)| (of_replica(node, slow_replica), times));
    let dies = dies.map(|(node, at, for_ns)| (of_replica(node, dead_replica), at, for_ns));
    ClusterFaults { nodes, replicas, flap, storm, migrate, stranger, passing, flush, slow, dies }
}

/// A cluster map that knows a world as it is now, and how to drive it.
pub(crate) fn routing(
    world: &World,
    connections: usize,
    retries: bool,
    reads: Option<(Choice, u64)>,
) -> Routing {
    let cluster_map = Arc::new(ClusterMap::default());
    let primaries = publish(&cluster_map, &world.map());
    let slots = crate::SLOTS.clone();
    let connections = connections.max(primaries.len());
    Routing { cluster_map, slots, primaries, connections, retries, fixed: false, reads }
}

/// What the control thread does; gives the nodes that serve slots.
fn publish(cluster_map: &ClusterMap, map: &SlotMap) -> Vec<NodeId> {
    let addresses: Vec<Option<SocketAddr>> =
        map.nodes.iter().map(|node| Some(SocketAddr::from(([127, 0, 0, 1], node.port)))).collect();
    cluster_map.publish(map, &addresses);
    addresses.into_iter().flatten().filter_map(|address| cluster_map.number(address)).collect()
}

/// What the client counted, and what its worlds did to it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Sent again, never sent for want of room, failed after all retries, and not sent again because
    /// that might have done it twice.
    pub(crate) again: u64,
    overflowed: u64,
    gave_up: u64,
    not_repeated: u64,
    redirects: u64,
    outages: u64,
    /// Requests of several keys, their parts, and those that failed in part.
    divided: u64,
    pub(crate) parts: u64,
    partly: u64,
    /// Answers of each node, and of replicas.
    by_node: Vec<u64>,
    at_replicas: u64,
    pub(crate) met: Met,
    ignored: u64,
    stale_looks: u64,
}

impl Seen {
    /// Adds what one interval counted.
    pub(crate) fn count(&mut self, cluster: &ClusterCounts) {
        self.again += cluster.again.iter().sum::<u64>();
        self.overflowed += cluster.overflowed;
        self.gave_up += cluster.gave_up;
        self.not_repeated += cluster.not_repeated;
        self.divided += cluster.divided.requests;
        self.parts += cluster.divided.parts;
        self.partly += cluster.divided.partly;
        self.outages += cluster.outages.len() as u64;
        self.by_node.resize(cluster.nodes.len(), 0);
        for (sum, node) in self.by_node.iter_mut().zip(&cluster.nodes) {
            *sum += node.ops;
            let kinds = [ErrorKind::Moved, ErrorKind::Ask, ErrorKind::TryAgain];
            let counts = kinds.map(|kind| u64::from(node.errors[kind as usize]));
            self.redirects += counts.iter().sum::<u64>();
        }
    }

    /// The run is over: adds what its world knows.
    pub(crate) fn end(&mut self, ring: &Simulated, control: &Control) {
        let first = World::address(World::replica_of(0)).port();
        let addresses = control.cluster_map.addresses();
        let answers = addresses.iter().zip(&self.by_node);
        self.at_replicas =
            answers.filter(|(address, _)| address.port() >= first).map(|(_, count)| count).sum();
        self.met = ring.world().map(|world| world.met).unwrap_or_default();
        (self.ignored, self.stale_looks) = (ring.ignored(), control.stale_looks);
    }

    /// Adds another run's.
    pub(crate) fn add(&mut self, other: &Self) {
        self.again += other.again;
        self.overflowed += other.overflowed;
        self.gave_up += other.gave_up;
        self.not_repeated += other.not_repeated;
        self.redirects += other.redirects;
        self.outages += other.outages;
        self.divided += other.divided;
        self.parts += other.parts;
        self.partly += other.partly;
        self.at_replicas += other.at_replicas;
        self.ignored += other.ignored;
        self.stale_looks += other.stale_looks;
        self.met.add(&other.met);
    }

    /// What must have been met over many worlds.
    pub(crate) fn faults(&self) -> [(&'static str, u64); 21] {
        let met = &self.met;
        [
            ("a redirect storm", met.storms),
            ("a slot that flaps", met.flaps),
            ("a migration", met.migrations),
            ("a stranger", met.strangers),
            ("a passing error", met.passing),
            ("a stale map", met.stale_maps),
            ("a look that found the topology of before", self.stale_looks),
            ("a slow primary", met.slow_primaries),
            ("a slow replica", met.slow_replicas),
            ("a half-open connection", self.ignored),
            ("a dead node", met.dead),
            ("an outage", self.outages),
            ("a lost script", met.lost_scripts),
            ("a transaction that was refused", met.aborted),
            ("a redirect", self.redirects),
            ("a request sent again", self.again),
            ("one that gave up", self.gave_up),
            ("one that must not be done twice", self.not_repeated),
            ("one that was divided", self.divided),
            ("one that failed in part", self.partly),
            ("an answer of a replica", self.at_replicas),
        ]
    }
}

/// What the control thread does: looks at the topology when somebody wants it and it is time, and
/// now and then. Now and then the node that it asks has not heard the news.
#[derive(Debug)]
pub(crate) struct Control {
    cluster_map: Arc<ClusterMap>,
    looked: Nanos,
    before: Option<SlotMap>,
    stale_looks: u64,
    random: Xoshiro256PlusPlus,
}

impl Control {
    pub(crate) fn new(cluster_map: Arc<ClusterMap>, now: Nanos, seed: u64) -> Self {
        let random = Xoshiro256PlusPlus::seed_from_u64(seed ^ 0x10_0c);
        Self { cluster_map, looked: now, before: None, stale_looks: 0, random }
    }

    pub(crate) fn look(&mut self, world: &World, now: Nanos) {
        let since_ns = now.since(self.looked);
        let wanted = since_ns > LOOK_EVERY_NS && self.cluster_map.take_wish();
        if !(wanted || since_ns > 8 * LOOK_EVERY_NS) {
            return;
        }
        self.looked = now;
        let newest = world.map();
        let before = self.before.replace(newest.clone());
        let stale = before.filter(|_| self.random.random_range(0..4) == 0);
        self.stale_looks += u64::from(stale.is_some());
        publish(&self.cluster_map, &stale.unwrap_or(newest));
    }
}
