//! Sums many small stalls into windows of about a millisecond, so that 150 000 page faults of a
//! snapshot become a few thousand events and not 150 000.

use crate::span::{Kind, Span};

/// How long a window stays open. A request slower than the report's 1 ms threshold therefore
/// always spans at least part of the windows that harmed it.
pub const WINDOW_NS: u64 = 1_000_000;

/// Small stalls of one kind on one thread, summed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Window {
    /// Start of the first stall; 0 while the window is empty.
    pub start_ns: u64,
    /// End of the last one.
    pub end_ns: u64,
    /// Sum of their durations.
    pub busy_ns: u64,
    /// How many.
    pub count: u64,
    /// Pages allocated inside them (page faults only).
    pub pages: u64,
}

const _: () = assert!(size_of::<Window>() == 40);

impl Window {
    /// An empty window.
    pub const EMPTY: Self = Self { start_ns: 0, end_ns: 0, busy_ns: 0, count: 0, pages: 0 };

    /// Adds one stall.
    #[inline(always)]
    pub fn add(&mut self, start_ns: u64, end_ns: u64, pages: u64) {
        if self.count == 0 {
            self.start_ns = start_ns;
        }
        self.end_ns = end_ns;
        self.busy_ns += end_ns.saturating_sub(start_ns);
        self.count += 1;
        self.pages += pages;
    }

    /// Whether the window holds something and is old enough at `now_ns` to be handed over.
    #[must_use]
    #[inline(always)]
    pub fn is_ripe(&self, now_ns: u64) -> bool {
        self.count != 0 && now_ns.saturating_sub(self.start_ns) >= WINDOW_NS
    }

    /// The window as the head of an event.
    #[must_use]
    #[inline(always)]
    pub fn span(&self, kind: Kind, tid: u32) -> Span {
        Span {
            kind: kind as u32,
            tid,
            start_ns: self.start_ns,
            end_ns: self.end_ns,
            busy_ns: self.busy_ns,
            count: self.count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_stalls_are_summed_until_the_window_is_ripe() {
        let mut window = Window::EMPTY;
        assert!(!window.is_ripe(u64::MAX), "an empty window is never ripe");
        window.add(1_000_000, 1_006_000, 1);
        window.add(1_500_000, 1_510_000, 0);
        assert!(!window.is_ripe(1_999_999));
        assert!(window.is_ripe(2_000_000));
        let span = window.span(Kind::Faults, 7);
        assert_eq!((span.start_ns, span.end_ns), (1_000_000, 1_510_000));
        assert_eq!((span.busy_ns, span.count, window.pages), (16_000, 2, 1));
    }

    #[test]
    fn a_clock_that_steps_back_adds_nothing() {
        let mut window = Window::EMPTY;
        window.add(10, 5, 0);
        assert_eq!(window.busy_ns, 0);
        assert!(!window.is_ripe(1));
    }
}
