//! What no stall may pass: it lies within the watch, and the stalls of one class on one thread last
//! no longer in sum than the thread was watched. Events that say otherwise (a probe's mistake, a
//! record that was torn) are cut, and counted.

use std::collections::HashMap;

use stallion_timeline::{Stall, StallClass};

/// The bounds of one server's watch.
#[derive(Debug)]
pub struct Bounds {
    begin_ns: u64,
    /// Stalled time so far, by thread and class.
    stalled_ns: HashMap<(u32, StallClass), u64>,
    /// Stalls that were cut or left out.
    cut: u64,
}

impl Bounds {
    /// Of a watch that began at `begin_ns`.
    #[must_use]
    pub fn of(begin_ns: u64) -> Self {
        Self { begin_ns, stalled_ns: HashMap::new(), cut: 0 }
    }

    /// The stall as far as it lies within the watch until `now_ns`; none when nothing of it does.
    pub fn fit(&mut self, mut stall: Stall, now_ns: u64) -> Option<Stall> {
        let told = (stall.start_ns, stall.end_ns, stall.busy_ns);
        if stall.start_ns > now_ns || stall.end_ns < self.begin_ns || stall.end_ns < stall.start_ns
        {
            self.cut += 1;
            return None;
        }
        stall.start_ns = stall.start_ns.max(self.begin_ns);
        stall.end_ns = stall.end_ns.min(now_ns);
        stall.busy_ns = stall.busy_ns.min(stall.end_ns - stall.start_ns);
        let sum_ns = self.stalled_ns.entry((stall.tid, stall.class)).or_default();
        stall.busy_ns = stall.busy_ns.min((now_ns - self.begin_ns).saturating_sub(*sum_ns));
        *sum_ns += stall.busy_ns;
        // A stall that was going on when the watch began is cut by right.
        if told.1 != stall.end_ns || told.2 > stall.busy_ns + self.begin_ns.saturating_sub(told.0) {
            self.cut += 1;
        }
        Some(stall)
    }

    /// Stalls that were cut or left out since this was asked last.
    pub fn take_cut(&mut self) -> u64 {
        std::mem::take(&mut self.cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Server;
    use crate::stalls;

    const BEGIN_NS: u64 = 7_000_000_000_000;
    const WATCHED_NS: u64 = 11_000_000_000;

    /// Sebastiano Vigna's splitmix64.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.0;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        }

        /// A number that may be small, within the watch, around its ends, or anything.
        fn number(&mut self) -> u64 {
            match self.next() % 5 {
                0 => self.next() % 8,
                1 => BEGIN_NS + self.next() % WATCHED_NS,
                2 => (BEGIN_NS + self.next() % 1_000).saturating_sub(500),
                3 => BEGIN_NS / 2,
                _ => self.next(),
            }
        }
    }

    /// An event of a kind whose every other word is drawn.
    fn damaged(random: &mut Random) -> Vec<u8> {
        let words = 6 + random.next() % 20;
        let mut bytes: Vec<u8> = (0..words).flat_map(|_| random.number().to_le_bytes()).collect();
        bytes[..4].copy_from_slice(&((random.next() % 13) as u32).to_le_bytes());
        // A few threads, so that sums build up.
        bytes[4..8].copy_from_slice(&((random.next() % 3) as u32).to_le_bytes());
        if bytes.len() > 44 {
            // The class within the kind.
            bytes[40..44].copy_from_slice(&((random.next() % 7) as u32).to_le_bytes());
        }
        bytes.truncate(bytes.len() - (random.next() % 9) as usize);
        bytes
    }

    #[test]
    fn no_damaged_stream_makes_a_share_above_100_per_cent() {
        let mut classes = std::collections::BTreeSet::new();
        for seed in 0..40 {
            let mut random = Random(seed);
            let mut server = Server::of(1);
            let mut bounds = Bounds::of(BEGIN_NS);
            let mut sums: HashMap<(u32, StallClass), u64> = HashMap::new();
            let mut now_ns = BEGIN_NS;
            for _ in 0..500 {
                now_ns = (now_ns + random.next() % (WATCHED_NS / 250)).min(BEGIN_NS + WATCHED_NS);
                let Some(stall) = stalls::stall(&damaged(&mut random), &mut server) else {
                    continue;
                };
                let Some(stall) = bounds.fit(stall, now_ns) else { continue };
                classes.insert(stall.class);
                assert!(stall.start_ns >= BEGIN_NS && stall.end_ns <= now_ns, "{stall:?}");
                assert!(stall.busy_ns <= stall.end_ns - stall.start_ns, "{stall:?}");
                let sum = sums.entry((stall.tid, stall.class)).or_default();
                *sum += stall.busy_ns;
                assert!(*sum <= now_ns - BEGIN_NS, "seed {seed}: {stall:?}");
            }
        }
        assert!(classes.len() >= 12, "the streams must have many classes: {classes:?}");
    }

    #[test]
    fn what_lies_within_the_watch_is_left_as_it_is() {
        let mut bounds = Bounds::of(BEGIN_NS);
        let mut server = Server::of(1);
        let span = stallion_probes_common::Span::single(
            stallion_probes_common::Kind::Sync,
            1,
            BEGIN_NS + 5,
            BEGIN_NS + 25,
        );
        let event = stallion_probes_common::exit::Exit {
            span,
            code: 0,
            sender_tid: 0,
            signal: 0,
            reserved: 0,
            sender_comm: [0; 16],
        };
        let stall = stalls::exit::stall(&event, &mut server);
        assert_eq!(bounds.fit(stall.clone(), BEGIN_NS + 30), Some(stall.clone()));
        assert_eq!(bounds.take_cut(), 0);
        let cut = bounds.fit(stall, BEGIN_NS + 20).unwrap();
        assert_eq!((cut.end_ns, cut.busy_ns), (BEGIN_NS + 20, 0), "20 of 20 are stalled");
        assert_eq!(bounds.take_cut(), 1);
    }
}
