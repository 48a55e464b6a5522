//! How much may be on its way: NewReno (RFC 5681, RFC 6582) with an initial window of ten segments
//! (RFC 6928).

use crate::seq::Seq;

/// Segments of the initial window.
const INITIAL_SEGMENTS: u32 = 10;

/// Whether the network is spared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Policy {
    /// NewReno.
    #[default]
    NewReno,
    /// The congestion window does not exist: only the peer's window bounds what is on its way. For a
    /// network that carries nothing else.
    Unlimited,
}

/// The state of one connection. Windows are in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Congestion {
    policy: Policy,
    mss: u32,
    window: u32,
    threshold: u32,
    /// Bytes acknowledged since the window grew last, in congestion avoidance.
    acknowledged: u32,
    /// While losses are being repaired: all that was sent before they were noticed.
    recovery: Option<Seq>,
}

impl Congestion {
    /// A fresh connection.
    #[must_use]
    pub fn new(policy: Policy, mss: u16) -> Self {
        let mss = u32::from(mss);
        let window = match policy {
            Policy::NewReno => INITIAL_SEGMENTS * mss,
            Policy::Unlimited => u32::MAX,
        };
        Self { policy, mss, window, threshold: u32::MAX, acknowledged: 0, recovery: None }
    }

    /// Bytes that may be on their way.
    #[inline]
    #[must_use]
    pub const fn window(&self) -> u32 {
        self.window
    }

    /// Whether losses are being repaired.
    #[inline]
    #[must_use]
    pub const fn is_recovering(&self) -> bool {
        self.recovery.is_some()
    }

    /// The segment size has changed.
    pub const fn resize(&mut self, mss: u16) {
        self.mss = mss as u32;
    }

    /// `bytes` more are acknowledged, up to `una`. True when that ends a recovery.
    pub fn acknowledged(&mut self, una: Seq, bytes: u32) -> bool {
        if let Some(point) = self.recovery {
            if una.is_before(point) {
                // A partial acknowledgement: another hole. The window shrinks by what has left.
                let kept = self.window.saturating_sub(bytes) + self.mss;
                self.set(kept.max(self.mss));
                return false;
            }
            self.recovery = None;
            self.set(self.threshold.max(2 * self.mss));
            return true;
        }
        if self.window < self.threshold {
            self.set(self.window.saturating_add(bytes.min(self.mss)));
            return false;
        }
        self.acknowledged += bytes;
        if self.acknowledged >= self.window {
            self.acknowledged -= self.window;
            self.set(self.window.saturating_add(self.mss));
        }
        false
    }

    /// A loss was seen by what arrived after it; `next` is the number after the last byte sent and
    /// `in_flight` what is on its way. Nothing happens when losses are being repaired already.
    pub fn lost(&mut self, next: Seq, in_flight: u32) {
        if self.recovery.is_none() {
            self.recovery = Some(next);
            self.threshold = (in_flight / 2).max(2 * self.mss);
            self.set(self.threshold + 3 * self.mss);
        }
    }

    /// A further duplicate acknowledgement during recovery: one more segment has left the network.
    pub const fn inflate(&mut self) {
        if self.recovery.is_some() {
            self.set(self.window.saturating_add(self.mss));
        }
    }

    /// The retransmission timer has expired.
    pub fn timed_out(&mut self, next: Seq, in_flight: u32) {
        self.threshold = (in_flight / 2).max(2 * self.mss);
        // What was sent before is repaired by acknowledgements, one hole after the other.
        self.recovery = Some(next);
        self.acknowledged = 0;
        self.set(self.mss);
    }

    const fn set(&mut self, window: u32) {
        if matches!(self.policy, Policy::NewReno) {
            self.window = window;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_start_doubles_and_avoidance_adds_a_segment_a_round() {
        let mut congestion = Congestion::new(Policy::NewReno, 1_000);
        assert_eq!(congestion.window(), 10_000);
        for at in 1..=10 {
            congestion.acknowledged(Seq(at * 1_000), 1_000);
        }
        assert_eq!(congestion.window(), 20_000);
        congestion.lost(Seq(30_000), 20_000);
        assert_eq!(congestion.window(), 13_000);
        assert!(congestion.acknowledged(Seq(30_000), 20_000));
        assert_eq!(congestion.window(), 10_000);
        for at in 1..=10 {
            congestion.acknowledged(Seq(30_000 + at * 1_000), 1_000);
        }
        assert_eq!(congestion.window(), 11_000);
    }

    #[test]
    fn a_partial_acknowledgement_does_not_end_the_recovery() {
        let mut congestion = Congestion::new(Policy::NewReno, 1_000);
        congestion.lost(Seq(10_000), 10_000);
        assert!(!congestion.acknowledged(Seq(4_000), 4_000) && congestion.is_recovering());
        congestion.lost(Seq(12_000), 6_000);
        assert!(congestion.acknowledged(Seq(10_000), 6_000), "one loss is one reduction");
    }

    #[test]
    fn a_time_out_begins_with_one_segment() {
        let mut congestion = Congestion::new(Policy::NewReno, 1_000);
        congestion.timed_out(Seq(10_000), 10_000);
        assert_eq!(congestion.window(), 1_000);
        let mut unlimited = Congestion::new(Policy::Unlimited, 1_000);
        unlimited.timed_out(Seq(10_000), 10_000);
        assert_eq!(unlimited.window(), u32::MAX);
    }
}
