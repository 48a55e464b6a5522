//! A simulated cluster: which node serves which slot by right, and how it errs by seed: redirect
//! storms, slots that flap and migrate, nodes that nobody knew, nodes that are slow, scripts that are
//! lost, and a node that dies and is replaced. What happened is counted, so that a test can tell that
//! it was played.

use std::net::{Ipv4Addr, SocketAddr};

use rand::{Rng, RngExt};

use stallion_engine::cluster::cluster_map::NO_NODE;
use stallion_engine::cluster::slot_map::{Node, Row, SlotMap};
use stallion_engine::cluster::slots::slot_of;
use stallion_engine::units::Nanos;
use stallion_resp::tree::Tree;
use stallion_resp::units::SLOTS;

/// The first node's port; the others follow.
const FIRST_PORT: u16 = 7_000;

/// Nodes that a world can come to have.
const MOST_NODES: u8 = 12;

/// The replica of the node 0, if there are any; the others follow.
const FIRST_REPLICA: u8 = MOST_NODES;

/// How likely each fault of a cluster is, from 0 to 1, each time it could happen.
#[derive(Debug, Clone, Copy)]
pub struct ClusterFaults {
    /// Nodes at the start.
    pub nodes: u8,
    /// Each has a replica.
    pub replicas: bool,
    /// A slot changes its owner at once.
    pub flap: f64,
    /// A node that serves a slot says MOVED to any node.
    pub storm: f64,
    /// A slot begins to migrate, key by key.
    pub migrate: f64,
    /// A slot moves to a node that nobody has heard of.
    pub stranger: f64,
    /// TRYAGAIN, CLUSTERDOWN, LOADING, READONLY or MASTERDOWN.
    pub passing: f64,
    /// A node forgets the script that it was told.
    pub flush: f64,
    /// One node is so many times as slow as the others.
    pub slow: Option<(u8, u32)>,
    /// A node dies at a time, and so long after it another one serves its slots.
    pub dies: Option<(u8, Nanos, u64)>,
}

/// How often each fault was met by a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Met {
    /// The owner of a slot said MOVED.
    pub storms: u64,
    /// A slot changed its owner.
    pub flaps: u64,
    /// A slot began to migrate.
    pub migrations: u64,
    /// A slot moved to a node that nobody had heard of.
    pub strangers: u64,
    /// A passing error was answered.
    pub passing: u64,
    /// A node was asked that did not serve the slot: the client's map was stale.
    pub stale_maps: u64,
    /// A slow primary was asked.
    pub slow_primaries: u64,
    /// A slow replica was asked.
    pub slow_replicas: u64,
    /// A connection found its node dead.
    pub dead: u64,
    /// A node did not know a script.
    pub lost_scripts: u64,
    /// A transaction was refused for one of its commands.
    pub aborted: u64,
    /// Keys of several slots came in one request, which is the client's mistake.
    pub crossed: u64,
}

impl Met {
    /// Adds what another world's requests met.
    pub const fn add(&mut self, other: &Self) {
        self.storms += other.storms;
        self.flaps += other.flaps;
        self.migrations += other.migrations;
        self.strangers += other.strangers;
        self.passing += other.passing;
        self.stale_maps += other.stale_maps;
        self.slow_primaries += other.slow_primaries;
        self.slow_replicas += other.slow_replicas;
        self.dead += other.dead;
        self.lost_scripts += other.lost_scripts;
        self.aborted += other.aborted;
        self.crossed += other.crossed;
    }
}

/// The cluster as it really is.
#[derive(Debug)]
pub struct World {
    faults: ClusterFaults,
    /// What its requests met.
    pub met: Met,
    nodes: u8,
    /// By node: it knows the script.
    knows_script: [bool; 2 * MOST_NODES as usize],
    owners: Vec<u8>,
    /// Where a slot migrates to.
    target: Vec<u8>,
    failed_over: bool,
}

impl World {
    /// A cluster whose slots are spread evenly.
    #[must_use]
    pub fn new(faults: ClusterFaults) -> Self {
        let nodes = faults.nodes.clamp(1, MOST_NODES);
        let owner = |slot: usize| (slot * usize::from(nodes) / usize::from(SLOTS)) as u8;
        Self {
            faults,
            met: Met::default(),
            nodes,
            knows_script: [true; 2 * MOST_NODES as usize],
            owners: (0..usize::from(SLOTS)).map(owner).collect(),
            target: vec![NO_NODE; usize::from(SLOTS)],
            failed_over: false,
        }
    }

