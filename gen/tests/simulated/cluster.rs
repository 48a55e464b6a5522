//! Clusters by seed, and what their client knows of them.

use std::net::SocketAddr;
use std::sync::Arc;

use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;
use stallion_gen::cluster::board::Board;
use stallion_gen::shard::ring::simulated::{ClusterFaults, World};
use stallion_gen::shard::routing::Routing;
use stallion_gen::strategy::Choice;
use stallion_gen::units::{Nanos, NodeId};

/// Faults of a cluster by seed.
pub(crate) fn faults(random: &mut Xoshiro256PlusPlus) -> ClusterFaults {
    let endless = random.random_range(0..10) == 0;
    let mut rare = |most: f64| {
        if random.random::<bool>() { random.random::<f64>() * most } else { 0.0 }
    };
    let (flap, migrate, stranger, passing) = (rare(0.2), rare(0.1), rare(0.01), rare(0.2));
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
    ClusterFaults { nodes, replicas, flap, storm, migrate, stranger, passing, slow, dies }
}

/// A board that knows a world as it is now, and how to drive it.
pub(crate) fn routing(
    world: &World,
    connections: usize,
    retries: bool,
    reads: Option<(Choice, u64)>,
) -> Routing {
    let board = Arc::new(Board::default());
    let primaries = publish(&board, world);
    let slots = crate::SLOTS.clone();
    let connections = connections.max(primaries.len());
    Routing { board, slots, primaries, connections, retries, fixed: false, reads }
}

/// What the control thread does; gives the nodes that serve slots.
pub(crate) fn publish(board: &Board, world: &World) -> Vec<NodeId> {
    let map = world.map();
    let addresses: Vec<Option<SocketAddr>> =
        map.nodes.iter().map(|node| Some(SocketAddr::from(([127, 0, 0, 1], node.port)))).collect();
    board.publish(&map, &addresses);
    addresses.into_iter().flatten().filter_map(|address| board.number(address)).collect()
}

/// Answers of replicas, of those of each node.
pub(crate) fn at_replicas(board: &Board, by_node: &[u64]) -> u64 {
    let first = World::address(World::replica_of(0)).port();
    let addresses = board.addresses();
    let answers = addresses.iter().zip(by_node);
    answers.filter(|(address, _)| address.port() >= first).map(|(_, count)| count).sum()
}
