//! One core of the null server: one ring, its clients, and the loop that answers them.

use std::sync::atomic::{AtomicBool, Ordering};

use socket2::Socket;

use super::Served;
use super::reply::{Kind, Owed, Replies};
use super::request::{Reader, Shapes};
use stallion_engine::ring::{Completion, Ring};
use stallion_engine::units::ConnId;
use stallion_rings::uring::Uring;

/// Bytes of one send; a client that asked for more gets the rest when these are gone.
pub(super) const SEND_BYTES: usize = 64 << 10;

/// The longest sleep, after which the stop flag is looked at.
const STOP_CHECK_NS: u64 = 100_000_000;

/// One client.
#[derive(Debug, Default)]
struct Client {
    reader: Reader,
    owed: Owed,
    sending: bool,
    /// It stands in the list of those to be answered.
    listed: bool,
    /// It is to go when it has got what it is owed.
    leaving: bool,
    broken: bool,
}

/// One core's server.
pub(super) struct Core {
    ring: Uring,
    listener: Socket,
    replies: Replies,
    shapes: Shapes,
    clients: Vec<Client>,
    /// Connections that nobody has; the last one is accepting, unless there is none.
    free: Vec<ConnId>,
    /// Clients with something to send.
    to_answer: Vec<ConnId>,
    limit: usize,
    served: Served,
}

impl Core {
    /// A server of at most `limit` clients on `ring`, which has one connection more: to tell the
    /// next client that there is no room.
    pub(super) fn new(ring: Uring, listener: Socket, limit: usize, value_bytes: usize) -> Self {
        Self {
            ring,
            listener,
            replies: Replies::new(value_bytes),
            shapes: Shapes::default(),
            clients: (0..=limit).map(|_| Client::default()).collect(),
            free: (0..=limit).rev().map(|id| ConnId(id as u32)).collect(),
            to_answer: Vec::with_capacity(limit + 1),
            limit,
            served: Served::default(),
        }
    }

    /// Serves until `stop` is set.
    pub(super) fn run(mut self, stop: &AtomicBool) -> Served {
        self.accept();
        while !stop.load(Ordering::Relaxed) {
            let until = self.ring.now() + STOP_CHECK_NS;
            self.ring.wait(until);
            self.take_in();
            self.answer();
        }
        self.served
    }

    fn accept(&mut self) {
        if let Some(&id) = self.free.last() {
            self.ring.accept(id, &self.listener);
        }
    }

    fn take_in(&mut self) {
        while let Some(completion) = self.ring.next() {
            match completion {
                Completion::Received(id, bytes) => {
                    let client = &mut self.clients[id.index()];
                    let (owed, replies, served) =
                        (&mut client.owed, &self.replies, &mut self.served);
                    let mut fits = true;
                    let read = client.reader.read(&mut self.shapes, bytes, |kind, count| {
                        served.requests += count;
                        fits &= owed.add(kind, count, replies);
                    });
                    client.broken |= read.is_err() || !fits;
                    if !client.listed {
                        client.listed = true;
                        self.to_answer.push(id);
                    }
                }
                Completion::Sent(id) => {
                    let client = &mut self.clients[id.index()];
                    client.sending = false;
                    if !client.listed {
                        client.listed = true;
                        self.to_answer.push(id);
                    }
                }
                Completion::Opened(id) => self.opened(id),
                Completion::Closed(id, _) => self.closed(id),
            }
        }
    }

    fn opened(&mut self, id: ConnId) {
        self.free.pop();
        self.served.clients += 1;
        let client = &mut self.clients[id.index()];
        *client = Client::default();
        if self.free.is_empty() {
            client.leaving = true;
            client.listed = true;
            let _ = client.owed.add(Kind::Full, 1, &self.replies);
            self.to_answer.push(id);
        } else {
            self.accept();
        }
    }

    /// A client has gone, or accepting failed (no more files, for one): the connection is free.
    fn closed(&mut self, id: ConnId) {
        self.ring.close(id);
        let accepting = self.free.last() == Some(&id);
        if accepting || self.free.is_empty() {
            if !accepting {
                self.free.push(id);
            }
            return self.accept();
        }
        // Below the one that is accepting.
        self.free.insert(0, id);
    }

    fn answer(&mut self) {
        let mut stamped = false;
        while let Some(id) = self.to_answer.pop() {
            let client = &mut self.clients[id.index()];
            client.listed = false;
            if client.broken {
                self.closed(id);
                continue;
            }
            if client.sending {
                continue;
            }
            if client.owed.is_empty() {
                if client.leaving {
                    self.closed(id);
                }
                continue;
            }
            if client.owed.next() == Some(Kind::Info) && !stamped {
                self.replies.stamp(self.ring.usage().cpu_ns);
                stamped = true;
            }
            let out = self.ring.outgoing(id, 0);
            let length = client.owed.write(&self.replies, out);
            client.sending = true;
            // Notified: a client that pipelines may ask for more before it has read all of this,
            // and two sends on one full socket change places.
            self.ring.send(id, 0, length, true);
        }
    }
}

impl std::fmt::Debug for Core {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Core").field("limit", &self.limit).finish_non_exhaustive()
    }
}
