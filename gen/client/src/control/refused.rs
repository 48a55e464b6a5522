//! Why no run can be started, each with a remedy.

use std::time::Duration;

use thiserror::Error;

use super::stream::refusal;
use stallion_rings::wait::Io;

/// How long the server may take to accept or to answer one question.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Why no run can be started. Each text ends in a remedy.
#[derive(Debug, Error)]
pub enum StartError {
    /// The name has no address, or the path is too long.
    #[error("{target}: {error}; check the host name or path")]
    Resolve {
        /// As asked.
        target: String,
        /// The reason.
        error: std::io::Error,
    },
    /// Nothing listens.
    #[error(
        "{target}: {error}; is the server running, and is this its port? (try `redis-cli -h HOST -p PORT ping`)"
    )]
    Connect {
        /// As asked.
        target: String,
        /// The reason.
        error: std::io::Error,
    },
    /// It does not answer, or hangs up.
    #[error(
        "{target} accepted the connection and then: {reason}; is it stopped, protected-mode, or not a \
         Redis server? (with --tls: is this its tls-port?)"
    )]
    Silent {
        /// As asked.
        target: String,
        /// What happened.
        reason: String,
    },
    /// TLS does not come about.
    #[error("{target}: TLS failed: {reason}; {remedy}")]
    Tls {
        /// As asked.
        target: String,
        /// What the hand-shake came to.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Something else listens.
    #[error(
        "{target} does not speak RESP ({reason}); this port belongs to another program, or wants --tls"
    )]
    Foreign {
        /// As asked.
        target: String,
        /// What it said.
        reason: String,
    },
    /// It wants a password, or another one.
    #[error(
        "{target} refused to let us in: {reply}; give -a PASSWORD (and --user NAME), or set them in --target redis://user:password@host"
    )]
    Login {
        /// As asked.
        target: String,
        /// Its words.
        reply: String,
    },
    /// It does not take a script.
    #[error(
        "{target} refused a script of the mix: {reply}; try it with `redis-cli --eval FILE`, and \
         see that the user may run SCRIPT"
    )]
    Script {
        /// As asked.
        target: String,
        /// Its words.
        reply: String,
    },
    /// It is not ready.
    #[error("{target} is not ready: {reply}; {remedy}")]
    NotReady {
        /// As asked.
        target: String,
        /// Its words.
        reply: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Some connections could not be opened.
    #[error(
        "only {opened} of {wanted} connections to {target} could be opened: {reason}; {remedy}"
    )]
    Connections {
        /// As asked.
        target: String,
        /// How many are open.
        opened: usize,
        /// How many were wanted.
        wanted: usize,
        /// What the system said last.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// It belongs to no cluster.
    #[error("{target} is no node of a cluster ({reply}); leave out --topology cluster")]
    NoCluster {
        /// As asked.
        target: String,
        /// Its words.
        reply: String,
    },
    /// It does not say who serves what.
    #[error("{target} cannot be driven as a cluster: {error}; see `redis-cli cluster info` there")]
    Topology {
        /// As asked.
        target: String,
        /// Why not.
        error: String,
    },
    /// Not a connection for each primary.
    #[error(
        "--conns {conns} over {workers} core(s): the cluster has {primaries} nodes to ask, and each core \
         needs at least one connection to each: give --conns {} or more", .primaries * .workers
    )]
    FewForCluster {
        /// As asked.
        conns: usize,
        /// Cores.
        workers: usize,
        /// Primaries that serve slots, and their replicas where those are read.
        primaries: usize,
    },
    /// Nobody to read from.
    #[error(
        "{0} is of a cluster without replicas that are online: --mitigation replica-read has none to read"
    )]
    NoReplicas(String),
    /// The store behind the cache cannot be asked.
    #[error("--store {place}: {reason}; {remedy}")]
    Store {
        /// Where it is.
        place: String,
        /// In its own words.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The prober's clock cannot be asked.
    #[error(
        "--clock {peer}: {error}; is `stallion probe --listen` running on the server's host, and is \
         this its address?"
    )]
    Clock {
        /// As asked.
        peer: std::net::SocketAddr,
        /// The reason.
        error: std::io::Error,
    },
    /// The user ended it.
    #[error("interrupted before the first request: nothing was measured")]
    Interrupted,
    /// The kernel has no such ring for us.
    #[error("{}", ring_refused(*.io, .error))]
    Ring {
        /// By which means.
        io: Io,
        /// The reason.
        error: std::io::Error,
    },
    /// A thread could not be started.
    #[error("a thread could not be started: {0}")]
    Thread(std::io::Error),
}

fn ring_refused(io: Io, error: &std::io::Error) -> String {
    match io {
        Io::Uring => format!(
            "io_uring cannot be used: {error}; it needs Linux 5.19 or later and \
             kernel.io_uring_disabled=0 (`stallion doctor` shows more); --io epoll does without"
        ),
        Io::Epoll => format!("epoll cannot be used: {error}; it needs Linux 5.11 or later"),
    }
}

impl StartError {
    /// What an error of a connection means that had been accepted.
    pub(super) fn broken(target: String, error: &std::io::Error) -> Self {
        if let Some((reason, remedy)) = refusal(error) {
            return Self::Tls { target, reason, remedy };
        }
        let reason = match error.kind() {
            std::io::ErrorKind::WouldBlock => format!("no answer in {PATIENCE:?}"),
            _ => error.to_string(),
        };
        Self::Silent { target, reason }
    }

    /// What a server means that answers a hand-shake or a PING with an error.
    #[must_use]
    pub fn of_reply(target: String, reply: String) -> Self {
        let word = reply.split(' ').next().unwrap_or_default();
        let remedy = match word {
            "LOADING" => "it is reading its data set: wait until `redis-cli ping` says PONG",
            "MASTERDOWN" => "it is a replica without its primary: drive the primary",
            "BUSY" => "a script is running: wait, or SCRIPT KILL",
            "MISCONF" => "it cannot save: see its log, or set stop-writes-on-bgsave-error no",
            "DENIED" => {
                "set a password on it, or `protected-mode no` where nobody else can reach it"
            }
            "NOPERM" => {
                "grant the user what a run needs: ACL SETUSER NAME +ping +info +get +set ~*"
            }
            "NOPROTO" => "it knows no RESP3: leave out --resp3",
            _ if reply.contains("max number of clients") => {
                "raise its maxclients, or close other clients"
            }
            _ if reply.contains("DB index") || reply.contains("SELECT is not allowed") => {
                "give a --db below its setting `databases`; a cluster has only 0"
            }
            _ if reply.contains("unknown command") && reply.contains("HELLO") => {
                "it is older than 6.0 or a proxy: leave out --resp3"
            }
            _ => return Self::Login { target, reply },
        };
        Self::NotReady { target, reply, remedy }
    }
}

/// What to do when only some connections open.
#[must_use]
pub const fn connection_remedy(errno: i32) -> &'static str {
    match errno {
        libc::EMFILE | libc::ENFILE => "raise the file limit (`ulimit -n 65536`) or lower --conns",
        libc::EADDRNOTAVAIL => {
            "no local ports are left: widen net.ipv4.ip_local_port_range or lower --conns"
        }
        libc::EPROTO => "see --tls-ca, --tls-sni, --tls-cert, and the log of that server",
        libc::ECONNREFUSED => "the server stopped listening: see its log",
        _ => "raise the server's maxclients and tcp-backlog, or lower --conns",
    }
}