    /// A node's address.
    #[must_use]
    pub fn address(node: u8) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, FIRST_PORT + u16::from(node)).into()
    }

    /// The replica of a node.
    #[must_use]
    pub const fn replica_of(node: u8) -> u8 {
        FIRST_REPLICA + node
    }

    /// The node of an address.
    pub(super) const fn node(address: SocketAddr) -> u8 {
        (address.port() - FIRST_PORT) as u8
    }

    /// The topology as it is now.
    #[must_use]
    pub fn map(&self) -> SlotMap {
        let mut rows: Vec<Row> = Vec::new();
        for (slot, owner) in self.owners.iter().enumerate() {
            let address = Self::address(*owner);
            let node =
                |address: SocketAddr| Node { host: address.ip().to_string(), port: address.port() };
            let mut nodes = vec![node(address)];
            if self.faults.replicas {
                nodes.push(node(Self::address(Self::replica_of(*owner))));
            }
            match rows.last_mut().filter(|row| row.nodes == nodes) {
                Some(row) => row.last = slot,
                None => rows.push(Row { first: slot, last: slot, nodes }),
            }
        }
        SlotMap::of(&rows)
    }

    /// How many times slower a node answers.
    pub(super) fn slowness(&self, node: u8) -> u64 {
        self.faults.slow.filter(|slow| slow.0 == node).map_or(1, |slow| u64::from(slow.1))
    }

    /// Whether a node is dead. Somebody takes its slots over when it has been so for long enough.
    pub(super) fn is_dead(&mut self, node: u8, now: Nanos) -> bool {
        let Some((victim, at, outage_ns)) = self.faults.dies else { return false };
        if !self.failed_over && now >= at + outage_ns && self.nodes > 1 {
            self.failed_over = true;
            let heir = (victim + 1) % self.nodes;
            for owner in self.owners.iter_mut().filter(|owner| **owner == victim) {
                *owner = heir;
            }
        }
        let is_dead = node == victim && now >= at;
        self.met.dead += u64::from(is_dead);
        is_dead
    }

    /// What a node says instead of serving a request; none when it serves it.
    pub(super) fn refuse(
        &mut self,
        node: u8,
        asking: bool,
        request: &Tree,
        random: &mut impl Rng,
    ) -> Option<String> {
        let name = request.list().first().and_then(Tree::text).unwrap_or_default();
        let mut slots = keys(&name, request.list()).map(|key| usize::from(slot_of(&key).0));
        let slot = slots.next()?;
        if slots.any(|other| other != slot) {
            self.met.crossed += 1;
            return Some("-CROSSSLOT Keys in request don't hash to the same slot\r\n".to_owned());
        }
        self.note_slowness(node);
        let any = random.random_range(0..self.nodes);
        let mut chance = |likely: f64| likely > 0.0 && random.random::<f64>() < likely;
        if chance(self.faults.passing) {
            let words = ["TRYAGAIN", "CLUSTERDOWN", "LOADING", "READONLY", "MASTERDOWN"];
            self.met.passing += 1;
            return Some(format!("-{} for a while\r\n", words[usize::from(any) % words.len()]));
        }
        self.change(slot, any, &mut chance);
        if chance(self.faults.flush) {
            self.knows_script[usize::from(node)] = false;
        }
        let (owner, target) = (self.owners[slot], self.target[slot]);
        let storm = chance(self.faults.storm);
        self.met.storms += u64::from(storm);
        if name == "GET" && node == Self::replica_of(owner) {
            return storm.then(|| redirect("MOVED", slot, any));
        }
        if owner != node && !(asking && target == node) {
            self.met.stale_maps += 1;
            return Some(redirect("MOVED", slot, owner));
        }
        if storm {
            return Some(redirect("MOVED", slot, any));
        }
        if owner == node && target != NO_NODE {
            if chance(0.25) {
                (self.owners[slot], self.target[slot]) = (target, NO_NODE);
            }
            return Some(redirect("ASK", slot, target));
        }
        self.refuse_script(node, &name)
    }

    /// What happens to a slot when it is asked for.
    fn change(&mut self, slot: usize, any: u8, chance: &mut impl FnMut(f64) -> bool) {
        let ClusterFaults { flap, stranger, migrate, .. } = self.faults;
        if chance(flap) {
            self.owners[slot] = any;
            self.met.flaps += 1;
        }
        if chance(stranger) && self.nodes < MOST_NODES {
            self.owners[slot] = self.nodes;
            self.nodes += 1;
            self.met.strangers += 1;
        }
        if chance(migrate) && self.target[slot] == NO_NODE {
            self.target[slot] = any;
            self.met.migrations += 1;
        }
    }

    fn note_slowness(&mut self, node: u8) {
        if self.slowness(node) > 1 {
            let is_replica = node >= FIRST_REPLICA;
            let counts = &mut self.met;
            *(if is_replica { &mut counts.slow_replicas } else { &mut counts.slow_primaries }) += 1;
        }
    }

    /// A script is known by its digest to those that were told it in full.
    fn refuse_script(&mut self, node: u8, name: &str) -> Option<String> {
        let knows = &mut self.knows_script[usize::from(node)];
        *knows |= name == "EVAL";
        if name != "EVALSHA" || *knows {
            return None;
        }
        self.met.lost_scripts += 1;
        Some("-NOSCRIPT No matching script. Please use EVAL.\r\n".to_owned())
    }
}

/// The keys of a request.
fn keys<'a>(name: &str, words: &'a [Tree]) -> impl Iterator<Item = Vec<u8>> + use<'a> {
    let (from, step, most) = match name {
        "GET" | "SET" | "INCR" | "HSET" | "HGET" => (1, 1, 1),
        "MGET" | "DEL" => (1, 1, usize::MAX),
        "MSET" => (1, 2, usize::MAX),
        "EVAL" | "EVALSHA" => (3, 1, 1),
        _ => (0, 1, 0),
    };
    let texts = words.iter().skip(from).step_by(step).take(most).filter_map(Tree::text);
    texts.map(String::into_bytes)
}

fn redirect(word: &str, slot: usize, node: u8) -> String {
    format!("-{word} {slot} {}\r\n", World::address(node))
}
