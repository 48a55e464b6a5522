//! What a plan's target is.

use serde::Serialize;
use thiserror::Error;

use stallion_engine::cluster::hash_ring::{HashRing, POINTS_PER_DIGEST, Spreading};
use stallion_engine::limits::MAX_NODES;
use stallion_resp::command::Commands;
use stallion_resp::units::CommandId;
use stallion_server::Place;

/// What the target is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Topology {
    /// One server, or something that looks like one.
    #[default]
    Node,
    /// A node of a cluster, of which all nodes are driven.
    Cluster {
        /// What happens to requests that fail for a while.
        on_error: OnError,
        /// Nodes that are asked for the others when the target does not answer.
        seeds: Vec<Place>,
    },
    /// Servers that know nothing of each other: the client shares the keys out.
    Ring(RingPlan),
}

/// Servers, and how the client shares keys out among them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RingPlan {
    /// The servers as `host:port`, which is what a circle hashes.
    pub nodes: Vec<String>,
    /// How.
    pub spreading: Spreading,
    /// Points of each server on a circle ("virtual nodes").
    pub points: usize,
    /// Another list, to say how many keys would move.
    pub compare: Option<Vec<String>>,
}

/// Why a ring cannot be. Each text names the flag and a remedy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RingError {
    /// No servers, too many, or one of them twice.
    #[error("--ring-nodes {0}: give 1 to {MAX_NODES} different servers, as HOST:PORT,HOST:PORT")]
    Nodes(String),
    /// Points that are none.
    #[error("--ring-points {0} is out of range: give 4 to {MAX_POINTS}, of which 4 share a digest")]
    Points(usize),
    /// Keys of several servers in one request.
    #[error(
        "{0} names several keys, which may be on several servers, and cannot be sent key by key: leave \
         it out of the mix"
    )]
    Keys(String),
    /// A replay.
    #[error(
        "--topology ring shares out keys by their names and a trace has its own: leave out --trace"
    )]
    Replay,
}

/// Points of one server at most.
const MAX_POINTS: usize = 10_000;

impl RingPlan {
    /// The circle, or the rule, of these servers.
    #[must_use]
    pub fn ring(&self, nodes: &[String]) -> HashRing {
        HashRing::new(self.spreading, self.points, nodes)
    }

    /// Checks the servers and the commands that they are to get.
    pub(super) fn check(&self, commands: &Commands, replays: bool) -> Result<(), RingError> {
        for nodes in [Some(&self.nodes), self.compare.as_ref()].into_iter().flatten() {
            let is_good = |(index, node): (usize, &String)| {
                Place::host_and_port(node).is_some() && !nodes[..index].contains(node)
            };
            let fits = (1..=MAX_NODES).contains(&nodes.len());
            if !fits || !nodes.iter().enumerate().all(is_good) {
                return Err(RingError::Nodes(nodes.join(",")));
            }
        }
        if !(POINTS_PER_DIGEST..=MAX_POINTS).contains(&self.points) {
            return Err(RingError::Points(self.points));
        }
        if replays {
            return Err(RingError::Replay);
        }
        if commands.transaction.is_some() {
            return Err(RingError::Keys("--tx".to_owned()));
        }
        let mut numbered = commands.list.iter().enumerate();
        let several = numbered.find(|(at, command)| {
            command.keys() > 1 && commands.part(CommandId(*at as u8)).is_none()
        });
        several.map_or(Ok(()), |(_, command)| Err(RingError::Keys(command.name.clone())))
    }
}

/// What happens to a request of a cluster that TRYAGAIN, CLUSTERDOWN, LOADING, READONLY or MASTERDOWN
/// answered, or that was lost with its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// It is sent again, as often and as long as the bounds allow.
    Retry,
    /// It has failed, and counts as what it was answered.
    Count,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_that_cannot_be_is_refused() {
        let plan = |nodes: &[&str]| RingPlan {
            nodes: nodes.iter().copied().map(str::to_owned).collect(),
            spreading: Spreading::Ketama,
            points: 160,
            compare: None,
        };
        let commands = Commands::reads_and_writes(1, 1);
        assert_eq!(plan(&["a:1", "[::1]:2"]).check(&commands, false), Ok(()));
        for wrong in [&[][..], &["a"], &["a:0"], &[":1"], &["a:1", "a:1"]] {
            let error = plan(wrong).check(&commands, false);
            assert!(matches!(error, Err(RingError::Nodes(_))), "{wrong:?}");
        }
        let few = RingPlan { points: 1, ..plan(&["a:1"]) };
        assert_eq!(few.check(&commands, false), Err(RingError::Points(1)));
    }
}
