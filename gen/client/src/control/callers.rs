//! Questions about keys and counts, to one server or to the nodes of a cluster that know.

use super::preflight::{Caller, StartError};
use super::topology;
use super::topology::Found;
use crate::plan::{Plan, RingPlan, Topology};
use stallion_engine::cluster::cluster_map::{NO_NODE, Table};
use stallion_engine::cluster::hash_ring::HashRing;
use stallion_engine::cluster::slots::slot_of;
use stallion_engine::units::NodeId;
use stallion_resp::redirect::read;
use stallion_resp::tree::Tree;
use stallion_resp::units::SLOTS;
use stallion_server::Place;

/// How often one question follows the topology to its new place.
const ATTEMPTS: usize = 5;

/// A connection to each server that holds keys.
#[derive(Debug)]
pub struct Callers {
    callers: Vec<Caller>,
    cluster: Option<Known>,
    /// Whose keys the client shares out itself: the callers are in its order.
    ring: Option<HashRing>,
}

/// Who serves which slot.
#[derive(Debug)]
struct Known {
    /// The numbers of the callers' nodes.
    nodes: Vec<NodeId>,
    owners: Box<Table>,
}

impl Callers {
    /// Connects to the plan's server, or to all primaries of its cluster.
    ///
    /// # Errors
    /// As [`Caller::connect`] and [`topology::find`].
    pub fn connect(plan: &Plan) -> Result<Self, StartError> {
        if let Topology::Ring(ring) = &plan.topology {
            return Self::of_ring(plan, ring);
        }
        let plan = &*topology::awake(plan)?;
        let mut first = Caller::of(plan)?;
        let Topology::Cluster { .. } = plan.topology else {
            return Ok(Self { callers: vec![first], cluster: None, ring: None });
        };
        let Found { cluster_map, primaries, .. } =
            topology::find(&plan.target, &plan.credentials, &mut first)?;
        let mut callers = Vec::new();
        for address in primaries.iter().filter_map(|node| cluster_map.address(*node)) {
            let target = Place::Tcp { host: address.ip().to_string(), port: address.port() };
            callers.push(Caller::connect(&target, &plan.credentials, plan.resp3)?);
        }
        let mut owners = Box::new([NO_NODE; SLOTS as usize]);
        // Nobody else has this cluster map yet.
        let _ = cluster_map.copy(&mut owners);
        Ok(Self { callers, cluster: Some(Known { nodes: primaries, owners }), ring: None })
    }

    fn of_ring(plan: &Plan, ring: &RingPlan) -> Result<Self, StartError> {
        let connect = |place| Caller::connect(&place, &plan.credentials, plan.resp3);
        let callers = ring.nodes.iter().filter_map(|node| Place::host_and_port(node)).map(connect);
        let callers = callers.collect::<Result<_, _>>()?;
        Ok(Self { callers, cluster: None, ring: Some(ring.ring(&ring.nodes)) })
    }

    /// All of them.
    pub fn each(&mut self) -> impl Iterator<Item = &mut Caller> {
        self.callers.iter_mut()
    }

    /// Asks whoever serves a key; `words` name it. A cluster that has moved the key meanwhile is
    /// looked at again.
    ///
    /// # Errors
    /// As [`Caller::ask`].
    pub fn ask(&mut self, plan: &Plan, key: &str, words: &[&[u8]]) -> Result<Tree, StartError> {
        let mut attempt = 1;
        loop {
            let reply = self.of(key).ask(words)?;
            let moved = matches!(&reply, Tree::Error(text) if read(text.as_bytes()).is_some());
            if self.cluster.is_none() || !moved || attempt == ATTEMPTS {
                return Ok(reply);
            }
            attempt += 1;
            *self = Self::connect(plan)?;
        }
    }

    fn of(&mut self, key: &str) -> &mut Caller {
        if let Some(ring) = &self.ring {
            let at = ring.server_of(key.as_bytes()).index();
            return &mut self.callers[at];
        }
        let at = self.cluster.as_ref().and_then(|known| {
            let owner = known.owners[slot_of(key.as_bytes()).index()];
            known.nodes.iter().position(|node| node.0 == u16::from(owner))
        });
        // A slot that nobody serves: any node says so.
        &mut self.callers[at.unwrap_or(0)]
    }
}
