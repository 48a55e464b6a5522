//! Stretches in which a worker had something to do and did not run: stopped, descheduled, or stolen by
//! the hypervisor. The requests that fell due in them carry the delay; this says whose it was.

use crate::limits::MAX_LATE_SPANS;
use crate::units::Nanos;

/// A turn that comes so much later than it was meant to is told. Below it is the timer's and the
/// scheduler's usual lateness (`docs/book/src/performance.md`, schedule lag).
const LATE_NS: u64 = 1_000_000;

/// The stretches of one interval.
#[derive(Debug, Clone)]
pub struct LateSpans {
    kept: Vec<(Nanos, Nanos)>,
    dropped: u64,
}

impl Default for LateSpans {
    fn default() -> Self {
        Self { kept: Vec::with_capacity(MAX_LATE_SPANS), dropped: 0 }
    }
}

impl LateSpans {
    /// Notes that what was meant for `meant` was done at `done`, if that is late.
    #[inline]
    pub fn note(&mut self, meant: Nanos, done: Nanos) {
        if done.since(meant) < LATE_NS {
            return;
        }
        if self.kept.len() < MAX_LATE_SPANS {
            self.kept.push((meant, done));
        } else {
            self.dropped += 1;
        }
    }

    /// Start and end of each.
    #[must_use]
    pub fn kept(&self) -> &[(Nanos, Nanos)] {
        &self.kept
    }

    /// How many there was no room for.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.kept.clear();
        self.dropped = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_late_is_kept_and_what_finds_no_room_is_counted() {
        let mut late = LateSpans::default();
        late.note(Nanos(10), Nanos(999_999));
        late.note(Nanos(9), Nanos(5));
        assert!(late.kept().is_empty());
        for _ in 0..MAX_LATE_SPANS + 2 {
            late.note(Nanos(0), Nanos(LATE_NS));
        }
        assert_eq!((late.kept().len(), late.dropped()), (MAX_LATE_SPANS, 2));
        late.clear();
        assert_eq!((late.kept().len(), late.dropped()), (0, 0));
    }
}
