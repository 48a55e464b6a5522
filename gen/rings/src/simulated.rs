//! A kernel, a network and a server that are one seeded random process: the same seed plays the
//! same run, with partial sends, split replies, delays, resets, refusals, silence and garbage.
//!
//! It also watches its user: bytes are read from the outgoing buffer when they are "sent", late
//! and in parts, so that a half that is written too early corrupts a request, and a second send
//! before the first is through is an assertion.

#![expect(clippy::expect_used, reason = "its user's mistakes are what it is there to find")]

mod server;

mod world;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::ops::Range;

use rand::RngExt;

use super::outgoing::Outgoing;
use stallion_engine::ring::{Completion, Reason, Ring, Usage};
use stallion_engine::units::{ConnId, Nanos};
use stallion_resp::tree::Tree;
use stallion_resp::values::Values;

pub use server::Faults;
pub use world::{ClusterFaults, Met, World};

use server::Server;

/// The simulated ring.
#[derive(Debug)]
pub struct Simulated {
    now: Nanos,
    server: Server,
    peers: Vec<Peer>,
    outgoing: Outgoing,
    events: BinaryHeap<Reverse<(Nanos, u64, Event)>>,
    numbered: u64,
    done: VecDeque<Done>,
    shown: Vec<u8>,
    /// The cluster that the server is; none for a single one.
    world: Option<World>,
    /// Requests that came on connections of which nothing will be heard any more.
    ignored: u64,
}

/// The server's side of one connection.
#[derive(Debug, Default)]
struct Peer {
    generation: u32,
    open: bool,
    sending: bool,
    silent: bool,
    input: Vec<u8>,
    /// Commands since MULTI, if there was one.
    queued: Option<usize>,
    /// One of them was refused.
    aborted: bool,
    output: Vec<u8>,
    delivering: bool,
    /// ASKING came before the next request.
    asking: bool,
    /// Which node of a cluster it is.
    node: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    connection: ConnId,
    generation: u32,
    action: Action,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    Open,
    Refuse,
    Transfer { half: usize, at: usize, end: usize, notify: bool },
    Deliver,
    Reset,
}

#[derive(Debug)]
enum Done {
    Opened(ConnId),
    Received(ConnId, Vec<u8>),
    Sent(ConnId),
    Closed(ConnId, Reason),
}

impl Simulated {
    /// A world by `seed`, in which the server knows the values of `values`.
    #[must_use]
    pub fn new(
        seed: u64,
        connections: usize,
        half_bytes: usize,
        faults: Faults,
        values: Values,
    ) -> Self {
        Self {
            now: Nanos(1_000_000),
            server: Server::new(seed, faults, values),
            peers: (0..connections).map(|_| Peer::default()).collect(),
            outgoing: Outgoing::new(connections, half_bytes),
            events: BinaryHeap::new(),
            numbered: 0,
            done: VecDeque::new(),
            shown: Vec::new(),
            world: None,
            ignored: 0,
        }
    }

    /// The same world, in which the server is a cluster.
    #[must_use]
    pub fn with_cluster(self, world: World) -> Self {
        Self { world: Some(world), ..self }
    }

    /// The same world, in which values carry stamps that reads return.
    #[must_use]
    pub fn with_stamps(mut self) -> Self {
        self.server.keep_stamps();
        self
    }

    /// The cluster as it really is.
    #[must_use]
    pub const fn world(&self) -> Option<&World> {
        self.world.as_ref()
    }

    /// Requests that came on connections of which nothing will be heard any more (half-open).
    #[must_use]
    pub const fn ignored(&self) -> u64 {
        self.ignored
    }

    /// Requests that the server has answered, whether or not the answer arrived.
    #[must_use]
    pub const fn answered(&self) -> u64 {
        self.server.answered
    }

    fn later(&mut self, connection: ConnId, action: Action) {
        let Peer { generation, node, .. } = self.peers[connection.index()];
        let slowness = self.world.as_ref().map_or(1, |world| world.slowness(node));
        let delay_ns = self.server.faults.delay_ns.max(1) * slowness;
        let delay_ns = self.server.random.random_range(1..=delay_ns);
        let event = Event { connection, generation, action };
        self.numbered += 1;
        self.events.push(Reverse((self.now + delay_ns, self.numbered, event)));
    }

