//! How a run's requests find their nodes, decided once at its start.

use std::sync::Arc;

use super::RunError;
use crate::cluster::board::Board;
use crate::cluster::slots::RequestSlots;
use crate::control::postgres::{Postgres, Wanted};
use crate::control::preflight::{Caller, StartError, resolve};
use crate::control::topology::{self, Found};
use crate::limits::{MAX_CONNECTIONS_PER_SHARD, MAX_ERRANDS, MAX_VERSIONED_KEYS, MAX_WAITING};
use crate::plan::topology::place_of;
use crate::plan::{OnError, Plan, PlanError, RingPlan, Target, Topology};
use crate::resp::command::Encoder;
use crate::resp::tree::Tree;
use crate::shard::ASKING;
use crate::shard::ring::socket::Address;
use crate::shard::routing::Routing;
use crate::store::aside::Aside;
use crate::store::herd::Herds;
use crate::store::law::Law;
use crate::store::stand_in::{Servers, StandIn};
use crate::store::{Source, Store};
use crate::strategy::versions::Versions;
use crate::strategy::{Strategist, Strategy};

/// A cluster, and where the run's requests lie in it.
#[derive(Debug)]
pub(super) struct Way {
    found: Found,
    /// Made once: all shards share the tables.
    slots: RequestSlots,
}

impl Way {
    /// What all shards know of it.
    pub(super) fn board(&self) -> Arc<Board> {
        Arc::clone(&self.found.board)
    }
}

/// The cluster of a plan, asked of one of its nodes; none for a single server.
pub(super) fn find(
    plan: &Plan,
    caller: &mut Caller,
    encoder: &Encoder,
) -> Result<Option<Way>, RunError> {
    let found = match &plan.topology {
        Topology::Cluster { .. } => topology::find(&plan.target, &plan.credentials, caller)?,
        // What goes on after its answer must be routed, also with a single server.
        Topology::Ring(ring) => of_ring(plan, ring)?,
        Topology::Node if plan.aside.is_some() => alone(&plan.target)?,
        Topology::Node => return Ok(None),
    };
    let way = Way { slots: slots(plan, encoder), found };
    check(plan, &way, encoder)?;
    Ok(Some(way))
}

/// Makes every server that requests go to know every script of the mix; one that is wrong is told in
/// the server's own words.
pub(super) fn load_scripts(
    plan: &Plan,
    caller: &mut Caller,
    way: Option<&Way>,
) -> Result<(), StartError> {
    let Some(way) = way.filter(|_| plan.scripts().next().is_some()) else {
        return load_at(plan, &plan.target, caller);
    };
    for address in &way.found.addresses {
        let target = Target::Tcp { host: address.ip().to_string(), port: address.port() };
        let mut caller = Caller::connect(&target, &plan.credentials, plan.resp3)?;
        load_at(plan, &target, &mut caller)?;
    }
    Ok(())
}

fn load_at(plan: &Plan, target: &Target, caller: &mut Caller) -> Result<(), StartError> {
    for script in plan.scripts() {
        if let Tree::Error(reply) = caller.ask(&[b"SCRIPT", b"LOAD", script.as_bytes()])? {
            let target = target.url(&plan.credentials);
            return Err(StartError::Script { target, reply });
        }
    }
    Ok(())
}

/// The servers of a ring, as a cluster that never changes: the slot of a request is the place of its
/// server in the list.
fn of_ring(plan: &Plan, ring: &RingPlan) -> Result<Found, StartError> {
    let mut addresses = Vec::new();
    for (host, port) in ring.nodes.iter().filter_map(|node| place_of(node)) {
        if let Address::Tcp(address) = resolve(&Target::Tcp { host: host.clone(), port })? {
            plan.credentials.note(address, &host);
            addresses.push(address);
        }
    }
    topology::fixed(&addresses, &ring.nodes.join(","))
}

/// A single server, as a cluster that never changes.
fn alone(target: &Target) -> Result<Found, StartError> {
    match resolve(target)? {
        Address::Tcp(address) => topology::fixed(&[address], &target.to_string()),
        // The plan was refused before.
        Address::Unix(_) => topology::fixed(&[], &target.to_string()),
    }
}

