//! The connections of a worker, and which of them want something done.

use std::ops::{Index, IndexMut};

use super::connection::{Connection, State};
use crate::measure::outcome::ErrorKind;
use crate::units::{ConnId, Nanos};
use stallion_resp::limits::MAX_LINE_BYTES;

/// All connections of one worker.
#[derive(Debug)]
pub(crate) struct Connections {
    list: Box<[Connection]>,
    /// Those with something to send.
    pub(crate) to_send: Vec<ConnId>,
    /// Those that broke the protocol and must be closed.
    pub(crate) to_close: Vec<ConnId>,
    /// Those that have carried as many requests as they may.
    pub(crate) to_renew: Vec<ConnId>,
    /// How many are open.
    pub(crate) open: usize,
    /// When the last one was lost that was open.
    pub(crate) alone_since: Nanos,
    /// How many are being opened.
    pub(crate) opening: usize,
    /// How often one could not be opened.
    pub(crate) refused: u64,
    /// The system's last error number.
    pub(crate) last_errno: i32,
    /// The text of the last error reply to a hand-shake.
    pub(crate) greeting_error: String,
}

impl Connections {
    pub(crate) fn new(count: usize, connection: impl Fn(usize) -> Connection) -> Self {
        Self {
            list: (0..count).map(connection).collect(),
            to_send: Vec::with_capacity(count),
            to_close: Vec::with_capacity(count),
            to_renew: Vec::with_capacity(count),
            open: 0,
            alone_since: Nanos(0),
            opening: 0,
            refused: 0,
            last_errno: 0,
            greeting_error: String::with_capacity(MAX_LINE_BYTES * 3),
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.list.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Connection> {
        self.list.iter_mut()
    }

    /// Puts a connection into the list of those with something to send.
    #[inline]
    pub(crate) fn list_to_send(&mut self, id: ConnId) {
        let connection = &mut self.list[id.index()];
        if !connection.listed {
            connection.listed = true;
            self.to_send.push(id);
        }
    }

    /// Hands each connection that has something to send to `flush`, which says whether it stays listed.
    #[inline]
    pub(crate) fn flush(&mut self, mut flush: impl FnMut(ConnId, &mut Connection) -> bool) {
        let Self { list, to_send, .. } = self;
        to_send.retain(|&id| flush(id, &mut list[id.index()]));
    }

    /// Keeps the text of the error reply that a hand-shake got, and gives its kind.
    pub(crate) fn keep_greeting_error(&mut self, id: ConnId) -> ErrorKind {
        let text = self.list[id.index()].parser.text();
        self.greeting_error.clear();
        self.greeting_error.push_str(&String::from_utf8_lossy(text));
        ErrorKind::of_reply(text)
    }

    /// A connection is lost.
    pub(crate) fn lose(&mut self, id: ConnId, now: Nanos) {
        let connection = &mut self.list[id.index()];
        match connection.state {
            State::Open => {
                self.open -= 1;
                self.alone_since = now;
            }
            State::Opening { .. } => {
                self.opening -= 1;
                self.refused += 1;
            }
            State::Down { .. } => {}
        }
        connection.lost(now);
    }
}

impl Index<ConnId> for Connections {
    type Output = Connection;

    #[inline]
    fn index(&self, id: ConnId) -> &Connection {
        &self.list[id.index()]
    }
}

impl IndexMut<ConnId> for Connections {
    #[inline]
    fn index_mut(&mut self, id: ConnId) -> &mut Connection {
        &mut self.list[id.index()]
    }
}
