//! Cache-aside as one worker sees it: the refills that are under way, each a reader that found nothing
//! (or comes early), a read of the store, and a write into the cache. Pure state of bounded size.

use std::collections::VecDeque;
use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::in_flight_misses::InFlightMisses;
use super::stamp::Stamp;
use super::{Asked, CacheAsideSettings, Fetched, Stampede, Store};
use crate::mitigation::joined::{Joined, Part, Waiter};
use crate::units::Nanos;
use stallion_resp::units::{CommandId, KeyId, SlotId};

const SECOND_NS: u64 = 1_000_000_000;

/// For each refill that may be under way so many that ended may still have a deadline.
const DEADLINES: usize = 4;

/// A reader, as it was when its read was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reader {
    /// The key.
    pub key: KeyId,
    /// Its slot.
    pub slot: SlotId,
    /// Its intended time.
    pub due: Nanos,
    /// When it was sent.
    pub sent: Nanos,
    /// It found something, and gets it anew all the same.
    pub hit: bool,
    /// It has been answered: nobody waits for the refill.
    pub quiet: bool,
}

/// How old a value is that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// It is served.
    Fresh,
    /// It is got anew before it expires, by this reader.
    Early,
    /// It is served, and got anew behind the reader's back.
    Stale,
}

/// What became of a wish to read the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It is asked.
    Asked {
        /// Reads of this key that are with it now.
        in_flight_misses: u64,
    },
    /// It waits for somebody else's answer.
    Waits,
    /// Somebody else gets it already, and the reader has something.
    Needless,
    /// There is no place: the store's queue is full.
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Free,
    Asking,
    Writing,
}

#[derive(Debug, Clone, Copy)]
struct Refill {
    reader: Reader,
    stage: Stage,
    turn: u32,
    /// Others may wait for it.
    leads: bool,
    asked: Nanos,
    stamp: u64,
}

/// A read of the store that came back.
#[derive(Debug, Clone, Copy)]
pub struct StoreAnswer {
    /// For whom.
    pub reader: Reader,
    /// What a write of it carries as its version.
    pub ticket: u64,
    /// Its time to live in the cache in seconds.
    pub ttl_s: u32,
    /// From asking to the answer.
    pub latency_ns: u64,
    /// How long it kept a server of the store busy.
    pub busy_ns: u64,
    /// The store answered; else the refill is over.
    pub ok: bool,
    /// The reader was given up before: nothing is to be done.
    pub late: bool,
}

/// The state of one worker.
#[derive(Debug)]
pub struct CacheAside {
    /// The command that reads.
    pub get: CommandId,
    /// The command that writes into the cache.
    pub set: CommandId,
    stampede: Stampede,
    ttl_ns: u64,
    jitter: f64,
    servers: usize,
    store: Store,
    misses: Arc<InFlightMisses>,
    joined: Joined,
    refills: Vec<Refill>,
    free: Vec<u32>,
    deadlines: VecDeque<(Nanos, Asked)>,
    random: Xoshiro256PlusPlus,
}

impl CacheAside {
    /// For a worker with at most `places` refills; `misses` are those of all workers, and `get` and
    /// `set` the commands that read and write.
    #[must_use]
    pub fn new(
        settings: &CacheAsideSettings,
        (store, misses): (Store, Arc<InFlightMisses>),
        (get, set): (CommandId, CommandId),
        places: usize,
        seed: u64,
    ) -> Self {
        Self {
            get,
            set,
            stampede: settings.stampede,
            ttl_ns: settings.ttl_ns,
            jitter: settings.jitter,
            servers: settings.servers,
            store,
            misses,
            joined: Joined::new(places, places),
            refills: Vec::with_capacity(places),
            free: Vec::with_capacity(places),
            deadlines: VecDeque::with_capacity(places * DEADLINES),
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
        }
    }

    /// Whether the stamps of values are to be read.
    #[inline]
    #[must_use]
    pub const fn follows(&self) -> bool {
        self.stampede.stamps()
    }

    /// The stamp that the write of a ticket carries; 0 for none.
    #[must_use]
    pub fn stamp(&self, ticket: u64) -> u64 {
        let refill = ticket.checked_sub(1).and_then(|place| self.refills.get(place as usize));
        refill.map_or(0, |refill| refill.stamp)
    }

