//! Requests in flight on one connection, in the order in which their answers will come.

use std::collections::VecDeque;

use crate::units::{KeyId, Nanos, OpKind};

/// One request that has been encoded and not been answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flight {
    /// Intended time.
    pub due: Nanos,
    /// From when on the client could have sent it: due, and its connection free.
    pub ready: Nanos,
    /// When it was handed to the kernel.
    pub sent: Nanos,
    /// The command.
    pub kind: OpKind,
    /// The key.
    pub key: KeyId,
    /// Requests before it on the connection.
    pub ahead: u32,
}

/// A bounded queue of them. It never grows beyond the capacity that it was made with.
#[derive(Debug)]
pub struct Flights {
    queue: VecDeque<Flight>,
    capacity: usize,
}

impl Flights {
    /// Room for `capacity` requests.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { queue: VecDeque::with_capacity(capacity), capacity }
    }

    /// How many are in flight.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether none is.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether no further one may be sent.
    #[inline]
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.queue.len() >= self.capacity
    }

    /// Adds one that has just been encoded. The caller has seen that there is room.
    #[inline]
    pub fn push(&mut self, flight: Flight) {
        debug_assert!(!self.is_full(), "the pipeline is bounded");
        self.queue.push_back(flight);
    }

    /// The one that the next answer belongs to.
    #[inline]
    #[must_use]
    pub fn head(&self) -> Option<&Flight> {
        self.queue.front()
    }

    /// Takes the one that an answer came for.
    #[inline]
    pub fn pop(&mut self) -> Option<Flight> {
        self.queue.pop_front()
    }

    /// The youngest `count`, to be stamped when they are sent.
    #[inline]
    pub fn youngest(&mut self, count: usize) -> impl Iterator<Item = &mut Flight> {
        let from = self.queue.len() - count;
        self.queue.range_mut(from..)
    }
}
