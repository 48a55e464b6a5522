//! A simulated server as a cache before a store.

use std::net::SocketAddr;
use std::sync::Arc;

use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;
use stallion_engine::cluster::cluster_map::ClusterMap;
use stallion_engine::cluster::slots::RequestSlots;
use stallion_engine::store::cache_aside::CacheAside;
use stallion_engine::store::service_time::ServiceTime;
use stallion_engine::store::simulated_store::{Servers, SimulatedStore};
use stallion_engine::store::{CacheAsideSettings, Stampede, Store};
use stallion_engine::units::NodeId;
use stallion_engine::worker::routing::Routing;
use stallion_resp::units::CommandId;

/// A store, and what is done against stampedes.
pub(crate) struct StorePlan {
    pub(crate) service_time: ServiceTime,
    pub(crate) settings: CacheAsideSettings,
}

/// A random one.
pub(crate) fn store(random: &mut Xoshiro256PlusPlus) -> StorePlan {
    let mean_ns = 1 << random.random_range(10..26);
    let settings = CacheAsideSettings {
        servers: random.random_range(1..9),
        queue: 1 << random.random_range(0..10),
        stampede: Stampede {
            coalesce: random.random(),
            xfetch: random.random::<bool>().then_some(1.0),
            revalidate_ns: random.random::<bool>().then_some(5_000_000),
        },
        ttl_ns: 1 << random.random_range(20..27),
        jitter: 0.5,
    };
    StorePlan { service_time: ServiceTime::Exponential { mean_ns }, settings }
}

/// A server that is routed to as if it were a cluster of one.
pub(crate) fn alone(connections: usize, slots: &RequestSlots) -> Routing {
    let address = SocketAddr::from(([127, 0, 0, 1], 7_000));
    let cluster_map = Arc::new(ClusterMap::fixed(&[address]).unwrap());
    let (slots, primaries) = (slots.clone(), vec![NodeId(0)]);
    Routing { cluster_map, slots, primaries, connections, retries: false, fixed: true, reads: None }
}

/// A plan's store; GET and SET are the first commands of every mix.
pub(crate) fn aside(plan: &StorePlan, places: usize, seed: u64) -> CacheAside {
    let StorePlan { service_time, settings } = plan;
    let servers = Arc::new(Servers::new(settings.servers, settings.queue));
    let store = Store::SimulatedStore(SimulatedStore::new(servers, *service_time, places, seed));
    CacheAside::new(settings, (store, Arc::default()), (CommandId(0), CommandId(1)), places, seed)
}
