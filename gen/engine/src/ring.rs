//! The engine's only way to the outside: io_uring, epoll, or a simulated kernel and server.

use std::net::SocketAddr;
use std::ops::Range;

use crate::measure::histogram::Recording;
use crate::units::{ConnId, Nanos};

/// Something that happened on a connection.
#[derive(Debug)]
pub enum Completion<'a> {
    /// It is open.
    Opened(ConnId),
    /// Bytes came. They are gone after the next call of [`Ring::next`].
    Received(ConnId, &'a [u8]),
    /// A send with `notify` is complete: its half may be written again.
    Sent(ConnId),
    /// It could not be opened, or was closed by the peer or an error.
    Closed(ConnId, Reason),
}

/// The error number of a connection that took too long to open, which no system call reports.
pub const ETIMEDOUT: i32 = 110;

/// Why a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It could not be opened; with the system's error number.
    Refused(i32),
    /// The peer ended it in good order.
    EndOfStream,
    /// It broke; with the system's error number.
    Broken(i32),
}

/// What a worker's thread has used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time in nanoseconds.
    pub cpu_ns: u64,
    /// Time spun without anything to do.
    pub idle_ns: u64,
    /// System calls.
    pub syscalls: u64,
    /// Receives that had to be armed again (no buffer, or the kernel ended a multishot).
    pub rearms: u64,
}

/// The halves of a connection's outgoing buffer: one is written while the other is sent.
pub const HALVES: usize = 2;

/// What a worker asks of the operating system. One implementation talks to the kernel, one
/// simulates kernel, network and server by a seed.
///
/// Rules of use: one send at a time on each connection. A send without `notify` is known to be
/// complete by the answer to its last request, and until then neither half may be sent again nor
/// the sent half be written; with `notify` [`Completion::Sent`] says so.
pub trait Ring {
    /// The time now.
    fn now(&self) -> Nanos;

    /// From now on the connections of a range are opened to another server than the ring's own.
    /// They are not open.
    fn aim(&mut self, _connections: Range<u32>, _address: SocketAddr) {}

    /// Begins to open a connection (again); ends in `Opened` or `Closed`.
    fn open(&mut self, connection: ConnId);

    /// One half of the connection's outgoing buffer.
    fn outgoing(&mut self, connection: ConnId, half: usize) -> &mut [u8];

    /// Sends the first `length` bytes of a half.
    fn send(&mut self, connection: ConnId, half: usize, length: usize, notify: bool);

    /// Closes a connection. Nothing more is heard of it.
    fn close(&mut self, connection: ConnId);

    /// Hands everything to the kernel and waits, as the ring's [`WaitPolicy`] says, for the
    /// first completion, but not beyond `until`; the time afterwards, read once for both.
    fn wait(&mut self, until: Nanos) -> Nanos;

    /// From now on measures how long what is received had lain in the kernel, where it can:
    /// before connections are opened.
    fn stamp_receives(&mut self) {}

    /// Moves the delays found since the last time to `found`.
    fn move_receive_delays(&mut self, _found: &mut Recording) {}

    /// The next completion of those that [`Ring::wait`] found.
    fn next(&mut self) -> Option<Completion<'_>>;

    /// What a connection failed of last, where an error number of the system cannot say it.
    fn trouble(&self) -> &str {
        ""
    }

    /// What the thread has used so far.
    fn usage(&mut self) -> Usage;
}
