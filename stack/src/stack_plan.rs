//! How the servers of a stack are configured.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::links::NodeLinks;
use crate::placement::Placement;

/// Which servers, and how they are set up; the table `[stack]` of a scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StackPlan {
    /// The shape of the stack.
    pub kind: StackKind,
    /// The server's memory limit as redis.conf writes it (`3gb`); `0` is none.
    pub maxmemory: String,
    /// Instead: the limit is set after the load, so that what was loaded is this many times of it.
    pub working_set: Option<f64>,
    /// What happens at that limit.
    pub maxmemory_policy: String,
    /// Whether there is an append-only file.
    pub appendonly: bool,
    /// When it is forced to the disk.
    pub appendfsync: AppendFsync,
    /// Automatic snapshots as redis.conf writes them; empty is none.
    pub save: String,
    /// Threads for reading and writing sockets.
    pub io_threads: u32,
    /// Commands slower than this are kept in SLOWLOG, in microseconds.
    pub slowlog_slower_than_us: u64,
    /// Primaries of a cluster.
    pub primaries: u16,
    /// Replicas of each of them.
    pub replicas: u16,
    /// Servers that could be of the cluster, and are not: for `add-node` to `spare`.
    pub spares: u16,
    /// Whether there are relays that can be made slow or cut: before a single server for its clients,
    /// between a primary and its replicas for these, before each node of a cluster for the others.
    pub relay: bool,
    /// Whether each replica of a primary follows the one before it, not the primary itself.
    pub chain: bool,
    /// How a ring shares out the keys among its servers.
    pub ring_hash: RingHash,
    /// Points of each server on the circle of a ring.
    pub ring_points: u32,
    /// Whether clients come through nutcracker (twemproxy), which shares the keys out itself.
    pub proxy: bool,
    /// Whether the server's heap asks the kernel for huge pages (jemalloc's `thp:always`).
    pub huge_pages: bool,
    /// Any further directive of redis.conf.
    pub config: BTreeMap<String, String>,
}

impl Default for StackPlan {
    fn default() -> Self {
        Self {
            kind: StackKind::Single,
            maxmemory: "0".to_owned(),
            working_set: None,
            maxmemory_policy: "noeviction".to_owned(),
            appendonly: false,
            appendfsync: AppendFsync::Everysec,
            save: String::new(),
            io_threads: 1,
            slowlog_slower_than_us: 1_000,
            primaries: 3,
            replicas: 1,
            spares: 0,
            relay: false,
            chain: false,
            ring_hash: RingHash::Ketama,
            ring_points: 160,
            proxy: false,
            huge_pages: false,
            config: BTreeMap::new(),
        }
    }
}

/// The shape of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StackKind {
    /// One server.
    Single,
    /// A primary with `replicas`.
    Replicated,
    /// A cluster of `primaries` with `replicas` each.
    Cluster,
    /// `primaries` servers that know nothing of each other; clients, or `proxy`, share the keys out.
    /// `spares` join for the measured load, and have nothing then.
    Ring,
}

/// How the keys of a ring are shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RingHash {
    /// By libketama's circle.
    Ketama,
    /// By the hash modulo the number of servers.
    Modulo,
}

impl RingHash {
    /// The word of `--ring-hash`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ketama => "ketama",
            Self::Modulo => "modulo",
        }
    }
}

/// When the append-only file is forced to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AppendFsync {
    /// When the kernel likes.
    No,
    /// Once a second, by a background thread.
    Everysec,
    /// Before each reply, by the event loop.
    Always,
}

impl AppendFsync {
    /// The word of redis.conf.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Everysec => "everysec",
            Self::Always => "always",
        }
    }
}

/// What the nodes of a cluster need. With a node time-out of 2 s a killed primary is replaced in
/// about 3 s; the default of 15 s would make experiments long and not different.
const CLUSTER: [(&str, &str); 4] = [
    ("cluster-enabled", "yes"),
    ("cluster-config-file", "nodes.conf"),
    ("cluster-node-timeout", "2000"),
    ("repl-diskless-sync-delay", "0"),
];

