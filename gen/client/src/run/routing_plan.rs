//! How a run's requests find their nodes, decided once at its start.

use std::sync::Arc;

use super::RunError;
#[cfg(feature = "postgres")]
use crate::control::postgres::{Postgres, Wanted};
use crate::control::preflight::{Caller, StartError, resolve};
use crate::control::topology;
use crate::control::topology::Found;
use crate::plan::store::Source;
use crate::plan::{OnError, Plan, PlanError, RingPlan, Topology};
use stallion_engine::cluster::cluster_map::ClusterMap;
use stallion_engine::cluster::slots::RequestSlots;
use stallion_engine::limits::{
    MAX_CONNECTIONS_PER_WORKER, MAX_REFILLS, MAX_VERSIONED_KEYS, MAX_WAITING,
};
use stallion_engine::mitigation::versions::Versions;
use stallion_engine::mitigation::{Mitigation, MitigationKind};
use stallion_engine::store::Store;
use stallion_engine::store::cache_aside::CacheAside;
use stallion_engine::store::in_flight_misses::InFlightMisses;
use stallion_engine::store::service_time::ServiceTime;
use stallion_engine::store::simulated_store::{Servers, SimulatedStore};
use stallion_engine::worker::ASKING;
use stallion_engine::worker::routing::Routing;
use stallion_resp::encoder::Encoder;
use stallion_resp::tree::Tree;
use stallion_rings::socket::Address;
use stallion_server::Place;

/// A cluster, and where the run's requests lie in it.
#[derive(Debug)]
pub(super) struct RoutingPlan {
    found: Found,
    /// Made once: all workers share the tables.
    slots: RequestSlots,
}

impl RoutingPlan {
    /// What all workers know of it.
    pub(super) fn cluster_map(&self) -> Arc<ClusterMap> {
        Arc::clone(&self.found.cluster_map)
    }
}

/// The cluster of a plan, asked of one of its nodes; none for a single server.
pub(super) fn find(
    plan: &Plan,
    caller: &mut Caller,
    encoder: &Encoder,
) -> Result<Option<RoutingPlan>, RunError> {
    let found = match &plan.topology {
        Topology::Cluster { .. } => topology::find(&plan.target, &plan.credentials, caller)?,
        // What goes on after its answer must be routed, also with a single server.
        Topology::Ring(ring) => of_ring(plan, ring)?,
        Topology::Node if plan.aside.is_some() => alone(&plan.target)?,
        Topology::Node => return Ok(None),
    };
    let routes = RoutingPlan { slots: slots(plan, encoder), found };
    check(plan, &routes, encoder)?;
    Ok(Some(routes))
}

/// Makes every server that requests go to know every script of the mix; one that is wrong is told in
/// the server's own words.
pub(super) fn load_scripts(
    plan: &Plan,
    caller: &mut Caller,
    routes: Option<&RoutingPlan>,
) -> Result<(), StartError> {
    let Some(routes) = routes.filter(|_| plan.scripts().next().is_some()) else {
        return load_at(plan, &plan.target, caller);
    };
    for address in &routes.found.addresses {
        let target = Place::Tcp { host: address.ip().to_string(), port: address.port() };
        let mut caller = Caller::connect(&target, &plan.credentials, plan.resp3)?;
        load_at(plan, &target, &mut caller)?;
    }
    Ok(())
}

fn load_at(plan: &Plan, target: &Place, caller: &mut Caller) -> Result<(), StartError> {
    for script in plan.scripts() {
        if let Tree::Error(reply) = caller.ask(&[b"SCRIPT", b"LOAD", script.as_bytes()])? {
            let target = plan.credentials.url(target);
            return Err(StartError::Script { target, reply });
        }
    }
    Ok(())
}

/// The servers of a ring, as a cluster that never changes: the slot of a request is the place of its
/// server in the list.
fn of_ring(plan: &Plan, ring: &RingPlan) -> Result<Found, StartError> {
    let mut addresses = Vec::new();
    for place in ring.nodes.iter().filter_map(|node| Place::host_and_port(node)) {
        if let (Place::Tcp { host, .. }, Address::Tcp(address)) = (&place, resolve(&place)?) {
            plan.credentials.note(address, host);
            addresses.push(address);
        }
    }
    topology::fixed(&addresses, &ring.nodes.join(","))
}

/// A single server, as a cluster that never changes.
fn alone(target: &Place) -> Result<Found, StartError> {
    match resolve(target)? {
        Address::Tcp(address) => topology::fixed(&[address], &target.to_string()),
        // The plan was refused before.
        Address::Unix(_) => topology::fixed(&[], &target.to_string()),
    }
}

