//! A RESP server as cheap as possible: what a client can do against it is the client's own
//! ceiling. GET gets a value of a given size, whatever the key; nothing is stored.

pub mod reply;

pub mod request;

mod serve;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use thiserror::Error;

use stallion_engine::limits::{MAX_CONNECTIONS_PER_WORKER, MAX_OUTGOING_BYTES};
use stallion_engine::ring::HALVES;
use stallion_resp::limits::MAX_VALUE_BYTES;
use stallion_rings::socket::Address;
use stallion_rings::uring::Uring;
use stallion_rings::wait::WaitPolicy;

use serve::{Core, SEND_BYTES};

/// Clients that may wait to be accepted.
const BACKLOG: i32 = 4_096;

/// What a null server shall be.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// CPUs to pin one ring each to; empty for one ring that is not pinned.
    pub cores: Vec<usize>,
    /// Bytes of the value that GET returns.
    pub value_bytes: usize,
    /// Clients at once, over all cores.
    pub clients: usize,
    /// How a core waits for requests.
    pub wait: WaitPolicy,
}

/// Why a null server cannot be started.
#[derive(Debug, Error)]
pub enum NullError {
    /// It cannot listen.
    #[error("cannot listen on {address}: {error}; choose another --port (0 takes a free one)")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// A core's ring or thread could not be made.
    #[error("io_uring cannot be used: {0}; the null server needs Linux 5.19 or later")]
    Ring(io::Error),
    /// The process may not have so many files.
    #[error(
        "the file limit is too low for --conns {0}: raise it (`ulimit -n 65536`), or lower --conns"
    )]
    Files(usize),
    /// More clients than fit.
    #[error("--conns {0} is out of range: give 1 to {most} for each core", most = most_clients())]
    Clients(usize),
    /// `--value-size` above Redis's own limit.
    #[error("--value-size {0} is above Redis's limit for one value of {MAX_VALUE_BYTES} bytes")]
    Value(usize),
}

const fn most_clients() -> usize {
    let by_memory = MAX_OUTGOING_BYTES / (SEND_BYTES * HALVES);
    if by_memory < MAX_CONNECTIONS_PER_WORKER {
        by_memory - 1
    } else {
        MAX_CONNECTIONS_PER_WORKER - 1
    }
}

/// What a null server has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Served {
    /// Requests answered.
    pub requests: u64,
    /// Clients accepted.
    pub clients: u64,
}

/// A running null server, one thread for each core.
#[derive(Debug)]
pub struct NullServer {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Served>>,
}

impl NullServer {
    /// Starts one, and returns when all of its cores serve.
    ///
    /// # Errors
    /// [`NullError`] that names the flag to change.
    pub fn start(settings: &Settings) -> Result<Self, NullError> {
        let cores = settings.cores.len().max(1);
        let clients_each = settings.clients.div_ceil(cores);
        if settings.clients == 0 || clients_each > most_clients() {
            return Err(NullError::Clients(settings.clients));
        }
        if settings.value_bytes > MAX_VALUE_BYTES {
            return Err(NullError::Value(settings.value_bytes));
        }
        let refused = |error| NullError::Listen { address: settings.address, error };
        let listener = listen(settings.address).map_err(refused)?;
        let bound = listener.local_addr().map_err(refused)?.as_socket();
        let mut server = Self {
            address: bound.unwrap_or(settings.address),
            stop: Arc::new(AtomicBool::new(false)),
            threads: Vec::new(),
        };
        let (ready, readied) = channel();
        for index in 0..cores {
            let listener = listener.try_clone().map_err(refused)?;
            let maker = Maker {
                cpu: settings.cores.get(index).copied(),
                address: server.address,
                listener,
                clients: clients_each,
                value_bytes: settings.value_bytes,
                wait: settings.wait,
            };
            let (ready, stop) = (ready.clone(), Arc::clone(&server.stop));
            let thread = std::thread::Builder::new()
                .name(format!("null-{index}"))
                .spawn(move || maker.work(&ready, &stop))
                .map_err(NullError::Ring)?;
            server.threads.push(thread);
        }
        for _ in 0..cores {
            readied.recv().map_err(io::Error::other).flatten().map_err(NullError::Ring)?;
        }
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it and says what it has done.
    #[must_use]
    pub fn stop(mut self) -> Served {
        self.end()
    }

    fn end(&mut self) -> Served {
        self.stop.store(true, Ordering::Relaxed);
        let mut sum = Served::default();
        for thread in self.threads.drain(..) {
            let served = thread.join().unwrap_or_default();
            sum.requests += served.requests;
            sum.clients += served.clients;
        }
        sum
    }
}

impl Drop for NullServer {
    fn drop(&mut self) {
        self.end();
    }
}

/// All cores accept from the same socket: whoever is free takes the next client.
fn listen(address: SocketAddr) -> io::Result<Socket> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// What a core's thread makes its server of; a ring belongs to the thread that made it.
struct Maker {
    cpu: Option<usize>,
    address: SocketAddr,
    listener: Socket,
    clients: usize,
    value_bytes: usize,
    wait: WaitPolicy,
}

impl Maker {
    fn work(self, ready: &Sender<io::Result<()>>, stop: &AtomicBool) -> Served {
        if let Some(id) = self.cpu {
            core_affinity::set_for_current(core_affinity::CoreId { id });
        }
        let address = Address::Tcp(self.address);
        let ring = match Uring::new(address, self.clients + 1, SEND_BYTES, self.wait) {
            Ok(ring) => ring,
            Err(error) => {
                let _ = ready.send(Err(error));
                return Served::default();
            }
        };
        let core = Core::new(ring, self.listener, self.clients, self.value_bytes);
        let _ = ready.send(Ok(()));
        core.run(stop)
    }
}
