//! Before a run: is there a server, does it speak RESP, does it let us in, will it serve?

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::time::Duration;

use socket2::Socket;
use thiserror::Error;

use super::greeting::greeting;
use crate::plan::{Credentials, Plan, Target};
use crate::resp::command::request;
use crate::resp::tree::Tree;
use crate::shard::ring::Io;
use crate::shard::ring::socket::Address;

/// How long the server may take to accept or to answer one question.
const PATIENCE: Duration = Duration::from_secs(5);

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
        "{target} accepted the connection and then: {reason}; is it stopped, protected-mode, or not a Redis server?"
    )]
    Silent {
        /// As asked.
        target: String,
        /// What happened.
        reason: String,
    },
    /// Something else listens.
    #[error(
        "{target} does not speak RESP ({reason}); this port belongs to another program, or wants TLS"
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
        "--conns {conns} over {shards} core(s): the cluster has {primaries} nodes to ask, and each core \
         needs at least one connection to each: give --conns {} or more", .primaries * .shards
    )]
    FewForCluster {
        /// As asked.
        conns: usize,
        /// Cores.
        shards: usize,
        /// Primaries that serve slots, and their replicas where those are read.
        primaries: usize,
    },
    /// Nobody to read from.
    #[error(
        "{0} is of a cluster without replicas that are online: --mitigation replica-read has none to read"
    )]
    NoReplicas(String),
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

/// A blocking connection for a few questions.
#[derive(Debug)]
pub struct Caller {
    socket: Socket,
    input: Vec<u8>,
    target: String,
}

/// INFO as names and values.
pub type Info = BTreeMap<String, String>;

impl Caller {
    /// Connects, greets, and makes sure that the server serves.
    ///
    /// # Errors
    /// [`StartError`] that says what is wrong and what to do.
    pub fn connect(
        target: &Target,
        credentials: &Credentials,
        resp3: bool,
    ) -> Result<Self, StartError> {
        let name = target.to_string();
        let address = resolve(target)?;
        let refused = |error| StartError::Connect { target: name.clone(), error };
        let socket = address.socket().map_err(refused)?;
        let sockaddr = address.to_sockaddr().map_err(refused)?;
        socket.connect_timeout(&sockaddr, PATIENCE).map_err(refused)?;
        socket.set_read_timeout(Some(PATIENCE)).map_err(refused)?;
        let mut caller = Self { socket, input: Vec::new(), target: name };
        let greeting = greeting(credentials, resp3);
        let reply = caller.exchange(&greeting.bytes)?;
        caller.accept(reply)?;
        let pong = caller.ask(&[b"PING"])?;
        caller.accept(pong)?;
        Ok(caller)
    }

    /// Connects as a run does, and selects its database.
    ///
    /// # Errors
    /// As [`Caller::connect`].
    pub fn of(plan: &Plan) -> Result<Self, StartError> {
        let mut caller = Self::connect(&plan.target, &plan.credentials, plan.resp3)?;
        if plan.db > 0 {
            let reply = caller.ask(&[b"SELECT", plan.db.to_string().as_bytes()])?;
            caller.accept(reply)?;
        }
        Ok(caller)
    }

    /// Connects as a run does, and asks for INFO. Proxies know none of it and hang up, or say so: then
    /// there is nothing to be known, and the connection is a new one.
    ///
    /// # Errors
    /// As [`Caller::connect`].
    pub fn with_info(plan: &Plan) -> Result<(Self, Info), StartError> {
        let mut caller = Self::of(plan)?;
        match caller.info() {
            Ok(info) => Ok((caller, info)),
            Err(StartError::Silent { .. }) => Ok((Self::of(plan)?, Info::new())),
            Err(error) => Err(error),
        }
    }

    /// Asks one question.
    ///
    /// # Errors
    /// [`StartError`] when the connection breaks or the answer is no RESP.
    pub fn ask(&mut self, words: &[&[u8]]) -> Result<Tree, StartError> {
        self.exchange(&request(words))
    }

    /// INFO as a map.
    ///
    /// # Errors
    /// As [`Caller::ask`].
    pub fn info(&mut self) -> Result<Info, StartError> {
        let reply = self.ask(&[b"INFO"])?;
        Ok(parse_info(&reply.text().unwrap_or_default()))
    }

    /// The connection itself, for a stream that has begun, and what has been read of that. A read
    /// waits so long at most.
    ///
    /// # Errors
    /// [`StartError::Silent`] when the connection is gone.
    pub fn into_stream(self, patience: Duration) -> Result<(Socket, Vec<u8>), StartError> {
        let Self { socket, input, target } = self;
        socket
            .set_read_timeout(Some(patience))
            .map_err(|error| StartError::Silent { target, reason: error.to_string() })?;
        Ok((socket, input))
    }

    fn exchange(&mut self, bytes: &[u8]) -> Result<Tree, StartError> {
        let silent = |reason: String| StartError::Silent { target: self.target.clone(), reason };
        self.socket.write_all(bytes).map_err(|error| silent(error.to_string()))?;
        loop {
            let mut rest = self.input.as_slice();
            let tree = Tree::read(&mut rest).map_err(|error| StartError::Foreign {
                target: self.target.clone(),
                reason: error.to_string(),
            })?;
            if let Some(tree) = tree {
                self.input = rest.to_vec();
                return Ok(tree);
            }
            let mut part = [0; 16 << 10];
            match self.socket.read(&mut part) {
                Ok(0) => {
                    return Err(silent("it closed the connection without an answer".to_owned()));
                }
                Ok(length) => self.input.extend_from_slice(&part[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    return Err(silent(format!("no answer in {PATIENCE:?}")));
                }
                Err(error) => return Err(silent(error.to_string())),
            }
        }
    }

    fn accept(&self, reply: Tree) -> Result<(), StartError> {
        match reply {
            Tree::Error(reply) => Err(StartError::of_reply(self.target.clone(), reply)),
            _ => Ok(()),
        }
    }
}

impl StartError {
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

/// The address of a target.
///
/// # Errors
/// [`StartError::Resolve`].
pub fn resolve(target: &Target) -> Result<Address, StartError> {
    match target {
        Target::Tcp { host, port } => Address::resolve(host, *port)
            .map_err(|error| StartError::Resolve { target: target.to_string(), error }),
        Target::Unix(path) => Ok(Address::Unix(path.clone())),
    }
}

/// The lines `name:value` of INFO.
#[must_use]
pub fn parse_info(text: &str) -> Info {
    text.lines()
        .filter_map(|line| line.trim_end().split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// What to do when only some connections open.
#[must_use]
pub const fn connection_remedy(errno: i32) -> &'static str {
    match errno {
        libc::EMFILE | libc::ENFILE => "raise the file limit (`ulimit -n 65536`) or lower --conns",
        libc::EADDRNOTAVAIL => {
            "no local ports are left: widen net.ipv4.ip_local_port_range or lower --conns"
        }
        libc::ECONNREFUSED => "the server stopped listening: see its log",
        _ => "raise the server's maxclients and tcp-backlog, or lower --conns",
    }
}