    fn happen(&mut self, event: Event) {
        let connection = event.connection;
        if self.peers[connection.index()].generation != event.generation {
            return;
        }
        match event.action {
            Action::Open => {
                self.peers[connection.index()].open = true;
                self.done.push_back(Done::Opened(connection));
            }
            Action::Refuse => {
                let reason = Reason::Refused(libc::ECONNREFUSED);
                self.done.push_back(Done::Closed(connection, reason));
            }
            Action::Transfer { half, at, end, notify } => {
                self.transfer(connection, half, at, end, notify);
            }
            Action::Deliver => self.deliver(connection),
            Action::Reset => self.end(connection, Reason::Broken(libc::ECONNRESET)),
        }
    }

    fn end(&mut self, connection: ConnId, reason: Reason) {
        let peer = &mut self.peers[connection.index()];
        if peer.open {
            peer.open = false;
            self.done.push_back(Done::Closed(connection, reason));
        }
    }

    fn transfer(&mut self, connection: ConnId, half: usize, at: usize, end: usize, notify: bool) {
        let upto = if self.server.chance(self.server.faults.partial) {
            self.server.random.random_range(at + 1..=end)
        } else {
            end
        };
        let base = self.outgoing.start(connection, half);
        let part = self.outgoing.memory()[base + at..base + upto].to_vec();
        self.peers[connection.index()].input.extend(part);
        if upto < end {
            self.later(connection, Action::Transfer { half, at: upto, end, notify });
        } else {
            self.peers[connection.index()].sending = false;
            if notify {
                self.done.push_back(Done::Sent(connection));
            }
        }
        self.serve(connection);
    }

    /// The server answers every request that is whole.
    fn serve(&mut self, connection: ConnId) {
        if self.server.chance(self.server.faults.silence) {
            self.peers[connection.index()].silent = true;
        }
        if self.is_dead(connection) {
            return self.end(connection, Reason::Broken(libc::ECONNRESET));
        }
        let input = std::mem::take(&mut self.peers[connection.index()].input);
        let mut rest = input.as_slice();
        let mut output = Vec::new();
        while let Some(request) = Tree::read(&mut rest).expect("requests are well-formed RESP") {
            self.ignored += u64::from(self.peers[connection.index()].silent);
            if !self.redirected(connection, &request, &mut output) {
                let queued = &mut self.peers[connection.index()].queued;
                self.server.answer(&request, queued, &mut output);
            }
        }
        let cut = !output.is_empty() && self.server.chance(self.server.faults.cut);
        let rest = rest.to_vec();
        let peer = &mut self.peers[connection.index()];
        peer.input = rest;
        if peer.silent {
            return;
        }
        peer.output.extend(output);
        if cut {
            let half = peer.output.len() / 2;
            peer.output.truncate(half);
            peer.silent = true;
            self.later(connection, Action::Reset);
        }
        let peer = &mut self.peers[connection.index()];
        if !peer.output.is_empty() && !peer.delivering {
            peer.delivering = true;
            self.later(connection, Action::Deliver);
        }
    }

    fn is_dead(&mut self, connection: ConnId) -> bool {
        let (node, now) = (self.peers[connection.index()].node, self.now);
        self.world.as_mut().is_some_and(|world| world.is_dead(node, now))
    }

