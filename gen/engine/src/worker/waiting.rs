//! Requests of a cluster that cannot be sent now: queues of bounded length in one pool, so that
//! what is in use stays small and nothing is allocated after the start.

use crate::limits::MAX_WAITING;
use crate::measure::outcome::ErrorKind;
use crate::units::Nanos;
use stallion_resp::op::Op;
use stallion_resp::units::SlotId;

/// One request that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// What to send.
    pub op: Op,
    /// The key's slot.
    pub slot: SlotId,
    /// Intended time.
    pub due: Nanos,
    /// When it was sent last; meaningless before it was.
    pub sent: Nanos,
    /// How often it was sent before.
    pub hops: u8,
    /// It counts as sent already.
    pub counted: bool,
    /// The request of several keys that it is a part of; 0 for none.
    pub part: u32,
    /// The version that a write carries.
    pub version: u64,
    /// ASKING goes before it.
    pub asks: bool,
    /// It carries its script in full.
    pub in_full: bool,
    /// It may be answered by a replica of its slot's primary.
    pub by_replica: bool,
    /// How it ended last, if that is how it ends.
    pub last: ErrorKind,
}

impl Waiting {
    /// A request that has never been sent.
    #[must_use]
    pub const fn fresh(op: Op, slot: SlotId, due: Nanos) -> Self {
        Self {
            op,
            slot,
            due,
            sent: Nanos(0),
            hops: 0,
            counted: false,
            part: 0,
            version: 0,
            asks: false,
            in_full: false,
            by_replica: false,
            last: ErrorKind::Disconnect,
        }
    }
}

/// No further one.
const END: u32 = u32::MAX;

/// A first-in-first-out queue in a [`WaitingPool`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    head: u32,
    tail: u32,
    len: u32,
}

impl Queue {
    /// An empty one.
    pub const EMPTY: Self = Self { head: END, tail: END, len: 0 };

    /// How many wait.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether nobody waits.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[derive(Debug)]
struct Place {
    waiting: Waiting,
    next: u32,
}

/// Places for [`MAX_WAITING`] requests. Those freed last are used first: they are in the cache.
#[derive(Debug)]
pub struct WaitingPool {
    places: Vec<Place>,
    free: u32,
    used: usize,
}

impl Default for WaitingPool {
    fn default() -> Self {
        Self { places: Vec::with_capacity(MAX_WAITING), free: END, used: 0 }
    }
}

impl WaitingPool {
    /// Keeps a request; none when there is no place.
    #[inline]
    pub fn keep(&mut self, waiting: Waiting) -> Option<u32> {
        let index = self.free;
        if let Some(place) = self.places.get_mut(index as usize) {
            self.free = place.next;
            *place = Place { waiting, next: END };
            self.used += 1;
            return Some(index);
        }
        if self.places.len() == MAX_WAITING {
            return None;
        }
        self.places.push(Place { waiting, next: END });
        self.used += 1;
        Some(self.places.len() as u32 - 1)
    }

    /// Gives a request back, and its place free.
    #[inline]
    pub fn release(&mut self, index: u32) -> Waiting {
        let place = &mut self.places[index as usize];
        place.next = self.free;
        self.free = index;
        self.used -= 1;
        place.waiting
    }

    /// How many more can be kept.
    #[inline]
    #[must_use]
    pub const fn room(&self) -> usize {
        MAX_WAITING - self.used
    }

    /// Whether nothing is kept.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Appends to a queue. False when there is no place.
    #[inline]
    #[must_use]
    pub fn push(&mut self, queue: &mut Queue, waiting: Waiting) -> bool {
        let Some(index) = self.keep(waiting) else { return false };
        match self.places.get_mut(queue.tail as usize) {
            Some(last) => last.next = index,
            None => queue.head = index,
        }
        (queue.tail, queue.len) = (index, queue.len + 1);
        true
    }

    /// The first of a queue.
    #[inline]
    #[must_use]
    pub fn first(&self, queue: &Queue) -> Option<&Waiting> {
        self.places.get(queue.head as usize).map(|place| &place.waiting)
    }

    /// All of a queue, the first first.
    pub fn each(&self, queue: &Queue) -> impl Iterator<Item = &Waiting> {
        let place = |index: u32| self.places.get(index as usize);
        std::iter::successors(place(queue.head), move |before| place(before.next))
            .map(|place| &place.waiting)
    }

    /// Takes the first of a queue.
    #[inline]
    pub fn pop(&mut self, queue: &mut Queue) -> Option<Waiting> {
        let index = queue.head;
        let next = self.places.get(index as usize)?.next;
        (queue.head, queue.len) = (next, queue.len - 1);
        if next == END {
            queue.tail = END;
        }
        Some(self.release(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop, proptest};
    use stallion_resp::units::KeyId;
    use std::collections::VecDeque;

    fn waiting(key: u64) -> Waiting {
        let op = Op { key: KeyId(key), ..Op::default() };
        Waiting::fresh(op, SlotId(0), Nanos(key))
    }

    proptest! {
        #[test]
        fn queues_share_a_pool_and_nothing_else(
            steps in prop::collection::vec((0_usize..3, any::<bool>()), 1..500),
        ) {
            let mut pool = WaitingPool::default();
            let mut queues = [Queue::EMPTY; 3];
            let mut truth: [VecDeque<u64>; 3] = Default::default();
            for (number, (which, push)) in steps.into_iter().enumerate() {
                if push {
                    assert!(pool.push(&mut queues[which], waiting(number as u64)));
                    truth[which].push_back(number as u64);
                } else {
                    assert_eq!(
                        pool.first(&queues[which]).map(|first| first.due.0),
                        truth[which].front().copied()
                    );
                    let popped = pool.pop(&mut queues[which]).map(|one| one.op.key.0);
                    assert_eq!(popped, truth[which].pop_front());
                }
                assert_eq!(queues[which].len(), truth[which].len());
                assert_eq!(queues[which].is_empty(), truth[which].is_empty());
            }
        }
    }

    #[test]
    fn the_pool_is_bounded_and_never_moves() {
        let mut pool = WaitingPool::default();
        let mut queue = Queue::EMPTY;
        let before = pool.places.as_ptr();
        for key in 0..MAX_WAITING as u64 {
            assert!(pool.push(&mut queue, waiting(key)));
        }
        assert!(!pool.push(&mut queue, waiting(0)));
        assert_eq!(pool.places.as_ptr(), before);
        while pool.pop(&mut queue).is_some() {}
        assert_eq!(queue, Queue::EMPTY);
        assert!(pool.is_empty());
        assert!(pool.push(&mut queue, waiting(1)));
    }
}