impl StackPlan {
    /// How many servers there are.
    #[must_use]
    pub fn servers(&self) -> u16 {
        match self.kind {
            StackKind::Single => 1,
            StackKind::Replicated => 1 + self.replicas,
            StackKind::Ring => self.primaries.max(1) + self.spares,
            StackKind::Cluster => self.primaries.max(1) * (self.replicas + 1) + self.spares,
        }
    }

    /// The text of the server's redis.conf. A `primary` is the port of the server that it follows,
    /// `links` what the other nodes of its cluster reach it through.
    #[must_use]
    pub fn configuration(
        &self,
        port: u16,
        primary: Option<u16>,
        links: Option<&NodeLinks>,
        folder: &Path,
        placement: &Placement,
    ) -> String {
        let yes_no = if self.appendonly { "yes" } else { "no" };
        let mut directives: Vec<(&str, String)> = vec![
            ("bind", "127.0.0.1".to_owned()),
            ("port", port.to_string()),
            ("dir", folder.display().to_string()),
            ("daemonize", "no".to_owned()),
            ("logfile", String::new()),
            ("enable-debug-command", "yes".to_owned()),
            ("maxmemory", self.maxmemory.clone()),
            ("maxmemory-policy", self.maxmemory_policy.clone()),
            ("appendonly", yes_no.to_owned()),
            ("appendfsync", self.appendfsync.word().to_owned()),
            // A rewrite that the scenario did not ask for would be a stall without a mark.
            ("auto-aof-rewrite-percentage", "0".to_owned()),
            ("save", self.save.clone()),
            ("io-threads", self.io_threads.to_string()),
            ("slowlog-log-slower-than", self.slowlog_slower_than_us.to_string()),
            ("slowlog-max-len", "1024".to_owned()),
        ];
        if self.kind == StackKind::Replicated {
            directives.push(("repl-diskless-sync-delay", "0".to_owned()));
        }
        if let Some(primary) = primary {
            directives.push(("replicaof", format!("127.0.0.1 {primary}")));
        }
        if self.huge_pages {
            directives.push(("disable-thp", "no".to_owned()));
        }
        if self.kind == StackKind::Cluster {
            directives.extend(CLUSTER.map(|(name, value)| (name, value.to_owned())));
        }
        directives.extend(links.map(NodeLinks::directives).unwrap_or_default());
        directives.extend(pinning(placement));
        directives.extend(self.config.iter().map(|(name, value)| (name.as_str(), value.clone())));
        directives.iter().fold(String::new(), |mut text, (name, value)| {
            // Writing to a String cannot fail; `replicaof` takes two words, everything else one.
            let _ = match *name {
                "replicaof" => writeln!(text, "{name} {value}"),
                name => writeln!(text, "{name} {}", quoted(value)),
            };
            text
        })
    }
}

/// The server pins its own threads and children; the underscores are the names that every version
/// since 6.0 and every Valkey takes.
fn pinning(placement: &Placement) -> Vec<(&'static str, String)> {
    let Some(server) = placement.server else {
        return Vec::new();
    };
    let others: Vec<String> = placement.others.iter().map(ToString::to_string).collect();
    let others = others.join(",");
    vec![
        ("server_cpulist", server.to_string()),
        ("bio_cpulist", others.clone()),
        ("bgsave_cpulist", others.clone()),
        ("aof_rewrite_cpulist", others),
    ]
}

/// redis.conf splits at spaces outside of quotes, and takes `save ""` for none.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_quoted_and_threads_are_pinned() {
        let placement = Placement { server: Some(0), client: Some(1), others: vec![2, 3] };
        let plan = StackPlan {
            config: BTreeMap::from([("notify-keyspace-events".to_owned(), "a \"b\"".to_owned())]),
            ..StackPlan::default()
        };
        let text = plan.configuration(7001, None, None, Path::new("/tmp/a b"), &placement);
        for line in [
            "port \"7001\"",
            "dir \"/tmp/a b\"",
            "save \"\"",
            "server_cpulist \"0\"",
            "bgsave_cpulist \"2,3\"",
            "notify-keyspace-events \"a \\\"b\\\"\"",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} not in\n{text}");
        }
    }
}