    /// Whether a cluster's node said something else instead of serving a request.
    fn redirected(&mut self, connection: ConnId, request: &Tree, output: &mut Vec<u8>) -> bool {
        let (Some(world), peer) = (&mut self.world, &mut self.peers[connection.index()]) else {
            return false;
        };
        let name = request.list().first().and_then(Tree::text).unwrap_or_default();
        // Within a transaction it holds until its end.
        let goes_on = peer.asking && (peer.queued.is_some() || name == "MULTI");
        let asking = std::mem::replace(&mut peer.asking, name == "ASKING" || goes_on);
        if name == "EXEC" && std::mem::take(&mut peer.aborted) {
            (peer.queued, peer.asking) = (None, false);
            world.met.aborted += 1;
            output.extend(b"-EXECABORT Transaction discarded because of previous errors.\r\n");
            return true;
        }
        peer.asking &= name != "EXEC";
        let refused = world.refuse(peer.node, asking, request, &mut self.server.random);
        output.extend(refused.iter().flat_map(|text| text.bytes()));
        peer.aborted |= refused.is_some() && peer.queued.is_some();
        refused.is_some()
    }

    fn deliver(&mut self, connection: ConnId) {
        let split = self.server.chance(self.server.faults.split);
        let length = self.peers[connection.index()].output.len();
        if length == 0 {
            return;
        }
        let part = if split { self.server.random.random_range(1..=length) } else { length };
        let peer = &mut self.peers[connection.index()];
        let bytes: Vec<u8> = peer.output.drain(..part).collect();
        let more = !peer.output.is_empty();
        peer.delivering = more;
        if peer.open {
            self.done.push_back(Done::Received(connection, bytes));
        }
        if more {
            self.later(connection, Action::Deliver);
        }
    }
}

impl Ring for Simulated {
    fn now(&self) -> Nanos {
        self.now
    }

    fn aim(&mut self, connections: Range<u32>, address: SocketAddr) {
        for peer in &mut self.peers[connections.start as usize..connections.end as usize] {
            assert!(!peer.open, "only connections that are not open get another node");
            peer.node = World::node(address);
        }
    }

    fn open(&mut self, connection: ConnId) {
        self.close(connection);
        let refused = self.server.chance(self.server.faults.refuse) || self.is_dead(connection);
        self.later(connection, if refused { Action::Refuse } else { Action::Open });
    }

    fn outgoing(&mut self, connection: ConnId, half: usize) -> &mut [u8] {
        self.outgoing.half(connection, half)
    }

    fn send(&mut self, connection: ConnId, half: usize, length: usize, notify: bool) {
        let peer = &mut self.peers[connection.index()];
        assert!(!peer.sending, "one send at a time on each connection");
        peer.sending = true;
        self.later(connection, Action::Transfer { half, at: 0, end: length, notify });
        if self.server.chance(self.server.faults.reset) {
            self.later(connection, Action::Reset);
        }
    }

    fn close(&mut self, connection: ConnId) {
        let peer = &mut self.peers[connection.index()];
        let (generation, node) = (peer.generation + 1, peer.node);
        *peer = Peer { generation, node, ..Peer::default() };
        let stale = |done: &Done| match done {
            Done::Opened(id) | Done::Received(id, _) | Done::Sent(id) | Done::Closed(id, _) => {
                *id == connection
            }
        };
        self.done.retain(|done| !stale(done));
    }

    fn wait(&mut self, until: Nanos) -> Nanos {
        self.now = self.now + 1_000;
        while self.done.is_empty() {
            match self.events.peek() {
                Some(Reverse((time, ..))) if *time <= until.max(self.now) => {
                    self.now = self.now.max(*time);
                }
                _ => {
                    assert_ne!(until, Nanos::NEVER, "waits for ever");
                    self.now = self.now.max(until);
                    return self.now;
                }
            }
            while let Some(Reverse((time, _, event))) = self.events.peek().copied() {
                if time > self.now {
                    break;
                }
                self.events.pop();
                self.happen(event);
            }
        }
        self.now
    }

    fn next(&mut self) -> Option<Completion<'_>> {
        Some(match self.done.pop_front()? {
            Done::Opened(connection) => Completion::Opened(connection),
            Done::Sent(connection) => Completion::Sent(connection),
            Done::Closed(connection, reason) => Completion::Closed(connection, reason),
            Done::Received(connection, bytes) => {
                self.shown = bytes;
                Completion::Received(connection, &self.shown)
            }
        })
    }

    fn usage(&mut self) -> Usage {
        Usage { cpu_ns: self.now.0, ..Usage::default() }
    }
}
