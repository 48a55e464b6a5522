//! The flags that say what the server is: one, a cluster, or one of a list.

use stallion_client::plan;
use stallion_client::plan::RingPlan;
use stallion_engine::cluster::hash_ring::{DEFAULT_POINTS, Spreading};
use stallion_server::Place;

use crate::exit::Failure;

/// What the server is.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Cluster and ring")]
pub(crate) struct Shape {
    /// What the server is: node, cluster for a node of a cluster of which all nodes are driven, or
    /// ring for servers that know nothing of each other, among which the client shares the keys out
    #[arg(long, value_enum, default_value_t = Topology::Node)]
    topology: Topology,
    /// What becomes of a request that a cluster cannot serve for a while (TRYAGAIN, CLUSTERDOWN,
    /// LOADING, READONLY, MASTERDOWN, a lost connection): retry sends it again, count calls it
    /// failed [default: retry]
    #[arg(long, value_enum, value_name = "POLICY")]
    on_error: Option<OnError>,
    /// Nodes of --topology cluster that are asked for the others, one after the other, when the target
    /// does not answer
    #[arg(long, value_name = "HOST:PORT,…", value_delimiter = ',', value_parser = node)]
    cluster_nodes: Vec<Place>,
    /// The servers of --topology ring; their names and order decide which key is where
    #[arg(long, value_name = "HOST:PORT,…", value_delimiter = ',')]
    ring_nodes: Vec<String>,
    /// How --topology ring shares keys out: ketama (as twemproxy with hash: md5 and distribution:
    /// ketama) or modulo (md5 modulo the number of servers)
    #[arg(long, value_enum, default_value_t = Hash::Ketama)]
    ring_hash: Hash,
    /// Points of each server on the circle of ketama ("virtual nodes")
    #[arg(long, value_name = "N", default_value_t = DEFAULT_POINTS)]
    ring_points: usize,
    /// Say what share of the keys would be elsewhere with this list of servers
    #[arg(long, value_name = "HOST:PORT,…", value_delimiter = ',')]
    ring_compare: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Topology {
    Node,
    Cluster,
    Ring,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum OnError {
    Retry,
    Count,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Hash {
    Ketama,
    Modulo,
}

impl Shape {
    /// What the target is.
    pub(crate) fn read(&self) -> Result<plan::Topology, Failure> {
        if self.on_error.is_some() && self.topology != Topology::Cluster {
            let what = "--on-error is about a cluster: give --topology cluster, too";
            return Err(Failure::usage(what));
        }
        if !self.cluster_nodes.is_empty() && self.topology != Topology::Cluster {
            let what = "--cluster-nodes is about a cluster: give --topology cluster, too";
            return Err(Failure::usage(what));
        }
        let is_ring = self.topology == Topology::Ring;
        if !(is_ring || self.ring_nodes.is_empty() && self.ring_compare.is_none()) {
            let what =
                "--ring-nodes and --ring-compare are about a ring: give --topology ring, too";
            return Err(Failure::usage(what));
        }
        let on_error = match self.on_error {
            Some(OnError::Count) => plan::OnError::Count,
            Some(OnError::Retry) | None => plan::OnError::Retry,
        };
        Ok(match self.topology {
            Topology::Node => plan::Topology::Node,
            Topology::Cluster => {
                plan::Topology::Cluster { on_error, seeds: self.cluster_nodes.clone() }
            }
            Topology::Ring => plan::Topology::Ring(RingPlan {
                nodes: self.ring_nodes.clone(),
                spreading: match self.ring_hash {
                    Hash::Ketama => Spreading::Ketama,
                    Hash::Modulo => Spreading::Modulo,
                },
                points: self.ring_points,
                compare: self.ring_compare.clone(),
            }),
        })
    }

    /// The server that is asked first, when it is one of a list.
    pub(crate) fn first(&self) -> Option<Place> {
        Place::host_and_port(self.ring_nodes.first()?)
    }
}

/// A node of a cluster, as people write it.
fn node(text: &str) -> Result<Place, String> {
    Place::host_and_port(text).ok_or_else(|| "give HOST:PORT, for example 10.0.0.2:7000".to_owned())
}