    /// Reads that wait for a server of the store, over all workers.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.store.inside().saturating_sub(self.servers)
    }

    /// What is to be done about a value that was found with such a stamp.
    pub fn age(&mut self, stamp: u64, now: Nanos) -> Age {
        let life_ns = (self.ttl_ns as f64 * (1.0 + self.jitter)) as u64
            + self.stampede.revalidate_ns.unwrap_or(0)
            + SECOND_NS;
        let Some(stamp) = Stamp::unpack(stamp, now, life_ns) else { return Age::Fresh };
        if self.stampede.revalidate_ns.is_some() && now >= stamp.expires {
            return Age::Stale;
        }
        let early = |beta| stamp.is_early(now, beta, &mut self.random);
        if self.stampede.xfetch.is_some_and(early) { Age::Early } else { Age::Fresh }
    }

    /// A reader wants the store to be read.
    pub fn begin(&mut self, reader: Reader, timeout_ns: u64, now: Nanos) -> Begun {
        let Reader { key, due, sent, hit, .. } = reader;
        let once = self.stampede.coalesce || reader.quiet;
        let mut leads = false;
        if once && hit {
            leads = self.joined.lead(key);
            if !leads {
                return Begun::Needless;
            }
        } else if once {
            match self.joined.join(key, Waiter { due, joined: sent }) {
                Part::Wait => return Begun::Waits,
                part => leads = part == Part::Lead,
            }
        }
        let Some(place) = self.place() else { return self.refuse(key, leads) };
        let turn = self.refills[place as usize].turn;
        let asked = Asked { place, turn, key };
        if self.deadlines.len() == self.deadlines.capacity() || !self.store.ask(asked, now) {
            self.free.push(place);
            return self.refuse(key, leads);
        }
        self.deadlines.push_back((now + timeout_ns, asked));
        let stage = Stage::Asking;
        self.refills[place as usize] = Refill { reader, stage, turn, leads, asked: now, stamp: 0 };
        Begun::Asked { in_flight_misses: self.misses.enter(key) }
    }

    fn refuse(&mut self, key: KeyId, leads: bool) -> Begun {
        if leads {
            // Nobody has joined since: it was made a moment ago.
            self.joined.end(key, |_| {});
        }
        Begun::Refused
    }

    fn place(&mut self) -> Option<u32> {
        if let Some(place) = self.free.pop() {
            return Some(place);
        }
        if self.refills.len() == self.refills.capacity() {
            return None;
        }
        let nobody = Nanos(0);
        let (key, slot, hit, quiet) = (KeyId(0), SlotId(0), false, false);
        let reader = Reader { key, slot, due: nobody, sent: nobody, hit, quiet };
        let (stage, leads) = (Stage::Free, false);
        self.refills.push(Refill { reader, stage, turn: 0, leads, asked: nobody, stamp: 0 });
        Some(self.refills.len() as u32 - 1)
    }

    /// When to look for the store's answers.
    #[inline]
    #[must_use]
    pub fn next(&self, now: Nanos) -> Nanos {
        self.store.next(now)
    }

    /// The run is over: one of the refills that wait for the store, by its ticket, and its key.
    pub fn take_any(&mut self) -> Option<(u64, KeyId)> {
        self.take_overdue(Nanos::NEVER)
    }

    /// One answer of the store.
    pub fn take(&mut self, now: Nanos) -> Option<StoreAnswer> {
        let Fetched { asked, busy_ns, ok } = self.store.take(now)?;
        self.misses.leave(asked.key);
        let refill = &mut self.refills[asked.place as usize];
        let late = refill.turn != asked.turn || refill.stage != Stage::Asking;
        let latency_ns = if late { 0 } else { now.since(refill.asked) };
        let ticket = u64::from(asked.place) + 1;
        let mut answer =
            StoreAnswer { reader: refill.reader, ticket, ttl_s: 0, latency_ns, busy_ns, ok, late };
        if late {
            return Some(answer);
        }
        refill.stage = Stage::Writing;
        let spread = self.jitter * (2.0 * self.random.random::<f64>() - 1.0);
        let ttl_ns = (self.ttl_ns as f64 * (1.0 + spread)) as u64;
        if self.stampede.stamps() {
            refill.stamp = Stamp { expires: now + ttl_ns, delta_ns: latency_ns }.pack();
        }
        let kept_ns = ttl_ns + self.stampede.revalidate_ns.unwrap_or(0);
        answer.ttl_s = kept_ns.div_ceil(SECOND_NS).clamp(1, u64::from(u32::MAX)) as u32;
        Some(answer)
    }

    /// A refill is over: its reader, and each that waited for it.
    pub fn end(&mut self, ticket: u64, each: impl FnMut(Waiter)) -> Option<Reader> {
        let place = ticket.checked_sub(1)? as u32;
        let refill = self.refills.get_mut(place as usize)?;
        if refill.stage == Stage::Free {
            return None;
        }
        refill.stage = Stage::Free;
        refill.turn = refill.turn.wrapping_add(1);
        let (reader, leads) = (refill.reader, refill.leads);
        self.free.push(place);
        if leads {
            self.joined.end(reader.key, each);
        }
        Some(reader)
    }

    /// A refill that has waited too long for the store, by its ticket, and its key; those that are
    /// over are forgotten on the way.
    pub fn take_overdue(&mut self, now: Nanos) -> Option<(u64, KeyId)> {
        while let Some((deadline, asked)) = self.deadlines.front().copied() {
            let refill = &self.refills[asked.place as usize];
            let waits = refill.turn == asked.turn && refill.stage == Stage::Asking;
            if waits && deadline > now {
                return None;
            }
            self.deadlines.pop_front();
            if waits {
                return Some((u64::from(asked.place) + 1, asked.key));
            }
        }
        None
    }
}
