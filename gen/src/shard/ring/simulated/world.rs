//! A simulated cluster: which node serves which slot by right, and how it errs by seed: redirect
//! storms, slots that flap and migrate, nodes that nobody knew, nodes that are slow, and one that
//! dies and is replaced.

use std::net::{Ipv4Addr, SocketAddr};

use rand::{Rng, RngExt};

use crate::cluster::board::NOBODY;
use crate::cluster::map::{Node, Row, SlotMap};
use crate::cluster::slots::{SLOTS, slot_of};
use crate::resp::tree::Tree;
use crate::units::Nanos;

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
    /// One node is so many times as slow as the others.
    pub slow: Option<(u8, u32)>,
    /// A node dies at a time, and so long after it another one serves its slots.
    pub dies: Option<(u8, Nanos, u64)>,
}

/// The cluster as it really is.
#[derive(Debug)]
pub struct World {
    faults: ClusterFaults,
    nodes: u8,
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
            nodes,
            owners: (0..usize::from(SLOTS)).map(owner).collect(),
            target: vec![NOBODY; usize::from(SLOTS)],
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
        node == victim && now >= at
    }

    /// What a node says instead of serving a request; none when it serves it.
    pub(super) fn refuse(
        &mut self,
        node: u8,
        asking: bool,
        request: &Tree,
        random: &mut impl Rng,
    ) -> Option<String> {
        let key = request.list().get(1).and_then(Tree::text)?;
        let slot = usize::from(slot_of(key.as_bytes()).0);
        let mut chance = |likely: f64| likely > 0.0 && random.random::<f64>() < likely;
        let faults = self.faults;
        let [passing, flap, storm, migrate, stranger] =
            [faults.passing, faults.flap, faults.storm, faults.migrate, faults.stranger]
                .map(&mut chance);
        let any = random.random_range(0..self.nodes);
        if passing {
            let words = ["TRYAGAIN", "CLUSTERDOWN", "LOADING", "READONLY", "MASTERDOWN"];
            return Some(format!("-{} for a while\r\n", words[usize::from(any) % words.len()]));
        }
        if flap {
            self.owners[slot] = any;
        }
        if stranger && self.nodes < MOST_NODES {
            self.owners[slot] = self.nodes;
            self.nodes += 1;
        }
        if migrate && self.target[slot] == NOBODY {
            self.target[slot] = any;
        }
        let (owner, target) = (self.owners[slot], self.target[slot]);
        let is_read = request.list().first().and_then(Tree::text).is_some_and(|name| name == "GET");
        if is_read && node == Self::replica_of(owner) {
            return storm.then(|| redirect("MOVED", slot, any));
        }
        if owner != node && !(asking && target == node) {
            return Some(redirect("MOVED", slot, owner));
        }
        if storm {
            return Some(redirect("MOVED", slot, any));
        }
        if owner == node && target != NOBODY {
            if random.random_range(0..4) == 0 {
                (self.owners[slot], self.target[slot]) = (target, NOBODY);
            }
            return Some(redirect("ASK", slot, target));
        }
        None
    }
}

fn redirect(word: &str, slot: usize, node: u8) -> String {
    format!("-{word} {slot} {}\r\n", World::address(node))
}
