//! Which percentiles are lower bounds: requests that never got an answer lie among them.

use hdrhistogram::Histogram;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The percentiles that are printed: name and quantile.
pub const QUANTILES: [(&str, f64); 6] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("p9999", 0.9999), ("max", 1.0)];

/// Histograms of three digits tell values apart that differ by a thousandth, at two edges of a bucket.
const PRECISION: u64 = 500;

/// A set of the names in [`QUANTILES`]. In JSON it is a list of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AtLeast(u8);

impl AtLeast {
    /// The percentiles of `all` that are lower bounds. `unanswered` is the part of it that counts with
    /// what the requests had waited by then: the true times are longer, so a percentile is exact only
    /// where they may be as long as they like without moving it.
    #[must_use]
    pub fn of(all: &Histogram<u64>, unanswered: &Histogram<u64>) -> Self {
        let mut set = Self::default();
        if unanswered.is_empty() {
            return set;
        }
        let requests = all.len();
        for (index, (_, quantile)) in QUANTILES.into_iter().enumerate() {
            let value = all.value_at_quantile(quantile);
            // What moves a percentile by less than the histograms tell apart does not change it.
            let value = all.highest_equivalent(value + value / PRECISION);
            let answered =
                all.count_between(0, value).saturating_sub(unanswered.count_between(0, value));
            let rank = ((quantile * requests as f64).ceil() as u64).clamp(1, requests.max(1));
            if answered < rank {
                set.0 |= 1 << index;
            }
        }
        set
    }

    /// The same where `unanswered` requests are somewhere in `all` and it is not known where: whatever
    /// they may move is marked.
    #[must_use]
    pub fn of_any(all: &Histogram<u64>, unanswered: u64) -> Self {
        let mut earliest = crate::histogram::empty();
        earliest.saturating_record_n(1, unanswered);
        Self::of(all, &earliest)
    }

    /// Whether all percentiles are exact.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// Whether the percentile of this place in [`QUANTILES`] is a lower bound.
    #[must_use]
    pub const fn has(self, index: usize) -> bool {
        self.0 & (1 << index) != 0
    }

    /// Whether the percentile of this name is a lower bound.
    #[must_use]
    pub fn names(self, name: &str) -> bool {
        self.list().any(|known| known == name)
    }

    /// The names, in order.
    pub fn list(self) -> impl Iterator<Item = &'static str> {
        let named = QUANTILES.into_iter().enumerate();
        named.filter(move |(index, _)| self.has(*index)).map(|(_, (name, _))| name)
    }
}

impl Serialize for AtLeast {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.list())
    }
}

impl<'de> Deserialize<'de> for AtLeast {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        let mut set = Self::default();
        for name in names {
            // A name of a later version says nothing of the percentiles that are known.
            if let Some(index) = QUANTILES.iter().position(|(known, _)| *known == name) {
                set.0 |= 1 << index;
            }
        }
        Ok(set)
    }
}

impl JsonSchema for AtLeast {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AtLeast".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        <Vec<String>>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::empty;
    use proptest::prelude::proptest;

    fn of(answered: &[u64], unanswered: &[u64]) -> (AtLeast, Histogram<u64>) {
        let (mut all, mut without) = (empty(), empty());
        for value in answered.iter().chain(unanswered) {
            all.saturating_record(*value);
        }
        for value in unanswered {
            without.saturating_record(*value);
        }
        (AtLeast::of(&all, &without), all)
    }

    #[test]
    fn one_that_waits_among_a_hundred_bends_only_the_tail() {
        let answered: Vec<u64> = (1..=99).map(|at| at * 1_000).collect();
        assert!(of(&answered, &[]).0.is_empty());
        let (at_least, _) = of(&answered, &[5_000_000]);
        assert_eq!(at_least.list().collect::<Vec<_>>(), ["p999", "p9999", "max"]);
        // What was lost early counts little, and may have been anything.
        let (at_least, _) = of(&answered, &[1]);
        assert!(at_least.names("max") && at_least.names("p50") && at_least.names("p99"));
    }

    #[test]
    fn it_survives_json() {
        let (at_least, _) = of(&[1, 2, 3], &[9]);
        let text = serde_json::to_string(&at_least).unwrap();
        assert_eq!(serde_json::from_str::<AtLeast>(&text).unwrap(), at_least);
        assert_eq!(serde_json::from_str::<AtLeast>("[\"p75\"]").unwrap(), AtLeast::default());
    }

    proptest! {
        /// The observer who knows when each request would have been answered.
        #[test]
        fn what_is_not_marked_is_what_an_omniscient_observer_sees(
            answered in proptest::collection::vec(1_u64..1_000_000, 1..200),
            waits in proptest::collection::vec((1_u64..1_000_000, 0_u64..1_000_000_000), 0..100),
        ) {
            let unanswered: Vec<u64> = waits.iter().map(|(waited, _)| *waited).collect();
            let (at_least, all) = of(&answered, &unanswered);
            let mut truth = empty();
            for value in answered.iter().copied().chain(waits.iter().map(|(waited, more)| waited + more)) {
                truth.saturating_record(value);
            }
            for (index, (name, quantile)) in QUANTILES.into_iter().enumerate() {
                let (said, true_ns) = (all.value_at_quantile(quantile), truth.value_at_quantile(quantile));
                assert!(said <= true_ns, "{name}: {said} of {true_ns}");
                let is_same = true_ns <= all.highest_equivalent(said + said / PRECISION);
                assert!(at_least.has(index) || is_same, "{name}: {said} of {true_ns}");
            }
        }
    }
}
