//! The store behind a cache (cache-aside): a read that finds nothing asks it, and writes what it says
//! into the cache. What such a miss costs depends on the store's capacity and on how many ask at once.
//!
//! Pure state; the dispatcher of a worker acts on what this says.

pub mod service_time;

pub mod in_flight_misses;

pub mod simulated_store;

pub mod remote;

pub mod stamp;

pub mod cache_aside;

use serde::Serialize;

use crate::units::Nanos;
use stallion_resp::units::KeyId;

use remote::Remote;
use simulated_store::SimulatedStore;

/// What is done against many reads of one key at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Stampede {
    /// One read of the store for each key and core; who else finds nothing waits for it.
    pub coalesce: bool,
    /// Read the store again before a key expires, each reader for itself and by chance (XFetch), with
    /// this beta.
    pub xfetch: Option<f64>,
    /// Serve a value for so long after its time while one reader gets a new one.
    pub revalidate_ns: Option<u64>,
}

impl Stampede {
    /// Whether values carry a stamp: when they expire, and how long they took to get.
    #[must_use]
    pub const fn stamps(self) -> bool {
        self.xfetch.is_some() || self.revalidate_ns.is_some()
    }
}

/// Cache-aside: what follows a read that finds nothing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CacheAsideSettings {
    /// Reads that it serves at the same time.
    pub servers: usize,
    /// Reads that may wait for it, over all cores; what is more is refused.
    pub queue: usize,
    /// What is done against many reads of one key.
    pub stampede: Stampede,
    /// Time to live of what is written into the cache.
    pub ttl_ns: u64,
    /// It is longer or shorter by up to this share.
    pub jitter: f64,
}

/// One read of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The place of what it is for.
    pub place: u32,
    /// Which user of that place.
    pub turn: u32,
    /// The key.
    pub key: KeyId,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetched {
    /// What was asked.
    pub asked: Asked,
    /// How long it kept a server of the store busy.
    pub busy_ns: u64,
    /// It was answered.
    pub ok: bool,
}

/// A store as one worker sees it.
#[derive(Debug)]
pub enum Store {
    /// The built-in one.
    SimulatedStore(SimulatedStore),
    /// A real one.
    Remote(Remote),
}

impl Store {
    /// Reads that are with it now, in service or waiting, over all workers.
    #[must_use]
    pub fn inside(&self) -> usize {
        match self {
            Self::SimulatedStore(store) => store.inside(),
            Self::Remote(store) => store.inside(),
        }
    }

    /// Asks it. False when too many wait already.
    #[must_use]
    pub fn ask(&mut self, asked: Asked, now: Nanos) -> bool {
        match self {
            Self::SimulatedStore(store) => store.ask(asked, now),
            Self::Remote(store) => store.ask(asked),
        }
    }

    /// When to look for its answers.
    #[inline]
    #[must_use]
    pub fn next(&self, now: Nanos) -> Nanos {
        match self {
            Self::SimulatedStore(store) => store.next(),
            Self::Remote(store) => store.next(now),
        }
    }

    /// One answer that has come by now.
    #[inline]
    pub fn take(&mut self, now: Nanos) -> Option<Fetched> {
        match self {
            Self::SimulatedStore(store) => store.take(now),
            Self::Remote(store) => store.take(),
        }
    }
}
