//! From a port or a process id to the server's process as the host numbers it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::ProbeError;
use crate::procfs::{listening_inodes, namespace_pids, socket_inode};

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The one with this process id.
    Pid(u32),
    /// The one that listens on this TCP port.
    Port(u16),
}

impl std::fmt::Display for Target {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pid(pid) => write!(out, "pid {pid}"),
            Self::Port(port) => write!(out, "port {port}"),
        }
    }
}

/// Programs that speak RESP and have Redis's threads.
const SERVERS: [&str; 5] =
    ["redis-server", "valkey-server", "redis-sentinel", "keydb-server", "redict-server"];

/// Inode of the first pid namespace (`PROC_PID_INIT_INO`, fixed in every kernel).
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

/// The host's process id of a server.
///
/// # Errors
/// [`ProbeError::NoServer`] with what was found instead, and [`ProbeError::InnerPidNamespace`].
pub fn resolve(target: Target) -> Result<u32, ProbeError> {
    let own = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    if own != Path::new(FIRST_PID_NAMESPACE) {
        return Err(ProbeError::InnerPidNamespace);
    }
    match target {
        Target::Pid(pid) => by_pid(pid),
        Target::Port(port) => by_port(port),
    }
}

/// A process id as given: the host's, or else that of a server inside its own container.
fn by_pid(pid: u32) -> Result<u32, ProbeError> {
    if is_server(pid) {
        return Ok(pid);
    }
    let inside: Vec<u32> =
        servers().filter(|host| namespaced(*host).last() == Some(&pid)).collect();
    match (inside.as_slice(), name(pid)) {
        ([host], _) => Ok(*host),
        (_, None) => Err(ProbeError::NoServer(format!(
            "there is no process {pid}; find the server's with `pgrep -a redis-server`"
        ))),
        (_, Some(other)) => Err(ProbeError::NoServer(format!(
            "process {pid} is {other}, no redis-server or valkey-server; \
             give the server's process id, or its --port"
        ))),
    }
}

/// The server that listens on a port: in this network namespace, or else in a container's.
fn by_port(port: u16) -> Result<u32, ProbeError> {
    let found: Vec<u32> = servers().filter(|pid| listens(*pid, port)).collect();
    let here: Vec<u32> =
        found.iter().copied().filter(|pid| network(*pid) == network_of_self()).collect();
    match (here.as_slice(), found.as_slice()) {
        ([pid], _) | ([], [pid]) => Ok(*pid),
        ([], []) => Err(ProbeError::NoServer(nobody(port))),
        (many, all) => {
            let pids = if many.is_empty() { all } else { many };
            Err(ProbeError::NoServer(format!(
                "several servers listen on port {port}: processes {pids:?}; choose one by --pid"
            )))
        }
    }
}

fn nobody(port: u16) -> String {
    let foreign = processes().find(|pid| listens(*pid, port)).and_then(|pid| {
        let name = name(pid)?;
        Some(format!("; {name} (process {pid}) listens there"))
    });
    format!(
        "no redis-server or valkey-server listens on port {port}{}; \
         `pgrep -a redis-server` lists the servers of this host",
        foreign.unwrap_or_default()
    )
}

/// Whether the process owns a socket that listens on the port in its own network namespace.
fn listens(pid: u32, port: u16) -> bool {
    let mut inodes = Vec::new();
    for table in ["tcp", "tcp6"] {
        let text = fs::read_to_string(proc(pid, "net").join(table)).unwrap_or_default();
        inodes.extend(listening_inodes(&text, port));
    }
    if inodes.is_empty() {
        return false;
    }
    let Ok(folder) = fs::read_dir(proc(pid, "fd")) else {
        return false;
    };
    folder
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| socket_inode(link.to_str()?))
        .any(|inode| inodes.contains(&inode))
}

fn servers() -> impl Iterator<Item = u32> {
    processes().filter(|pid| is_server(*pid))
}

fn processes() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// A forked child keeps the name and the sockets: only a process whose parent is no server counts.
fn is_server(pid: u32) -> bool {
    named_as_server(pid) && !parent(pid).is_some_and(named_as_server)
}

fn named_as_server(pid: u32) -> bool {
    let program = fs::read_link(proc(pid, "exe")).ok();
    let program = program.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
    // `/usr/bin/redis-check-rdb` and the server are one file: the name alone is not enough, but a
    // replaced binary reads `redis-server (deleted)`.
    program.is_some_and(|program| {
        let program = program.trim_end_matches(" (deleted)");
        SERVERS.contains(&program)
    }) || name(pid).is_some_and(|name| SERVERS.contains(&name.as_str()))
}

fn name(pid: u32) -> Option<String> {
    Some(fs::read_to_string(proc(pid, "comm")).ok()?.trim().to_owned())
}

fn parent(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(proc(pid, "status")).ok()?;
    crate::procfs::field(&status, "PPid:")?.parse().ok()
}

fn namespaced(pid: u32) -> Vec<u32> {
    namespace_pids(&fs::read_to_string(proc(pid, "status")).unwrap_or_default())
}

fn network(pid: u32) -> Option<PathBuf> {
    fs::read_link(proc(pid, "ns/net")).ok()
}

fn network_of_self() -> Option<PathBuf> {
    fs::read_link("/proc/self/ns/net").ok()
}

fn proc(pid: u32, file: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{file}"))
}
