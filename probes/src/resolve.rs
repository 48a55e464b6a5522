//! From a port or a process id to the server's process as the host numbers it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::ProbeError;
use crate::procfs::{
    field, listeners, listening_inodes, namespace_pids, socket_inode, unix_listeners,
};
use crate::symbols::exported;

mod answer;

use answer::{Answer, ServerInfo, ask};

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

/// Functions that a Redis, a Valkey or a KeyDB exports for its modules.
const FUNCTIONS: [&str; 2] = ["processCommand", "readQueryFromClient"];

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
    if listens_anywhere(pid) {
        return Ok(pid);
    }
    let inside: Vec<u32> = processes()
        .filter(|host| namespaced(*host).last() == Some(&pid) && listens_anywhere(*host))
        .collect();
    match (inside.as_slice(), name(pid)) {
        ([host], _) => Ok(*host),
        (_, None) => Err(ProbeError::NoServer(format!(
            "there is no process {pid}; find the server's with `pgrep -a redis-server`"
        ))),
        (_, Some(other)) => Err(ProbeError::NoServer(format!(
            "process {pid} is {other}, which listens on no port: no redis-server, valkey-server or \
             the like; give the server's process id, or its --port"
        ))),
    }
}

/// The server of a port: whoever owns the socket that listens there, in this network namespace or
/// else in a container's; never by its name. The server itself says whether that is a proxy.
fn by_port(port: u16) -> Result<u32, ProbeError> {
    let found = owners(port);
    let here: Vec<u32> =
        found.iter().copied().filter(|pid| network(*pid) == network_of_self()).collect();
    let candidates = if here.is_empty() { &found } else { &here };
    let answer = if here.is_empty() { Answer::Silent } else { ask(port) };
    choose(port, candidates, &answer, may_be_silent)
}

/// Whether a process that does not answer may be a server all the same: it is stopped, or it is busy
/// and has the functions of one.
fn may_be_silent(pid: u32) -> bool {
    let status = fs::read_to_string(proc(pid, "status")).unwrap_or_default();
    let stopped = field(&status, "State:").is_some_and(|state| state.starts_with(['T', 't']));
    stopped || !exported(&proc(pid, "exe"), &FUNCTIONS).is_empty()
}

fn choose(
    port: u16,
    candidates: &[u32],
    answer: &Answer,
    may_be_silent: impl Fn(u32) -> bool,
) -> Result<u32, ProbeError> {
    let refuse = |text: String| Err(ProbeError::NoServer(text));
    match (candidates, answer) {
        ([], _) => refuse(format!(
            "no server listens on port {port}; `ss -ltnp` lists the ports of this host and their \
             processes"
        )),
        (owners, Answer::Info(told)) => match by_info(owners, *told).as_slice() {
            [pid] => Ok(*pid),
            [] => refuse(format!(
                "process {owners:?} listens on port {port}, but the server that answers there says \
                 that it is process {}: behind a proxy, on another host? Give its --pid where it runs",
                told.process_id
            )),
            many => refuse(several(port, many)),
        },
        ([pid], Answer::Silent) if !may_be_silent(*pid) => refuse(format!(
            "{} (process {pid}) listens on port {port} and does not answer; give its --pid, if it is \
             a server nevertheless",
            name(*pid).unwrap_or_default()
        )),
        ([pid], Answer::Foreign) => refuse(format!(
            "{} (process {pid}) listens on port {port} and does not speak RESP: no redis-server, \
             valkey-server or the like",
            name(*pid).unwrap_or_default()
        )),
        ([pid], _) => Ok(*pid),
        (many, _) => refuse(several(port, many)),
    }
}

fn several(port: u16, pids: &[u32]) -> String {
    format!("several servers listen on port {port}: processes {pids:?}; choose one by --pid")
}

/// Those of the owners that INFO names; behind a proxy (docker-proxy), the servers that it may
/// lead to.
fn by_info(owners: &[u32], told: ServerInfo) -> Vec<u32> {
    let named = |pid: &u32| namespaced(*pid).last() == Some(&told.process_id);
    let direct: Vec<u32> = owners.iter().copied().filter(named).collect();
    if !direct.is_empty() {
        return direct;
    }
    let behind = processes().filter(|pid| named(pid) && listens(*pid, told.port));
    behind.collect()
}

/// Processes that own a socket that listens on a port, each in its own network namespace. A forked
/// child has its parent's sockets, and is left out.
fn owners(port: u16) -> Vec<u32> {
    let all: Vec<u32> = processes().filter(|pid| listens(*pid, port)).collect();
    let is_child = |pid: &u32| parent(*pid).is_some_and(|parent| all.contains(&parent));
    all.iter().copied().filter(|pid| !is_child(pid)).collect()
}

/// Whether the process owns any socket that listens: TCP, or a unix one with a path.
fn listens_anywhere(pid: u32) -> bool {
    let mut inodes: Vec<u64> = Vec::new();
    for table in ["tcp", "tcp6"] {
        let text = fs::read_to_string(proc(pid, "net").join(table)).unwrap_or_default();
        inodes.extend(listeners(&text).into_iter().map(|(_, inode)| inode));
    }
    let text = fs::read_to_string(proc(pid, "net/unix")).unwrap_or_default();
    inodes.extend(unix_listeners(&text));
    owns(pid, &inodes)
}

/// Whether the process owns a socket that listens on the port in its own network namespace.
fn listens(pid: u32, port: u16) -> bool {
    let mut inodes = Vec::new();
    for table in ["tcp", "tcp6"] {
        let text = fs::read_to_string(proc(pid, "net").join(table)).unwrap_or_default();
        inodes.extend(listening_inodes(&text, port));
    }
    owns(pid, &inodes)
}

fn owns(pid: u32, inodes: &[u64]) -> bool {
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

fn processes() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn name(pid: u32) -> Option<String> {
    Some(fs::read_to_string(proc(pid, "comm")).ok()?.trim().to_owned())
}

fn parent(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(proc(pid, "status")).ok()?;
    field(&status, "PPid:")?.parse().ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_decides_and_the_server_itself_is_asked_about_proxies() {
        let own = std::process::id();
        let told = |process_id| Answer::Info(ServerInfo { process_id, port: 1 });
        let chosen = |answer| choose(7, &[own], &answer, |_| true).unwrap();
        assert_eq!(chosen(Answer::Silent), own, "a stopped server");
        assert_eq!(chosen(Answer::Refused), own, "a password");
        assert_eq!(chosen(told(own)), own);
        let refused =
            |candidates: &[u32], answer| choose(7, candidates, &answer, |_| false).unwrap_err();
        assert!(refused(&[own], Answer::Silent).to_string().contains("does not answer"));
        assert!(refused(&[own], told(u32::MAX)).to_string().contains("proxy"));
        assert!(refused(&[own], Answer::Foreign).to_string().contains("does not speak RESP"));
        assert!(refused(&[], Answer::Silent).to_string().contains("ss -ltnp"));
        let several = refused(&[own, own + 1], Answer::Silent).to_string();
        assert!(several.contains("--pid"), "{several}");
    }

    #[test]
    fn whoever_listens_is_found_by_its_socket() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(owners(port), [std::process::id()]);
        assert!(listens_anywhere(std::process::id()));
        drop(listener);
        assert!(owners(port).is_empty());
    }
}
