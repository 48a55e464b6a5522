//! The servers of one or more runs: those that the scenario starts, or the user's.

use std::io;
use std::time::{Duration, Instant};

use crate::scenario::{LoadPlan, Scenario};
use stallion_server::ask::{all_online, set_config};
use stallion_server::info::Info;
use stallion_server::{Target, Tls};
use stallion_stack::interrupt::Interrupt;
use stallion_stack::placement::{Placement, Reserved};
use stallion_stack::{Links, Relay, Stack, StackError, StackKind, StackPlan};

use super::{Options, RunError};

/// Nodes of a cluster tell each other about once a second.
const REPLICAS_KNOWN_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Servers that are up, and what they hold.
#[derive(Debug)]
pub struct Bench {
    // Dropped in this order: first the servers, then our hold on the cores.
    servers: Servers,
    pub(super) placement: Placement,
    _reserved: Reserved,
    plan: StackPlan,
    pub(super) loaded: Option<LoadPlan>,
    empty_bytes: i64,
}

#[derive(Debug)]
enum Servers {
    Ours(Stack),
    /// The addresses as they were given, passwords included, and as targets; and how TLS is spoken.
    Theirs(Vec<(String, Target)>, Option<Tls>),
}

impl Bench {
    /// Starts what a scenario wants, or connects to the servers of the options.
    ///
    /// The servers die with the thread that calls this.
    ///
    /// # Errors
    /// [`RunError`]; nothing is left behind then.
    pub fn start(
        plan: &StackPlan,
        options: &Options,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<Self, RunError> {
        let placement =
            Placement::of_this_host().map_err(StackError::io("cannot read the cores"))?;
        let servers = if options.urls.is_empty() {
            Servers::Ours(Stack::start(plan, &placement, &options.registry)?)
        } else {
            Servers::Theirs(theirs(options)?, options.tls.clone())
        };
        let reserved = placement
            .leave_the_server_alone()
            .map_err(StackError::io("cannot leave the server's core"))?;
        let plan = plan.clone();
        let mut bench =
            Self { servers, placement, _reserved: reserved, plan, loaded: None, empty_bytes: 0 };
        bench.empty_bytes = bench.used_bytes()?;
        say(&bench.describe());
        Ok(bench)
    }

    /// Whether another run can begin on these servers as they are: the same servers with the same
    /// keys, and nothing that disturbs them.
    #[must_use]
    pub fn fits(&self, scenario: &Scenario) -> bool {
        let theirs = matches!(self.servers, Servers::Theirs(..));
        let same = self.plan == scenario.stack && scenario.injections().is_empty();
        theirs || (same && self.loaded.as_ref().is_some_and(|load| *load == scenario.load))
    }

    /// Whether Stallion started them.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self.servers, Servers::Ours(_))
    }

    /// The link through which the load goes, when there is one.
    pub(super) fn relay(&self) -> Option<Relay> {
        match &self.servers {
            Servers::Ours(stack) => stack.relay().cloned(),
            Servers::Theirs(..) => None,
        }
    }

    /// What the servers hear each other through.
    pub(super) fn links(&self) -> Links {
        match &self.servers {
            Servers::Ours(stack) => stack.links().clone(),
            Servers::Theirs(..) => Links::default(),
        }
    }

    /// What scenarios can name: servers that could join (`spare`, `spare-2` …), and the proxy.
    pub(super) fn places(&self) -> Vec<(String, String)> {
        let Servers::Ours(stack) = &self.servers else { return Vec::new() };
        let ports = stack.ports();
        let spares = ports.iter().skip(ports.len() - usize::from(self.plan.spares)).enumerate();
        let spares = spares.map(|(number, port)| match number {
            0 => ("spare".to_owned(), *port),
            _ => (format!("spare-{}", number + 1), *port),
        });
        let proxy = stack.proxy_port().map(|port| ("proxy".to_owned(), port));
        spares.chain(proxy).map(|(name, port)| (name, format!("127.0.0.1:{port}"))).collect()
    }

    /// The logs of servers of ours.
    pub(super) fn logs(&self) -> Option<Vec<std::path::PathBuf>> {
        match &self.servers {
            Servers::Ours(stack) => Some(stack.logs()),
            Servers::Theirs(..) => None,
        }
    }

    /// Where all servers listen; of a cluster the primaries first.
    pub(super) fn targets(&self) -> Vec<Target> {
        match &self.servers {
            Servers::Ours(stack) => stack.targets(),
            Servers::Theirs(all, _) => all.iter().map(|(_, target)| target.clone()).collect(),
        }
    }

