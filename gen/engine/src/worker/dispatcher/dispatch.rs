//! How requests find their connections: what differs between a single server and several.

use std::collections::VecDeque;

use super::{Dispatcher, Replied};
use crate::measure::interval::Interval;
use crate::measure::outcome::{ErrorKind, Outcome};
use crate::ring::Ring;
use crate::units::{ConnId, Nanos, NodeId};
use crate::worker::flight::{Flight, Flights};
use stallion_resp::expect::Expected;

/// Replies that the fast path took off a connection.
#[derive(Debug, Clone, Copy)]
pub struct Taken<'a> {
    /// Their requests, the oldest of these.
    pub(super) flights: &'a Flights,
    pub(super) expected: &'a Expected,
    pub(super) count: usize,
    /// The node pool of the connection.
    pub(super) pool: usize,
}

/// How requests find their connections. What has a body here is what a single server needs: nothing.
pub trait Dispatch: std::fmt::Debug + Sized {
    /// Requests have slots, and may be sent again.
    const IS_ROUTED: bool;

    /// The connections with room for a request that stand with this one, in turn.
    fn ready(&mut self, pool: usize) -> &mut VecDeque<ConnId>;

    /// When the next request can be issued; never when all connections are full.
    fn next_issue(dispatcher: &Dispatcher<Self>) -> Nanos;

    /// Encodes what is due for connections that have room.
    fn issue(dispatcher: &mut Dispatcher<Self>, ring: &mut impl Ring, now: Nanos);

    /// A request has ended, or a part of one.
    fn end_flight(
        dispatcher: &mut Dispatcher<Self>,
        id: ConnId,
        flight: Flight,
        outcome: Outcome,
        now: Nanos,
    );

    /// When the next request is to be sent again.
    #[inline]
    fn next_again(_: &Dispatcher<Self>) -> Nanos {
        Nanos::NEVER
    }

    /// While draining: only what was sent before goes out again.
    #[inline]
    fn issue_again(_: &mut Dispatcher<Self>, _: &mut impl Ring, _: Nanos) {}

    /// Whether what stands beside values is to be read.
    #[inline]
    fn follows(&self) -> bool {
        false
    }

    /// A reply that the fast path did not take. True when its request goes on.
    #[inline]
    fn reply(_: &mut Dispatcher<Self>, _: ConnId, _: &mut Flight, _: Replied, _: Nanos) -> bool {
        false
    }

    /// The server sent a message of its own.
    #[inline]
    fn take_push(dispatcher: &mut Dispatcher<Self>, id: ConnId, _: Nanos) {
        dispatcher.base.connections[id].pushed.clear();
    }

    /// Counts bytes that went to or came from the node of a pool.
    #[inline]
    fn count_bytes(&self, _: &mut Interval, _: usize, _: usize) {}

    /// Counts the replies that the fast path took, by slot and node.
    #[inline]
    fn count_fast_path(&mut self, _: &mut Interval, _: Taken<'_>, _: Nanos) {}

    /// The node of a pool.
    #[inline]
    fn node(&self, _: usize) -> Option<NodeId> {
        None
    }

    /// Requests that have been drawn, and wait to be sent.
    #[inline]
    fn fresh(&self) -> usize {
        0
    }

    /// The earliest intended time of what has been drawn and waits.
    fn oldest_due(&self) -> Option<Nanos> {
        None
    }

    /// The run is over: the intended time of the next request that was drawn and never sent.
    fn take_never_sent(&mut self) -> Option<Nanos> {
        None
    }

    /// Connections that are wanted and not open, of which `down` are not open.
    fn missing(&self, down: usize) -> usize {
        down
    }

    /// Whether a connection is to be open.
    fn is_wanted(&self, _: ConnId) -> bool {
        true
    }

    /// Whether requests have waited for a node for so long that it is gone.
    fn is_deserted(&self, _: Nanos, _: u64) -> bool {
        false
    }

    /// A connection was opened.
    fn opened(&mut self, _: usize) {}

    /// A connection that was open is no more.
    fn closed(&mut self, _: usize) {}

    /// A connection was lost, or could not be opened.
    fn lost(&mut self, _: usize, _: Nanos) {}

    /// Counts what happened to a connection for its node.
    fn count_at_node(_: &mut Dispatcher<Self>, _: ConnId, _: ErrorKind) {}

    /// A request was lost with its connection. True when it goes on.
    fn request_lost(_: &mut Dispatcher<Self>, _: ConnId, _: &Flight, _: Nanos) -> bool {
        false
    }

    /// The server will not tell any more what has changed of what a connection has read.
    fn forget_kept(_: &mut Dispatcher<Self>) {}

    /// Tells the ring where the connections go.
    fn aim(_: &mut Dispatcher<Self>, _: &mut impl Ring) {}

    /// Looks at what others have found out. True when there are connections to be opened.
    #[inline]
    fn settle(_: &mut Dispatcher<Self>, _: &mut impl Ring, _: Nanos) -> bool {
        false
    }

    /// Gives up what has waited too long.
    fn end_overdue(_: &mut Dispatcher<Self>, _: Nanos) {}

    /// The run is over: ends what waits.
    fn finish(_: &mut Dispatcher<Self>, _: Nanos) {}
}