/// The bounds that only a cluster's size makes known.
fn check(plan: &Plan, way: &Way, encoder: &Encoder) -> Result<(), RunError> {
    let (conns, shards) = (plan.conns, plan.shards());
    let primaries = routing(plan, 0, way, 0).primaries.len();
    let reads = matches!(plan.strategy, Some(Strategy::ReplicaRead { .. }));
    if reads && way.found.replicas.is_empty() {
        return Err(StartError::NoReplicas(plan.target.url(&plan.credentials)).into());
    }
    if conns / shards < primaries {
        return Err(StartError::FewForCluster { conns, shards, primaries }.into());
    }
    let places = routing(plan, 0, way, 0).places();
    if places > MAX_CONNECTIONS_PER_SHARD {
        return Err(PlanError::Connections { conns: places * shards, shards }.into());
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

/// What a shard needs to know of it.
pub(super) fn routing(plan: &Plan, shard: usize, way: &Way, seed: u64) -> Routing {
    let mut primaries = way.found.primaries.clone();
    let reads = match plan.strategy {
        Some(Strategy::ReplicaRead { choice }) => Some((choice, seed)),
        _ => None,
    };
    if reads.is_some() {
        primaries.extend_from_slice(&way.found.replicas);
    }
    Routing {
        board: way.board(),
        slots: way.slots.clone(),
        primaries,
        reads,
        connections: plan.conns_of(shard),
        retries: matches!(plan.topology, Topology::Cluster { on_error: OnError::Retry, .. }),
        fixed: !matches!(plan.topology, Topology::Cluster { .. }),
    }
}

/// Bytes of the longest request, with what goes before it in a cluster.
pub(super) fn longest(encoder: &Encoder, in_cluster: bool) -> usize {
    encoder.longest() + if in_cluster { ASKING.len() } else { 0 }
}

/// What a shard does for hot keys; `versions` are those of all shards.
pub(super) fn strategist(
    plan: &Plan,
    versions: Option<&Versions>,
    seed: u64,
) -> Option<Strategist> {
    let (strategy, versions) = plan.strategy.zip(versions)?;
    Some(Strategist::new(strategy, versions.clone(), (MAX_WAITING, MAX_WAITING), seed))
}

/// The versions that a run follows, if it does.
pub(super) fn versions(plan: &Plan) -> Option<Versions> {
    plan.strategy.map(|_| Versions::new((plan.keys as usize).min(MAX_VERSIONED_KEYS)))
}

/// The store behind the cache, as the shards of a run share it.
pub(super) struct SharedStore {
    herds: Arc<Herds>,
    behind: Behind,
}

/// What is behind the cache.
enum Behind {
    StandIn(Arc<Servers>, Law),
    Postgres(Postgres),
}

impl SharedStore {
    /// The store of a plan, if it has one.
    pub(super) fn open(plan: &Plan) -> Result<Option<Self>, StartError> {
        let Some(aside) = &plan.aside else { return Ok(None) };
        let behind = match &aside.source {
            Source::StandIn { law } => {
                Behind::StandIn(Arc::new(Servers::new(aside.servers, aside.queue)), *law)
            }
            Source::Postgres(store) => Behind::Postgres(Postgres::open(&Wanted {
                plan: store,
                servers: aside.servers,
                queue: aside.queue,
                shards: plan.shards(),
                key_prefix: &plan.key_prefix,
                keys: plan.keys,
                values: &plan.values(),
            })?),
        };
        Ok(Some(Self { herds: Arc::default(), behind }))
    }

    /// What a shard needs of it.
    pub(super) fn of_shard(&self, plan: &Plan, shard: usize, seed: u64) -> Option<Aside> {
        let aside = plan.aside.as_ref()?;
        let commands = plan.aside_commands()?;
        let store = match &self.behind {
            Behind::StandIn(servers, law) => {
                Store::StandIn(StandIn::new(Arc::clone(servers), *law, MAX_ERRANDS, seed))
            }
            Behind::Postgres(postgres) => Store::Remote(postgres.of_shard(shard)?),
        };
        let shared = (store, Arc::clone(&self.herds));
        Some(Aside::new(aside, shared, commands, MAX_ERRANDS, seed ^ 0x5e1f))
    }

    /// What the first read that failed failed of.
    pub(super) fn trouble(&self) -> Option<String> {
        match &self.behind {
            Behind::StandIn(..) => None,
            Behind::Postgres(postgres) => postgres.trouble(),
        }
    }
}