    /// Where the first server listens.
    pub(super) fn target(&self) -> Target {
        match &self.servers {
            Servers::Ours(stack) => stack.target(),
            Servers::Theirs(all, _) => all.first().map_or_else(
                || Target::tcp("127.0.0.1", 0, None, None),
                |(_, target)| target.clone(),
            ),
        }
    }

    /// The flags by which a verb finds the first server. `load` finds neither the spares of a ring nor
    /// the proxy, which could not say what is there; both share keys out in the same way.
    pub(super) fn flags(&self, for_load: bool) -> Vec<String> {
        match &self.servers {
            Servers::Ours(stack) => {
                let proxy = stack.proxy_port().filter(|_| !for_load);
                if self.plan.kind == StackKind::Ring && proxy.is_none() {
                    return self.ring(&stack.ports(), for_load);
                }
                let relay = stack.relay().map(Relay::port);
                let port = proxy.or(relay).unwrap_or_else(|| stack.port());
                ["--host", "127.0.0.1", "--port", &port.to_string()].map(str::to_owned).to_vec()
            }
            Servers::Theirs(all, tls) => {
                let url = all.first().map(|(url, _)| url.clone()).unwrap_or_default();
                let flags = tls.iter().flat_map(|tls| tls.flags.clone());
                ["--target".to_owned(), url].into_iter().chain(flags).collect()
            }
        }
    }

    fn ring(&self, ports: &[u16], for_load: bool) -> Vec<String> {
        let list = |ports: &[u16]| {
            let names: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
            names.join(",")
        };
        let (old, spares) = ports.split_at(ports.len() - usize::from(self.plan.spares));
        let nodes = list(if for_load { old } else { ports });
        let points = self.plan.ring_points.to_string();
        let hash = self.plan.ring_hash.word();
        let mut flags = vec!["--topology", "ring", "--ring-nodes", &nodes, "--ring-hash", hash];
        flags.extend(["--ring-points", &points]);
        let before = list(old);
        if !for_load && !spares.is_empty() {
            flags.extend(["--ring-compare", &before]);
        }
        flags.into_iter().map(str::to_owned).collect()
    }

    /// With `working_set`, the limit at which what is there is so many times what may be there.
    pub(super) fn limit_memory(&self, working_set: f64) -> Result<i64, RunError> {
        let wanted = (self.used_bytes()? - self.empty_bytes) as f64 / working_set;
        let limit = self.empty_bytes + wanted as i64;
        for target in self.targets() {
            let mut connection = target.connect().map_err(lost)?;
            set_config(&mut connection, "maxmemory", &limit.to_string()).map_err(lost)?;
        }
        Ok(limit)
    }

    /// Waits, for a while, until a cluster knows that its replicas have what was loaded: before that
    /// clients do not read them.
    pub(super) fn await_replicas(&self, interrupt: &Interrupt) {
        if self.plan.kind != StackKind::Cluster || self.plan.replicas == 0 {
            return;
        }
        let start = Instant::now();
        while start.elapsed() < REPLICAS_KNOWN_WITHIN {
            let known = self.target().connect().map(|mut one| all_online(&mut one).unwrap_or(true));
            if known.unwrap_or(true) || !interrupt.sleep(LOOK_EVERY) {
                return;
            }
        }
    }

    fn used_bytes(&self) -> Result<i64, RunError> {
        let mut connection = self.target().connect().map_err(lost)?;
        let info = Info::ask(&mut connection, "memory").map_err(lost)?;
        Ok(info.number("used_memory").unwrap_or(0))
    }

    fn describe(&self) -> String {
        let Servers::Ours(stack) = &self.servers else {
            return format!("your server {} and {} more", self.target(), self.targets().len() - 1);
        };
        let cores = match (self.placement.server, self.placement.client) {
            (Some(server), Some(client)) => {
                format!("server on core {server}, client on core {client}")
            }
            _ => "one core for server and client: latencies are those of their rivalry".to_owned(),
        };
        let (program, port, pid) = (stack.program(), stack.port(), stack.pid());
        match stack.ports().len() {
            1 => format!("{program} on port {port} (pid {pid}); {cores}"),
            count => format!("{count} {program}, the first on port {port} (pid {pid}); {cores}"),
        }
    }
}

fn theirs(options: &Options) -> Result<Vec<(String, Target)>, RunError> {
    let mut all = Vec::new();
    for url in &options.urls {
        let target = Target::parse(url).map_err(lost)?;
        let target = match &options.tls {
            Some(tls) => target.by_tls(tls),
            None => target,
        };
        target.connect().map_err(lost)?;
        all.push((url.clone(), target));
    }
    Ok(all)
}

fn lost(error: impl std::error::Error) -> RunError {
    RunError::Stack(StackError::Io {
        what: "the servers".to_owned(),
        error: io::Error::other(error.to_string()),
    })
}
