//! Who serves which slots: asked at the start, and again whenever a worker wants to know, once
//! however many want it.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use stallion_timeline::clock::monotonic_ns;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::line::{Line, addresses_now};
use super::preflight::{Caller, StartError};
use crate::plan::{Credentials, Plan, Topology};
use stallion_engine::cluster::cluster_map::ClusterMap;
use stallion_engine::cluster::slot_map::{MapError, SlotMap};
use stallion_engine::limits::{MAX_NODES, MIN_REFRESH_PAUSE_NS};
use stallion_engine::units::NodeId;
use stallion_resp::tree::Tree;
use stallion_rings::socket::Address;
use stallion_server::Place;
use stallion_server::place::addresses;

/// How often wishes are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The topology is looked at this often though nobody wants it, give or take [`JITTER_MS`].
const EVERY: Duration = Duration::from_secs(2);

/// Clients that were started together shall not ask together for ever.
const JITTER_MS: u64 = 50;

/// A node that does not answer within this is passed over.
const PATIENCE: Duration = Duration::from_millis(500);

const SHARDS: [&[u8]; 2] = [b"CLUSTER", b"SHARDS"];
const SLOTS: [&[u8]; 2] = [b"CLUSTER", b"SLOTS"];

/// A cluster at the start of a run.
#[derive(Debug, Clone)]
pub struct Found {
    /// What all workers know of it from now on.
    pub cluster_map: Arc<ClusterMap>,
    /// The nodes that serve slots, by their numbers on the cluster_map.
    pub primaries: Vec<NodeId>,
    /// Their addresses.
    pub addresses: Vec<SocketAddr>,
    /// Their replicas, by their numbers on the cluster_map.
    pub replicas: Vec<NodeId>,
}

/// The plan, with the first of its cluster's nodes that answers as its target: the target itself, or
/// one of those that were named beside it.
///
/// # Errors
/// [`StartError`] of the target when none of them answers.
pub fn awake(plan: &Plan) -> Result<Cow<'_, Plan>, StartError> {
    let Topology::Cluster { seeds, .. } = &plan.topology else { return Ok(Cow::Borrowed(plan)) };
    let mut first_error = None;
    for target in std::iter::once(&plan.target).chain(seeds).filter(|_| !seeds.is_empty()) {
        match Caller::connect(target, &plan.credentials, plan.resp3) {
            Ok(_) => return Ok(Cow::Owned(Plan { target: target.clone(), ..plan.clone() })),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    first_error.map_or(Ok(Cow::Borrowed(plan)), Err)
}

/// Asks a node for its cluster's topology.
///
/// # Errors
/// [`StartError`] when it is no node of a cluster, or the cluster serves nothing.
pub fn find(
    target: &Place,
    credentials: &Credentials,
    caller: &mut Caller,
) -> Result<Found, StartError> {
    let name = credentials.url(target);
    let failed = |error: String| StartError::Topology { target: name.clone(), error };
    let Place::Tcp { host, .. } = target else {
        return Err(failed("it is reached by a unix socket, and its nodes by TCP".to_owned()));
    };
    let map = match caller.ask(&SHARDS)? {
        Tree::Error(_) => match caller.ask(&SLOTS)? {
            Tree::Error(reply) => return Err(StartError::NoCluster { target: name, reply }),
            slots => SlotMap::read(&slots, host),
        },
        shards => SlotMap::read_shards(&shards, host, credentials.tls.is_some()),
    };
    let map = map.map_err(|error| failed(error.to_string()))?;
    let resolve = |host: &str, port| {
        let address = addresses(host, port).ok()?.first().copied()?;
        credentials.note(address, host);
        Some(address)
    };
    let addresses: Vec<Option<SocketAddr>> =
        map.nodes.iter().map(|node| resolve(&node.host, node.port)).collect();
    if map.primaries == 0 {
        return Err(failed("none of its slots is served".to_owned()));
    }
    if map.nodes.len() > MAX_NODES {
        let count = map.nodes.len();
        return Err(failed(format!("it has {count} nodes, and {MAX_NODES} are possible")));
    }
    if let Some(at) = addresses[..map.primaries].iter().position(Option::is_none) {
        let host = &map.nodes[at].host;
        return Err(failed(format!("it names the node {host}, which has no address here")));
    }
    let cluster_map = Arc::new(ClusterMap::default());
    cluster_map.publish(&map, &addresses);
    tracing::info!(nodes = map.nodes.len(), primaries = map.primaries, "cluster found");
    let addresses: Vec<SocketAddr> = addresses.into_iter().take(map.primaries).flatten().collect();
    let mut primaries: Vec<NodeId> =
        addresses.iter().filter_map(|address| cluster_map.number(*address)).collect();
    // Two names may be one address.
    primaries.sort_unstable();
    primaries.dedup();
    let mut replicas: Vec<NodeId> =
        cluster_map.pairs().iter().map(|(_, replica)| *replica).collect();
    replicas.sort_unstable();
    replicas.dedup();
    Ok(Found { cluster_map, primaries, addresses, replicas })
}

/// Servers that serve what they serve from the beginning to the end; `name` is what they are called
/// together.
///
/// # Errors
/// [`StartError`] when there are more than can be told apart.
pub fn fixed(addresses: &[SocketAddr], name: &str) -> Result<Found, StartError> {
    let too_many = || StartError::Topology {
        target: name.to_owned(),
        error: format!("it has {} nodes, and {MAX_NODES} are possible", addresses.len()),
    };
    let cluster_map = ClusterMap::fixed(addresses).ok_or_else(too_many)?;
    let mut primaries: Vec<NodeId> =
        addresses.iter().filter_map(|address| cluster_map.number(*address)).collect();
    primaries.sort_unstable();
    primaries.dedup();
    let (addresses, replicas) = (addresses.to_vec(), Vec::new());
    Ok(Found { cluster_map: Arc::new(cluster_map), primaries, addresses, replicas })
}

/// Keeps the cluster map fresh until `stop` is set.
pub(super) async fn keep_fresh(
    cluster_map: Arc<ClusterMap>,
    credentials: Credentials,
    stop: watch::Receiver<bool>,
) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(monotonic_ns());
    let mut last = Instant::now();
    let mut jitter = Duration::ZERO;
    while !*stop.borrow() {
        sleep(LOOK_EVERY).await;
        let since = last.elapsed();
        let allowed = since >= Duration::from_nanos(MIN_REFRESH_PAUSE_NS) + jitter;
        if allowed && (cluster_map.take_wish() || since >= EVERY + jitter) {
            refresh(&cluster_map, &credentials, &mut random).await;
            (last, jitter) =
                (Instant::now(), Duration::from_millis(random.random_range(0..=JITTER_MS)));
        }
    }
}

