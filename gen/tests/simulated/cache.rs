//! A simulated server as a cache before a store.

use std::net::SocketAddr;
use std::sync::Arc;

use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;
use stallion_gen::cluster::board::Board;
use stallion_gen::cluster::slots::RequestSlots;
use stallion_gen::shard::routing::Routing;
use stallion_gen::store::aside::Aside;
use stallion_gen::store::law::Law;
use stallion_gen::store::stand_in::{Servers, StandIn};
use stallion_gen::store::{CacheAside, Source, Stampede, Store};
use stallion_gen::units::{CommandId, NodeId};

/// A store, and what is done against stampedes.
pub(crate) fn store(random: &mut Xoshiro256PlusPlus) -> CacheAside {
    let mean_ns = 1 << random.random_range(10..26);
    CacheAside {
        source: Source::StandIn { law: Law::Exponential { mean_ns } },
        servers: random.random_range(1..9),
        queue: 1 << random.random_range(0..10),
        stampede: Stampede {
            coalesce: random.random(),
            xfetch: random.random::<bool>().then_some(1.0),
            revalidate_ns: random.random::<bool>().then_some(5_000_000),
        },
        ttl_ns: 1 << random.random_range(20..27),
        jitter: 0.5,
    }
}

/// A server that is routed to as if it were a cluster of one.
pub(crate) fn alone(connections: usize, slots: &RequestSlots) -> Routing {
    let address = SocketAddr::from(([127, 0, 0, 1], 7_000));
    let board = Arc::new(Board::fixed(&[address]).unwrap());
    let (slots, primaries) = (slots.clone(), vec![NodeId(0)]);
    Routing { board, slots, primaries, connections, retries: false, fixed: true, reads: None }
}

/// A plan's store; GET and SET are the first commands of every mix.
pub(crate) fn aside(plan: &CacheAside, places: usize, seed: u64) -> Aside {
    let Source::StandIn { law } = plan.source else { panic!("another store") };
    let servers = Arc::new(Servers::new(plan.servers, plan.queue));
    let store = Store::StandIn(StandIn::new(servers, law, places, seed));
    Aside::new(plan, (store, Arc::default()), (CommandId(0), CommandId(1)), places, seed)
}
