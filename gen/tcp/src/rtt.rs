//! Round-trip time and retransmission time-out (RFC 6298).

use crate::limits::{INITIAL_RTO_NS, MAX_RTO_NS, MIN_RTO_NS};

/// The estimate of one connection.
#[derive(Debug, Clone, Copy)]
pub struct Rtt {
    smoothed_ns: Option<u64>,
    variation_ns: u64,
    /// Doublings since the last measurement.
    backoff: u32,
    least_ns: u64,
}

impl Default for Rtt {
    fn default() -> Self {
        Self { smoothed_ns: None, variation_ns: 0, backoff: 0, least_ns: u64::MAX }
    }
}

impl Rtt {
    /// Takes in a measurement of a segment that was sent once, or that a timestamp identified.
    pub fn measured(&mut self, sample_ns: u64) {
        self.backoff = 0;
        self.least_ns = self.least_ns.min(sample_ns);
        match self.smoothed_ns {
            None => {
                self.smoothed_ns = Some(sample_ns);
                self.variation_ns = sample_ns / 2;
            }
            Some(smoothed_ns) => {
                let off_ns = smoothed_ns.abs_diff(sample_ns);
                self.variation_ns = (3 * self.variation_ns + off_ns) / 4;
                self.smoothed_ns = Some((7 * smoothed_ns + sample_ns) / 8);
            }
        }
    }

    /// The time-out has passed without an acknowledgement.
    pub const fn back_off(&mut self) {
        self.backoff += 1;
    }

    /// How long to wait for an acknowledgement.
    #[must_use]
    pub fn timeout_ns(&self) -> u64 {
        let base_ns = self.smoothed_ns.map_or(INITIAL_RTO_NS, |smoothed_ns| {
            smoothed_ns.saturating_add(4 * self.variation_ns).max(MIN_RTO_NS)
        });
        base_ns.saturating_mul(1 << self.backoff.min(16)).min(MAX_RTO_NS)
    }

    /// The smoothed round-trip time; none before the first measurement.
    #[must_use]
    pub const fn smoothed_ns(&self) -> Option<u64> {
        self.smoothed_ns
    }

    /// The shortest round trip so far; none before the first measurement.
    #[must_use]
    pub fn least_ns(&self) -> Option<u64> {
        (self.least_ns < u64::MAX).then_some(self.least_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_out_follows_the_round_trips() {
        let mut rtt = Rtt::default();
        assert_eq!(rtt.timeout_ns(), INITIAL_RTO_NS);
        rtt.measured(400_000_000);
        assert_eq!(rtt.timeout_ns(), 1_200_000_000, "one and twice the first one's half");
        for _ in 0..200 {
            rtt.measured(1_000_000);
        }
        assert_eq!(rtt.timeout_ns(), MIN_RTO_NS);
        assert_eq!(rtt.least_ns(), Some(1_000_000));
    }

    #[test]
    fn it_doubles_up_to_its_bound_until_something_is_measured() {
        let mut rtt = Rtt::default();
        rtt.back_off();
        assert_eq!(rtt.timeout_ns(), 2 * INITIAL_RTO_NS);
        for _ in 0..40 {
            rtt.back_off();
        }
        assert_eq!(rtt.timeout_ns(), MAX_RTO_NS);
        rtt.measured(1_000);
        assert_eq!(rtt.timeout_ns(), MIN_RTO_NS);
    }
}
