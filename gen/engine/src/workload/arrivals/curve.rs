//! A rate over time as straight pieces, and its inverse: at what time is request number n due?

use std::time::Duration;

use thiserror::Error;

/// More pieces than this are refused: a burst every microsecond of an hour is a typing error.
const MAX_PIECES: u64 = 1_000_000;

/// Why a rate over time cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CurveError {
    /// A rate of zero all along.
    #[error("the rate is 0 all along; give at least one positive rate")]
    Silent,
    /// A burst that does not fit its period.
    #[error("a burst of {length:?} does not fit its period of {period:?}; make it shorter")]
    Burst {
        /// Length of the burst.
        length: Duration,
        /// Its period.
        period: Duration,
    },
    /// Too many pieces.
    #[error("{0} pieces, of which at most {MAX_PIECES} can be held; use a longer period")]
    Pieces(u64),
}

/// A rate over time. After its last piece nothing is due.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    pieces: Vec<Piece>,
}

/// From `start_ns` on the rate is `rate + slope * t`, in requests per nanosecond.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Piece {
    start_ns: f64,
    length_ns: f64,
    /// Requests due before the piece.
    before: f64,
    rate: f64,
    slope: f64,
}

impl Piece {
    fn count(&self) -> f64 {
        self.length_ns * (self.rate + self.slope * self.length_ns / 2.0)
    }
}

impl Curve {
    /// A straight line from one rate to another over `length_ns`.
    ///
    /// # Errors
    /// [`CurveError::Silent`] when both rates are zero.
    pub fn ramp(from: u64, to: u64, length_ns: u64) -> Result<Self, CurveError> {
        Self::of([(from, to, length_ns)])
    }

    /// One rate after the other, for the same time each.
    ///
    /// # Errors
    /// [`CurveError::Silent`] when all rates are zero.
    pub fn steps(rates: &[u64], length_ns: u64) -> Result<Self, CurveError> {
        let each_ns = length_ns / rates.len().max(1) as u64;
        Self::of(rates.iter().map(|&rate| (rate, rate, each_ns)))
    }

    /// `base`, and `extra` more for `burst` at the start of each `period`.
    ///
    /// # Errors
    /// [`CurveError`] when the burst is longer than its period, when there are too many periods,
    /// or when both rates are zero.
    pub fn bursts(
        base: u64,
        extra: u64,
        burst: Duration,
        period: Duration,
        length_ns: u64,
    ) -> Result<Self, CurveError> {
        let (burst_ns, period_ns) = (burst.as_nanos() as u64, period.as_nanos() as u64);
        if burst_ns >= period_ns {
            return Err(CurveError::Burst { length: burst, period });
        }
        let periods = length_ns.div_ceil(period_ns);
        if periods > MAX_PIECES / 2 {
            return Err(CurveError::Pieces(periods * 2));
        }
        Self::of((0..periods).flat_map(|_| {
            let peak = base + extra;
            [(peak, peak, burst_ns), (base, base, period_ns - burst_ns)]
        }))
    }

    fn of(pieces: impl IntoIterator<Item = (u64, u64, u64)>) -> Result<Self, CurveError> {
        let (mut start_ns, mut before) = (0.0, 0.0);
        let mut made = Vec::new();
        for (from, to, length_ns) in pieces {
            let (rate, last) = (from as f64 / 1e9, to as f64 / 1e9);
            let length_ns = length_ns as f64;
            let slope = (last - rate) / length_ns;
            let piece = Piece { start_ns, length_ns, before, rate, slope };
            start_ns += length_ns;
            before += piece.count();
            made.push(piece);
        }
        if before > 0.0 { Ok(Self { pieces: made }) } else { Err(CurveError::Silent) }
    }

    /// The time in nanoseconds at which `count` requests have been due; none past the end.
    #[must_use]
    pub fn time_of(&self, count: f64) -> Option<u64> {
        let index = self.pieces.partition_point(|piece| piece.before <= count).checked_sub(1)?;
        let piece = &self.pieces[index];
        let wanted = count - piece.before;
        if wanted > piece.count() || (piece.rate == 0.0 && piece.slope == 0.0) {
            return None;
        }
        let root = (piece.rate * piece.rate + 2.0 * piece.slope * wanted).max(0.0).sqrt();
        // The solution of `wanted = rate x + slope x^2 / 2` in the form that holds for slope 0.
        let after_ns = if wanted == 0.0 { 0.0 } else { 2.0 * wanted / (piece.rate + root) };
        Some((piece.start_ns + after_ns).round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_is_half_through_its_time_after_a_quarter_of_its_requests() {
        let curve = Curve::ramp(0, 1_000, 2_000_000_000).unwrap();
        assert_eq!(curve.time_of(0.0), Some(0));
        assert_eq!(curve.time_of(250.0), Some(1_000_000_000));
        assert_eq!(curve.time_of(1_001.0), None);
    }

    #[test]
    fn a_falling_ramp_ends_at_its_end() {
        let curve = Curve::ramp(1_000, 0, 2_000_000_000).unwrap();
        assert_eq!(curve.time_of(750.0), Some(1_000_000_000));
        assert!(curve.time_of(999.999).unwrap() > 1_990_000_000);
    }

    #[test]
    fn steps_and_bursts_follow_each_other() {
        let curve = Curve::steps(&[1_000, 0, 2_000], 3_000_000_000).unwrap();
        assert_eq!(curve.time_of(500.0), Some(500_000_000));
        assert_eq!(curve.time_of(1_002.0), Some(2_001_000_000));
        let ms = Duration::from_millis;
        let curve = Curve::bursts(1_000, 9_000, ms(100), ms(1_000), 2_000_000_000).unwrap();
        assert_eq!(curve.time_of(1_000.0), Some(100_000_000));
        assert_eq!(curve.time_of(1_900.0), Some(1_000_000_000));
    }

    #[test]
    fn nonsense_is_refused() {
        let ms = Duration::from_millis;
        assert_eq!(Curve::ramp(0, 0, 1).unwrap_err(), CurveError::Silent);
        assert!(Curve::bursts(1, 1, ms(5), ms(5), 1).is_err());
        assert!(Curve::bursts(1, 1, ms(1), ms(2), u64::MAX).is_err());
    }
}