/// The bounds that only a cluster's size makes known.
fn check(plan: &Plan, routes: &RoutingPlan, encoder: &Encoder) -> Result<(), RunError> {
    let (conns, workers) = (plan.conns, plan.workers());
    let primaries = routing(plan, 0, routes, 0).primaries.len();
    let reads = matches!(plan.mitigation, Some(MitigationKind::ReplicaRead { .. }));
    if reads && routes.found.replicas.is_empty() {
        return Err(StartError::NoReplicas(plan.credentials.url(&plan.target)).into());
    }
    if conns / workers < primaries {
        return Err(StartError::FewForCluster { conns, workers, primaries }.into());
    }
    let places = routing(plan, 0, routes, 0).places();
    if places > MAX_CONNECTIONS_PER_WORKER {
        return Err(PlanError::Connections { conns: places * workers, workers }.into());
    }
    Ok(plan.check_memory(longest(encoder, true), places)?)
}

/// Where the requests of a plan lie.
fn slots(plan: &Plan, encoder: &Encoder) -> RequestSlots {
    let name = |command, key| encoder.key_text(command, key);
    let commands = encoder.commands().len();
    match &plan.topology {
        Topology::Ring(ring) => RequestSlots::of_ring(ring.ring(&ring.nodes), commands, name),
        Topology::Node | Topology::Cluster { .. } => RequestSlots::new(commands, name),
    }
}

/// What a worker needs to know of it.
pub(super) fn routing(plan: &Plan, worker: usize, routes: &RoutingPlan, seed: u64) -> Routing {
    let mut primaries = routes.found.primaries.clone();
    let reads = match plan.mitigation {
        Some(MitigationKind::ReplicaRead { choice }) => Some((choice, seed)),
        _ => None,
    };
    if reads.is_some() {
        primaries.extend_from_slice(&routes.found.replicas);
    }
    Routing {
        cluster_map: routes.cluster_map(),
        slots: routes.slots.clone(),
        primaries,
        reads,
        connections: plan.conns_of(worker),
        retries: matches!(plan.topology, Topology::Cluster { on_error: OnError::Retry, .. }),
        fixed: !matches!(plan.topology, Topology::Cluster { .. }),
    }
}

/// Bytes of the longest request, with what goes before it in a cluster.
pub(super) fn longest(encoder: &Encoder, in_cluster: bool) -> usize {
    encoder.longest() + if in_cluster { ASKING.len() } else { 0 }
}

/// What a worker does for hot keys; `versions` are those of all workers.
pub(super) fn mitigation(
    plan: &Plan,
    versions: Option<&Versions>,
    seed: u64,
) -> Option<Mitigation> {
    let (kind, versions) = plan.mitigation.zip(versions)?;
    Some(Mitigation::new(kind, versions.clone(), (MAX_WAITING, MAX_WAITING), seed))
}

/// The versions that a run follows, if it does.
pub(super) fn versions(plan: &Plan) -> Option<Versions> {
    plan.mitigation.map(|_| Versions::new((plan.keys as usize).min(MAX_VERSIONED_KEYS)))
}

/// The store behind the cache, as the workers of a run share it.
pub(super) struct SharedStore {
    misses: Arc<InFlightMisses>,
    behind: Behind,
}

/// What is behind the cache.
enum Behind {
    Simulated(Arc<Servers>, ServiceTime),
    #[cfg(feature = "postgres")]
    Postgres(Postgres),
}

impl SharedStore {
    /// The store of a plan, if it has one.
    pub(super) fn open(plan: &Plan) -> Result<Option<Self>, StartError> {
        let Some(aside) = &plan.aside else { return Ok(None) };
        let behind = match &aside.source {
            Source::Simulated { service_time } => Behind::Simulated(
                Arc::new(Servers::new(aside.settings.servers, aside.settings.queue)),
                *service_time,
            ),
            #[cfg(feature = "postgres")]
            Source::Postgres(store) => Behind::Postgres(Postgres::open(&Wanted {
                plan: store,
                servers: aside.settings.servers,
                queue: aside.settings.queue,
                workers: plan.workers(),
                key_prefix: &plan.key_prefix,
                keys: plan.keys,
                values: &plan.values(),
            })?),
        };
        Ok(Some(Self { misses: Arc::default(), behind }))
    }

    /// What a worker needs of it.
    #[cfg_attr(
        not(feature = "postgres"),
        expect(unused_variables, reason = "only a PostgreSQL has a queue for each worker")
    )]
    pub(super) fn of_worker(&self, plan: &Plan, worker: usize, seed: u64) -> Option<CacheAside> {
        let aside = plan.aside.as_ref()?;
        let commands = plan.aside_commands()?;
        let store =
            match &self.behind {
                Behind::Simulated(servers, service_time) => Store::SimulatedStore(
                    SimulatedStore::new(Arc::clone(servers), *service_time, MAX_REFILLS, seed),
                ),
                #[cfg(feature = "postgres")]
                Behind::Postgres(postgres) => Store::Remote(postgres.of_worker(worker)?),
            };
        let shared = (store, Arc::clone(&self.misses));
        Some(CacheAside::new(&aside.settings, shared, commands, MAX_REFILLS, seed ^ 0x5e1f))
    }

    /// What the first read that failed failed of.
    pub(super) fn trouble(&self) -> Option<String> {
        match &self.behind {
            Behind::Simulated(..) => None,
            #[cfg(feature = "postgres")]
            Behind::Postgres(postgres) => postgres.trouble(),
        }
    }
}
