//! The links between servers, where a scenario wants to cut them: replicas hear their primary, and the
//! nodes of a cluster each other, through relays.

use std::io;
use std::net::Ipv4Addr;

use crate::relay::Relay;

/// What the servers hear each other through; empty without `relay`.
#[derive(Debug, Clone, Default)]
pub struct Links {
    /// How each replica of a primary hears it, in the order of the replicas.
    pub replicas: Vec<Relay>,
    /// Of each node of a cluster, in the order of the nodes.
    pub nodes: Vec<NodeLinks>,
}

/// How a node of a cluster is reached by the others, and by clients that go where the cluster sends
/// them.
#[derive(Debug, Clone)]
pub struct NodeLinks {
    /// To its port for clients, through which its replicas hear it, too.
    pub clients: Relay,
    /// To its port for the other nodes.
    pub bus: Relay,
    /// Where its own connections to the others come from.
    pub source: Ipv4Addr,
}

impl NodeLinks {
    /// Before a node that listens, or will, at these ports.
    pub(crate) fn before(number: u16, port: u16, bus: u16) -> io::Result<Self> {
        // All of 127.0.0.0/8 is this host; nobody else's connections come from 127.0.1.x.
        let source = Ipv4Addr::new(127, 0, 1, (number % 250) as u8 + 1);
        Ok(Self { clients: Relay::to(port)?, bus: Relay::to(bus)?, source })
    }

    /// What the node has to know to be reached by them.
    pub(crate) fn directives(&self) -> Vec<(&'static str, String)> {
        vec![
            ("cluster-announce-ip", Ipv4Addr::LOCALHOST.to_string()),
            ("cluster-announce-port", self.clients.port().to_string()),
            ("cluster-announce-bus-port", self.bus.port().to_string()),
            ("bind-source-addr", self.source.to_string()),
        ]
    }
}

impl Links {
    /// Cuts a node of the cluster off from all others, and from the clients that come by its link; or
    /// joins it again. Whoever knows its own port still reaches it.
    pub fn isolate(&self, node: usize, cut: bool) {
        let Some(alone) = self.nodes.get(node) else { return };
        alone.clients.cut(cut);
        alone.bus.cut(cut);
        for (_, other) in self.nodes.iter().enumerate().filter(|(number, _)| *number != node) {
            let source = cut.then_some(alone.source);
            other.clients.cut_from(source);
            other.bus.cut_from(source);
        }
    }
}
