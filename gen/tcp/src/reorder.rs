//! Data that arrived before something that is missing.

use crate::limits::{MAX_REORDERED, RECEIVE_WINDOW};
use crate::seq::Seq;

const CAPACITY: usize = RECEIVE_WINDOW as usize;
const _: () = assert!(CAPACITY.is_power_of_two());

/// A stretch of data, `[from, to)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Its first byte.
    pub from: Seq,
    /// The number after its last byte.
    pub to: Seq,
}

/// Reordered data of one connection. Its memory is taken when it is needed first.
#[derive(Debug, Default)]
pub struct Reorder {
    bytes: Vec<u8>,
    /// Sorted, and none touches another one.
    stretches: Vec<Stretch>,
    /// The stretch that grew last, which a SACK names first (RFC 2018, 4).
    newest: Option<Stretch>,
}

impl Reorder {
    /// Whether nothing waits.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stretches.is_empty()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.stretches.clear();
        self.newest = None;
    }

    /// Keeps data that begins after the next expected byte and lies in the window. False when there
    /// are too many stretches already.
    pub fn keep(&mut self, from: Seq, data: &[u8]) -> bool {
        let mut whole = Stretch { from, to: from + data.len() as u32 };
        let touches = |s: &Stretch| s.from.is_up_to(whole.to) && whole.from.is_up_to(s.to);
        if self.stretches.len() >= MAX_REORDERED && !self.stretches.iter().any(touches) {
            return false;
        }
        if self.bytes.is_empty() {
            self.bytes = vec![0; CAPACITY];
        }
        for (offset, byte) in data.iter().enumerate() {
            self.bytes[place(from + offset as u32)] = *byte;
        }
        // Each stretch that it joins may make it touch the next one.
        self.stretches.retain(|stretch| {
            let apart = whole.to.is_before(stretch.from) || stretch.to.is_before(whole.from);
            if !apart {
                if stretch.from.is_before(whole.from) {
                    whole.from = stretch.from;
                }
                whole.to = whole.to.latest(stretch.to);
            }
            apart
        });
        let at = self.stretches.partition_point(|stretch| stretch.from.is_before(whole.from));
        self.stretches.insert(at, whole);
        self.newest = Some(whole);
        true
    }

    /// Hands on what follows `next` without a gap, and gives the number after it.
    pub fn drain(&mut self, next: Seq, mut deliver: impl FnMut(&[u8])) -> Seq {
        let mut next = next;
        while let Some(first) = self.stretches.first().copied() {
            if next.is_before(first.from) {
                break;
            }
            self.stretches.remove(0);
            if next.is_before(first.to) {
                let (at, length) = (place(next), first.to.since(next) as usize);
                let before_wrap = length.min(CAPACITY - at);
                deliver(&self.bytes[at..at + before_wrap]);
                if before_wrap < length {
                    deliver(&self.bytes[..length - before_wrap]);
                }
                next = first.to;
            }
        }
        if self.stretches.is_empty() {
            self.newest = None;
        }
        next
    }

    /// What a selective acknowledgement names: the newest stretch, then the first ones.
    pub fn sacks(&self) -> impl Iterator<Item = Stretch> {
        let newest = self.newest.and_then(|newest| {
            self.stretches
                .iter()
                .copied()
                .find(|s| s.from.is_up_to(newest.from) && newest.to.is_up_to(s.to))
        });
        let others = self.stretches.iter().copied().filter(move |stretch| Some(*stretch) != newest);
        newest.into_iter().chain(others)
    }
}

/// Where a byte lies.
const fn place(seq: Seq) -> usize {
    seq.0 as usize & (CAPACITY - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_join_and_come_out_in_order() {
        let start = Seq(u32::MAX - 3);
        let mut reorder = Reorder::default();
        assert!(reorder.keep(start + 8, b"ijk"));
        assert!(reorder.keep(start + 2, b"cd"));
        assert_eq!(reorder.sacks().count(), 2);
        assert!(reorder.keep(start + 3, b"defgh"));
        let whole = Stretch { from: start + 2, to: start + 11 };
        assert_eq!(reorder.sacks().collect::<Vec<_>>(), [whole]);
        let mut got = Vec::new();
        assert_eq!(reorder.drain(start, |part| got.extend_from_slice(part)), start, "a is missing");
        let next = reorder.drain(start + 2, |part| got.extend_from_slice(part));
        assert_eq!((next, got.as_slice()), (start + 11, &b"cdefghijk"[..]));
        assert!(reorder.is_empty());
    }

    #[test]
    fn too_many_holes_are_refused_and_known_ones_still_grow() {
        let mut reorder = Reorder::default();
        for hole in 0..MAX_REORDERED as u32 {
            assert!(reorder.keep(Seq(10 + hole * 10), b"x"));
        }
        assert!(!reorder.keep(Seq(5), b"x"));
        assert!(reorder.keep(Seq(11), b"y"));
        assert_eq!(reorder.sacks().next(), Some(Stretch { from: Seq(10), to: Seq(12) }));
    }

    #[test]
    fn what_was_delivered_meanwhile_is_left_out() {
        let mut reorder = Reorder::default();
        reorder.keep(Seq(10), b"abcdef");
        let mut got = Vec::new();
        assert_eq!(reorder.drain(Seq(13), |part| got.extend_from_slice(part)), Seq(16));
        assert_eq!(got, b"def");
    }
}
