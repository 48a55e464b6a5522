//! One flight for each key: a read of a key that is being read already waits for that answer
//! instead of asking again ("request coalescing", "singleflight").
//!
//! Fixed memory: what finds no place is simply sent, which is counted.

use crate::units::Nanos;
use stallion_resp::units::KeyId;

/// No place.
const NONE: u32 = u32::MAX;

/// A read that waits for another one's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiter {
    /// Its intended time.
    pub due: Nanos,
    /// When it joined.
    pub joined: Nanos,
}

#[derive(Debug, Clone, Copy)]
struct Leader {
    key: u64,
    first: u32,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    waiter: Waiter,
    next: u32,
}

/// What a read is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Be sent, and answer those that join it.
    Lead,
    /// Wait for the leader.
    Wait,
    /// Be sent alone: there was no place.
    Alone,
}

/// The keys that are being read, and who waits for each.
#[derive(Debug, Clone)]
pub struct Joined {
    leaders: Box<[Leader]>,
    links: Box<[Link]>,
    free: u32,
    waiting: usize,
}

/// Free places stay at least as many as taken ones, so that a search ends soon.
const SPARSE: usize = 2;

const NO_NODE: u64 = u64::MAX;

impl Joined {
    /// For at most `leaders` reads in flight and `waiters` that wait for them.
    #[must_use]
    pub fn new(leaders: usize, waiters: usize) -> Self {
        let places = (leaders.max(1) * SPARSE).next_power_of_two();
        let nothing = Waiter { due: Nanos(0), joined: Nanos(0) };
        let links = (1..=waiters as u32).map(|next| Link { waiter: nothing, next });
        let mut links: Box<[Link]> = links.collect();
        if let Some(last) = links.last_mut() {
            last.next = NONE;
        }
        Self {
            leaders: vec![Leader { key: NO_NODE, first: NONE }; places].into(),
            free: if waiters == 0 { NONE } else { 0 },
            links,
            waiting: 0,
        }
    }

    /// A read of `key` comes.
    pub fn join(&mut self, key: KeyId, waiter: Waiter) -> Part {
        let Some(at) = self.find(key.0) else {
            return Part::Alone;
        };
        if self.leaders[at].key == NO_NODE {
            self.leaders[at] = Leader { key: key.0, first: NONE };
            return Part::Lead;
        }
        let Some(link) = self.links.get_mut(self.free as usize) else {
            return Part::Alone;
        };
        let (index, next) = (self.free, link.next);
        *link = Link { waiter, next: self.leaders[at].first };
        self.leaders[at].first = index;
        self.free = next;
        self.waiting += 1;
        Part::Wait
    }

    /// A read of `key` comes that waits for nobody. False when it is being read already, or there is
    /// no place.
    pub fn lead(&mut self, key: KeyId) -> bool {
        let free = self.find(key.0).filter(|at| self.leaders[*at].key == NO_NODE);
        if let Some(at) = free {
            self.leaders[at] = Leader { key: key.0, first: NONE };
        }
        free.is_some()
    }

    /// The leader's answer came, or never will: shows everyone who waited for it.
    pub fn end(&mut self, key: KeyId, mut each: impl FnMut(Waiter)) {
        let Some(at) = self.find(key.0).filter(|at| self.leaders[*at].key == key.0) else {
            return;
        };
        let mut index = self.leaders[at].first;
        while let Some(link) = self.links.get_mut(index as usize) {
            each(link.waiter);
            let next = std::mem::replace(&mut link.next, self.free);
            (self.free, index) = (index, next);
            self.waiting -= 1;
        }
        self.remove(at);
    }

    /// Reads that wait.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.waiting
    }

    fn home(&self, key: u64) -> usize {
        (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & (self.leaders.len() - 1)
    }

    /// The place of a key, or the one where it belongs; none when all are taken.
    fn find(&self, key: u64) -> Option<usize> {
        let mask = self.leaders.len() - 1;
        let home = self.home(key);
        (0..self.leaders.len()).map(|step| (home + step) & mask).find(|at| {
            let there = self.leaders[*at].key;
            there == key || there == NO_NODE
        })
    }

    /// Linear probing without tombstones: what stands behind a freed place moves up (Knuth, The Art
    /// of Computer Programming, volume 3, section 6.4, algorithm R).
    fn remove(&mut self, mut hole: usize) {
        let mask = self.leaders.len() - 1;
        let mut at = hole;
        loop {
            self.leaders[hole].key = NO_NODE;
            loop {
                at = (at + 1) & mask;
                let key = self.leaders[at].key;
                if key == NO_NODE {
                    return;
                }
                let home = self.home(key);
                // It may move up unless its home lies behind the hole.
                if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                    break;
                }
            }
            self.leaders[hole] = self.leaders[at];
            hole = at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;
    use std::collections::HashMap;

    fn waiter(due: u64) -> Waiter {
        Waiter { due: Nanos(due), joined: Nanos(due) }
    }

    proptest! {
        #[test]
        fn everyone_who_waits_is_shown_once(
            steps in proptest::collection::vec((0_u64..30, proptest::bool::weighted(0.3)), 0..500),
        ) {
            let mut joined = Joined::new(8, 10);
            let mut model: HashMap<u64, Vec<u64>> = HashMap::new();
            for (due, (key, ends)) in (0..).zip(steps) {
                if ends {
                    let mut shown = Vec::new();
                    joined.end(KeyId(key), |waiter| shown.push(waiter.due.0));
                    shown.reverse();
                    assert_eq!(shown, model.remove(&key).unwrap_or_default());
                    continue;
                }
                match joined.join(KeyId(key), waiter(due)) {
                    Part::Lead => assert!(model.insert(key, Vec::new()).is_none()),
                    Part::Wait => model.get_mut(&key).unwrap().push(due),
                    Part::Alone => {
                        let full = model.values().map(Vec::len).sum::<usize>() == 10;
                        assert!(full || model.len() == 16, "only when there is no place");
                    }
                }
                assert_eq!(joined.waiting(), model.values().map(Vec::len).sum::<usize>());
            }
        }
    }
}
