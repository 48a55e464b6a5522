//! Real servers on loopback, in a temporary folder, gone without a trace at the end.
//!
//! A stack vanishes in four ways, each the next one's safety net: it is dropped (success, failure
//! and Ctrl-C); the kernel kills its servers when the thread that started them ends
//! (PR_SET_PDEATHSIG); and whatever a killed runner left, forked children and the folder, the
//! next start sweeps away (see [`Registry`]).

use std::fs;
use std::path::{Path, PathBuf};

use stallion_server::Target;

use crate::cluster;
use crate::error::StackError;
use crate::links::{Links, NodeLinks};
use crate::placement::Placement;
use crate::ports::{BUS_OFFSET, free_port};
use crate::process::{self, ServerProcess};
use crate::proxy::Proxy;
use crate::registry::{Claim, Registry};
use crate::relay::Relay;
use crate::stack_plan::{StackKind, StackPlan};

/// A port that was free a moment ago may be taken by the time the server binds it.
const START_ATTEMPTS: u32 = 3;

/// Running servers. Dropping it stops them and removes their folder.
#[derive(Debug)]
pub struct Stack {
    // Dropped in this order: first the processes, then the folder they write to.
    servers: Vec<ServerProcess>,
    proxy: Option<Proxy>,
    relay: Option<Relay>,
    links: Links,
    claim: Claim,
}

impl Stack {
    /// Sweeps up what killed runners left, then starts the servers and waits until they answer.
    ///
    /// The servers die with the thread that calls this: let it outlive the stack.
    ///
    /// # Errors
    /// [`StackError`]; nothing is left behind then.
    pub fn start(
        plan: &StackPlan,
        placement: &Placement,
        registry: &Registry,
    ) -> Result<Self, StackError> {
        registry.sweep()?;
        let program = process::program()?;
        let claim = registry.claim()?;
        let (mut servers, mut links) = (Vec::new(), Links::default());
        for number in 0..plan.servers() {
            let folder = match plan.kind {
                StackKind::Single => claim.folder().to_owned(),
                _ => claim.folder().join(format!("node-{number}")),
            };
            fs::create_dir_all(&folder).map_err(StackError::io(folder.display().to_string()))?;
            let follows = followed(plan, &servers, &mut links)?;
            servers.push(start_server(program, plan, follows, &folder, placement, &mut links)?);
        }
        let single = plan.relay && plan.kind == StackKind::Single;
        let first = servers.first().map(ServerProcess::port).filter(|_| single);
        let relay = first.map(Relay::to).transpose().map_err(StackError::io("the relay"))?;
        let mut stack = Self { servers, proxy: None, relay, links, claim };
        stack.join(plan)?;
        if plan.proxy {
            stack.proxy = Some(Proxy::start(plan, &stack.ports(), stack.folder())?);
        }
        Ok(stack)
    }

    /// What makes more of the servers than each is alone.
    fn join(&self, plan: &StackPlan) -> Result<(), StackError> {
        let all = self.targets();
        if plan.kind == StackKind::Cluster {
            let nodes = all.len() - usize::from(plan.spares);
            let known = |(number, port): (usize, &u16)| match self.links.nodes.get(number) {
                Some(links) => (links.clients.port(), links.bus.port()),
                None => (*port, *port + BUS_OFFSET),
            };
            let ports: Vec<(u16, u16)> = self.ports().iter().enumerate().map(known).collect();
            cluster::join(&all[..nodes], &ports[..nodes], usize::from(plan.primaries.max(1)))?;
        }
        if plan.kind == StackKind::Replicated {
            cluster::await_links(&all[1..])?;
        }
        Ok(())
    }

    /// Where the server listens; of a cluster the first node.
    #[must_use]
    pub fn target(&self) -> Target {
        Target::tcp("127.0.0.1", self.port(), None, None)
    }

    /// Where all servers listen; of a cluster the primaries first.
    #[must_use]
    pub fn targets(&self) -> Vec<Target> {
        let target = |server: &ServerProcess| Target::tcp("127.0.0.1", server.port(), None, None);
        self.servers.iter().map(target).collect()
    }

    /// The server's port on loopback; of a cluster that of the first node.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.servers.first().map_or(0, ServerProcess::port)
    }

    /// The ports of all servers; of a cluster the primaries first.
    #[must_use]
    pub fn ports(&self) -> Vec<u16> {
        self.servers.iter().map(ServerProcess::port).collect()
    }

    /// The servers' logs, in the order of their ports; their times are UTC.
    #[must_use]
    pub fn logs(&self) -> Vec<PathBuf> {
        self.servers.iter().map(|server| server.log().to_owned()).collect()
    }

    /// The link through which clients come, when the plan wants one.
    #[must_use]
    pub fn relay(&self) -> Option<&Relay> {
        self.relay.as_ref()
    }

    /// What the servers hear each other through, when the plan wants relays there.
    #[must_use]
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// Where the proxy before the servers listens, when the plan wants one.
    #[must_use]
    pub fn proxy_port(&self) -> Option<u16> {
        self.proxy.as_ref().map(Proxy::port)
    }

    /// The server's process id; of a cluster that of the first node.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.servers.first().map_or(0, ServerProcess::pid)
    }

    /// `redis-server` or `valkey-server`.
    #[must_use]
    pub fn program(&self) -> &'static str {
        self.servers.first().map_or("", ServerProcess::program)
    }

    /// The folder of its configuration, log and data.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.claim.folder()
    }
}

/// The port at which a further server hears the one that it follows, through a relay where the plan
/// wants one.
fn followed(
    plan: &StackPlan,
    servers: &[ServerProcess],
    links: &mut Links,
) -> Result<Option<u16>, StackError> {
    let followed = if plan.chain { servers.last() } else { servers.first() };
    let Some(server) = followed.filter(|_| plan.kind == StackKind::Replicated) else {
        return Ok(None);
    };
    if !plan.relay {
        return Ok(Some(server.port()));
    }
    let relay = Relay::to(server.port()).map_err(StackError::io("a relay"))?;
    links.replicas.push(relay.clone());
    Ok(Some(relay.port()))
}

fn start_server(
    program: &'static str,
    plan: &StackPlan,
    primary: Option<u16>,
    folder: &Path,
    placement: &Placement,
    links: &mut Links,
) -> Result<ServerProcess, StackError> {
    let mut attempt = 1;
    loop {
        let port = free_port(plan.kind).map_err(StackError::io("no free port on loopback"))?;
        let number = links.nodes.len() as u16;
        let relayed = plan.relay && plan.kind == StackKind::Cluster;
        let own = relayed.then(|| NodeLinks::before(number, port, port + BUS_OFFSET)).transpose();
        let own = own.map_err(StackError::io("the relays"))?;
        let text = plan.configuration(port, primary, own.as_ref(), folder, placement);
        match ServerProcess::start(program, &text, port, folder, plan.huge_pages) {
            Err(StackError::Ended { log, .. })
                if attempt < START_ATTEMPTS && log.contains("Address already in use") =>
            {
                attempt += 1;
            }
            ended => {
                links.nodes.extend(own);
                return ended;
            }
        }
    }
}