/// Asks one node after the other, beginning with any, until one says who serves what. When none
/// does, what is known stays.
async fn refresh(
    cluster_map: &ClusterMap,
    credentials: &Credentials,
    random: &mut Xoshiro256PlusPlus,
) {
    let mut nodes = cluster_map.addresses();
    if !nodes.is_empty() {
        let first = random.random_range(0..nodes.len());
        nodes.rotate_left(first);
    }
    for node in nodes {
        let asked = timeout(PATIENCE, ask(node, credentials)).await;
        let Ok(Ok(Some(map))) = asked else {
            tracing::info!(%node, "does not say who serves what");
            continue;
        };
        let mut addresses = Vec::new();
        for node in &map.nodes {
            let address = resolve(&node.host, node.port).await;
            if let Some(address) = address {
                credentials.note(address, &node.host);
            }
            addresses.push(address);
        }
        cluster_map.publish(&map, &addresses);
        tracing::debug!(%node, nodes = map.nodes.len(), primaries = map.primaries, "topology read");
        return;
    }
    tracing::warn!("no node says who serves what; what is known stays");
}

/// The topology as one node sees it; none when it knows none.
async fn ask(node: SocketAddr, credentials: &Credentials) -> std::io::Result<Option<SlotMap>> {
    let mut line = Line::open(&Address::Tcp(node), credentials).await?;
    let host = node.ip().to_string();
    let map = match line.ask(&SHARDS).await? {
        Tree::Error(_) => SlotMap::read(&line.ask(&SLOTS).await?, &host),
        shards => SlotMap::read_shards(&shards, &host, credentials.tls.is_some()),
    };
    Ok(usable(map))
}

fn usable(map: Result<SlotMap, MapError>) -> Option<SlotMap> {
    map.ok().filter(|map| map.primaries > 0)
}

async fn resolve(host: &str, port: u16) -> Option<SocketAddr> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, port));
    }
    timeout(PATIENCE, addresses_now(host, port)).await.ok()?.ok()?.first().copied()
}
