//! A real store, which a thread of its own asks (`control/postgres.rs`): what goes there and what comes
//! back go through lock-free queues of bounded length.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rtrb::{Consumer, Producer, RingBuffer};

use super::{Asked, Fetched};
use crate::units::Nanos;

/// How often a worker looks for answers while it waits for any: nothing wakes it for them, so that
/// each may be noticed so much later.
const LOOK_EVERY_NS: u64 = 100_000;

/// Wakes the thread that asks the store.
#[derive(Clone)]
pub struct Bell(Arc<dyn Fn() + Send + Sync>);

impl Bell {
    /// One that does this; it must neither wait nor allocate.
    #[must_use]
    pub fn new(ring: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(ring))
    }

    /// Rings it.
    pub fn ring(&self) {
        (self.0)();
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Bell")
    }
}

/// The other end of one worker's queues.
#[derive(Debug)]
pub struct Counter {
    /// What it asks.
    pub asked: Consumer<Asked>,
    /// What it is told: there is room for an answer to each.
    pub answers: Producer<Fetched>,
}

/// The store as one worker sees it.
#[derive(Debug)]
pub struct Remote {
    asked: Producer<Asked>,
    answers: Consumer<Fetched>,
    outstanding: usize,
    inside: Arc<AtomicUsize>,
    most: usize,
    bell: Bell,
}

impl Remote {
    /// For at most `most` reads over all workers, which are counted in `inside`.
    #[must_use]
    pub fn new(inside: Arc<AtomicUsize>, most: usize, bell: Bell) -> (Self, Counter) {
        let (asked, asked_out) = RingBuffer::new(most);
        let (answers_in, answers) = RingBuffer::new(most);
        let remote = Self { asked, answers, outstanding: 0, inside, most, bell };
        (remote, Counter { asked: asked_out, answers: answers_in })
    }

    pub(super) fn inside(&self) -> usize {
        self.inside.load(Ordering::Relaxed)
    }

    pub(super) fn ask(&mut self, asked: Asked) -> bool {
        // What is outstanding has a place in both queues.
        if self.outstanding == self.most || self.inside() >= self.most {
            return false;
        }
        if self.asked.push(asked).is_err() {
            return false;
        }
        self.inside.fetch_add(1, Ordering::Relaxed);
        self.outstanding += 1;
        self.bell.ring();
        true
    }

    pub(super) const fn next(&self, now: Nanos) -> Nanos {
        if self.outstanding == 0 { Nanos::NEVER } else { Nanos(now.0 + LOOK_EVERY_NS) }
    }

    pub(super) fn take(&mut self) -> Option<Fetched> {
        let fetched = self.answers.pop().ok()?;
        self.outstanding -= 1;
        self.inside.fetch_sub(1, Ordering::Relaxed);
        Some(fetched)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stallion_resp::units::KeyId;

    #[test]
    fn what_is_outstanding_is_bounded_and_rings_the_bell() {
        let (rung, inside) = (Arc::new(AtomicUsize::new(0)), Arc::default());
        let rings = Arc::clone(&rung);
        let bell = Bell::new(move || {
            rings.fetch_add(1, Ordering::Relaxed);
        });
        let (mut store, mut counter) = Remote::new(inside, 2, bell);
        let asked = |place| Asked { place, turn: 0, key: KeyId(7) };
        assert_eq!(store.next(Nanos(5)), Nanos::NEVER);
        assert!(store.ask(asked(0)) && store.ask(asked(1)) && !store.ask(asked(2)));
        assert_eq!((rung.load(Ordering::Relaxed), store.inside()), (2, 2));
        assert_eq!(store.next(Nanos(5)), Nanos(5 + LOOK_EVERY_NS));
        assert_eq!(store.take(), None);
        while let Ok(asked) = counter.asked.pop() {
            counter.answers.push(Fetched { asked, busy_ns: 1, ok: true }).unwrap();
        }
        assert!(store.take().is_some() && store.take().is_some() && store.take().is_none());
        assert!(store.ask(asked(3)) && store.inside() == 1);
    }
}
