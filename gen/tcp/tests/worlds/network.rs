//! A network of two stations that loses, repeats, reorders, delays and damages frames by a seed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

/// What a network does to frames, each as a share of them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    pub lost: f64,
    pub repeated: f64,
    pub reordered: f64,
    pub damaged: f64,
    /// The longest frame that passes, without its Ethernet header; longer ones vanish.
    pub mtu: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Client,
    Server,
}

/// Arrival, number, receiver and frame.
type OnTheWay = (u64, u64, Side, Vec<u8>);

#[derive(Debug)]
pub(crate) struct Network {
    pub random: Xoshiro256PlusPlus,
    faults: Faults,
    frames: BinaryHeap<Reverse<OnTheWay>>,
    number: u64,
    /// Frames with TCP data, SYN or FIN of the client that were lost or damaged.
    pub lost: u64,
}

/// Bytes that no checksum of IP or TCP covers: a card drops a frame with damage there.
const ETHERNET: usize = 14;

const DELAY_NS: u64 = 100_000;
const REORDERED_NS: u64 = 3_000_000;

impl Network {
    pub(crate) fn new(seed: u64, faults: Faults) -> Self {
        let random = Xoshiro256PlusPlus::seed_from_u64(seed);
        Self { random, faults, frames: BinaryHeap::new(), number: 0, lost: 0 }
    }

    pub(crate) fn send(&mut self, to: Side, mut frame: Vec<u8>, now_ns: u64) {
        let too_long = self.faults.mtu.is_some_and(|mtu| frame.len() > mtu + ETHERNET);
        if too_long || self.random.random_bool(self.faults.lost) {
            self.lost += 1;
            return;
        }
        if self.random.random_bool(self.faults.damaged) {
            let at = self.random.random_range(ETHERNET..frame.len());
            frame[at] ^= 1 << self.random.random_range(0..8);
            self.lost += 1;
        }
        let copies = 1 + usize::from(self.random.random_bool(self.faults.repeated));
        for _ in 0..copies {
            let late = self.random.random_bool(self.faults.reordered);
            let more = if late { self.random.random_range(0..REORDERED_NS) } else { 0 };
            self.number += 1;
            let at_ns = now_ns + DELAY_NS + more;
            self.frames.push(Reverse((at_ns, self.number, to, frame.clone())));
        }
    }

    pub(crate) fn next_at(&self) -> u64 {
        self.frames.peek().map_or(u64::MAX, |Reverse((at_ns, ..))| *at_ns)
    }

    pub(crate) fn take(&mut self, now_ns: u64) -> Option<(Side, Vec<u8>)> {
        if self.next_at() > now_ns {
            return None;
        }
        self.frames.pop().map(|Reverse((_, _, to, frame))| (to, frame))
    }
}
