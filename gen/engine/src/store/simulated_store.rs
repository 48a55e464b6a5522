//! A store that is not there and queues like one: `c` servers that all workers share, each read keeps
//! the one that is free first busy for a time by a service_time, first come first served. Deterministic by
//! seed and by the times at which it is asked.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::service_time::ServiceTime;
use super::{Asked, Fetched};
use crate::units::Nanos;
use stallion_resp::units::KeyId;

/// The servers, of all workers.
#[derive(Debug)]
pub struct Servers {
    /// Until when each is busy.
    free_at: Box<[AtomicU64]>,
    inside: AtomicUsize,
    /// Reads in service and waiting at most.
    most: usize,
}

impl Servers {
    /// So many servers, and places to wait for them.
    #[must_use]
    pub fn new(servers: usize, queue: usize) -> Self {
        Self {
            free_at: (0..servers.max(1)).map(|_| AtomicU64::new(0)).collect(),
            inside: AtomicUsize::new(0),
            most: servers + queue,
        }
    }

    /// Keeps the server that is free first busy for so long, from when it is free on; when that ends.
    fn serve(&self, now: Nanos, busy_ns: u64) -> Nanos {
        loop {
            let free = |place: &&AtomicU64| place.load(Ordering::Acquire);
            let Some(first) = self.free_at.iter().min_by_key(free) else { return now };
            let before = first.load(Ordering::Acquire);
            let end = before.max(now.0).saturating_add(busy_ns);
            let taken = first.compare_exchange(before, end, Ordering::AcqRel, Ordering::Acquire);
            if taken.is_ok() {
                return Nanos(end);
            }
        }
    }
}

/// A read that is being served.
type Served = (Nanos, u64, u32, u32, u64, u64);

/// The stand-in as one worker sees it.
#[derive(Debug)]
pub struct SimulatedStore {
    servers: Arc<Servers>,
    service_time: ServiceTime,
    random: Xoshiro256PlusPlus,
    /// Ends of the reads of this worker, the first first; the number keeps the order of equal times.
    ends: BinaryHeap<Reverse<Served>>,
    numbered: u64,
}

impl SimulatedStore {
    /// For a worker that has at most `places` reads with the store.
    #[must_use]
    pub fn new(servers: Arc<Servers>, service_time: ServiceTime, places: usize, seed: u64) -> Self {
        let random = Xoshiro256PlusPlus::seed_from_u64(seed);
        Self { servers, service_time, random, ends: BinaryHeap::with_capacity(places), numbered: 0 }
    }

    pub(super) fn inside(&self) -> usize {
        self.servers.inside.load(Ordering::Relaxed)
    }

    pub(super) fn ask(&mut self, asked: Asked, now: Nanos) -> bool {
        if self.inside() >= self.servers.most || self.ends.len() == self.ends.capacity() {
            return false;
        }
        self.servers.inside.fetch_add(1, Ordering::Relaxed);
        let busy_ns = self.service_time.draw(&mut self.random);
        let end = self.servers.serve(now, busy_ns);
        let Asked { place, turn, key } = asked;
        self.numbered += 1;
        self.ends.push(Reverse((end, self.numbered, place, turn, key.0, busy_ns)));
        true
    }

    pub(super) fn next(&self) -> Nanos {
        self.ends.peek().map_or(Nanos::NEVER, |Reverse((end, ..))| *end)
    }

    pub(super) fn take(&mut self, now: Nanos) -> Option<Fetched> {
        if self.next() > now {
            return None;
        }
        let Reverse((_, _, place, turn, key, busy_ns)) = self.ends.pop()?;
        self.servers.inside.fetch_sub(1, Ordering::Relaxed);
        let asked = Asked { place, turn, key: KeyId(key) };
        Some(Fetched { asked, busy_ns, ok: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(place: u32) -> Asked {
        Asked { place, turn: 0, key: KeyId(1) }
    }

    #[test]
    fn two_servers_take_five_reads_in_three_rounds() {
        let servers = Arc::new(Servers::new(2, 3));
        let mut store = SimulatedStore::new(servers, ServiceTime::Fixed { ns: 100 }, 10, 1);
        for place in 0..5 {
            assert!(store.ask(asked(place), Nanos(1_000)));
        }
        assert!(!store.ask(asked(5), Nanos(1_000)), "three may wait");
        let mut ends = Vec::new();
        while store.next() < Nanos::NEVER {
            let at = store.next();
            assert_eq!(store.take(Nanos(at.0 - 1)), None);
            ends.push((at.0, store.take(at).unwrap().asked.place));
        }
        assert_eq!(ends, [(1_100, 0), (1_100, 1), (1_200, 2), (1_200, 3), (1_300, 4)]);
        assert_eq!(store.inside(), 0);
    }

    /// A queue with one server, Poisson arrivals and exponential service waits rho / (1 - rho)
    /// service times on average: the stand-in is that queue.
    #[test]
    fn it_waits_as_the_theory_of_queues_says() {
        use rand_distr::{Distribution as _, Exp1};
        let servers = Arc::new(Servers::new(1, 1_000_000));
        let service_time = ServiceTime::Exponential { mean_ns: 1_000_000 };
        let mut store = SimulatedStore::new(servers, service_time, 1_000_000, 3);
        let mut random = Xoshiro256PlusPlus::seed_from_u64(5);
        let (mut now, mut waited, count) = (1e9_f64, 0.0, 200_000);
        for place in 0..count {
            let gap: f64 = Exp1.sample(&mut random);
            now += gap * 2e6;
            let before = store.servers.free_at[0].load(Ordering::Relaxed);
            waited += (before as f64 - now).max(0.0);
            assert!(store.ask(asked(place), Nanos(now as u64)));
        }
        let mean_ms = waited / f64::from(count) / 1e6;
        assert!((mean_ms - 1.0).abs() < 0.1, "rho is 0.5: {mean_ms}");
    }
}
