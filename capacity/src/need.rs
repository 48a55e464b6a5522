//! What is asked for.

use std::str::FromStr;

use serde::Serialize;

/// A value may have so many bytes (`proto-max-bulk-len`).
pub const LARGEST_VALUE: u64 = 512 << 20;

/// What the servers are to do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Need {
    /// Requests a second over all shards, at the peak.
    pub ops_per_s: f64,
    /// Share of them that read, 0 to 1.
    pub reads: f64,
    /// Bytes of a value.
    pub value_bytes: u64,
    /// Bytes of a key's name.
    pub key_bytes: u64,
    /// Whether keys expire.
    pub expires: bool,
    /// How much is kept.
    pub working_set: WorkingSet,
    /// What latency is promised.
    pub objective: Objective,
    /// Requests in flight on each connection.
    pub pipeline: u64,
    /// Share of the measured ceiling that is used at the peak, 0 to 1.
    pub utilisation: f64,
    /// Replicas of each shard.
    pub replicas: u64,
    /// Whether replicas serve reads.
    pub replica_reads: bool,
    /// Memory of one node, in bytes.
    pub node_bytes: u64,
    /// Processes that are clients.
    pub clients: u64,
    /// The network's way there and back, in microseconds, on top of what was measured.
    pub round_trip_us: f64,
    /// How long a replica may be away without a full copy afterwards, in seconds.
    pub outage_s: f64,
}

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkingSet {
    /// Keys.
    Keys(u64),
    /// Bytes of keys and values, without what the server adds.
    Bytes(u64),
}

impl FromStr for WorkingSet {
    type Err = String;

    /// `50gb`, `800mb`, or `20000000keys`, `20Mkeys`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no working set: give bytes as 50gb, or keys as 20Mkeys");
        let lower = text.trim().to_lowercase();
        let number = |text: &str, units: &[(&str, u64)]| {
            let unit = units.iter().find(|(unit, _)| text.ends_with(unit));
            let (digits, factor) = match unit {
                Some((unit, factor)) => (text.strip_suffix(unit)?, *factor),
                None => (text, 1),
            };
            let value: f64 = digits.trim().parse().ok()?;
            let all = value * factor as f64;
            (1.0..1e18).contains(&all).then_some(all as u64)
        };
        if let Some(keys) = lower.strip_suffix("keys") {
            let units = [("k", 1_000), ("m", 1_000_000), ("g", 1_000_000_000)];
            return number(keys.trim(), &units).map(Self::Keys).ok_or_else(wrong);
        }
        bytes(&lower).map(Self::Bytes).ok_or_else(wrong)
    }
}

/// Bytes as redis.conf writes them: `50gb`, `800mb`, `64kb`, `1000`.
#[must_use]
pub fn bytes(text: &str) -> Option<u64> {
    let lower = text.trim().to_lowercase();
    let units = [("tb", 40), ("gb", 30), ("mb", 20), ("kb", 10), ("b", 0), ("", 0)];
    let (unit, shift) = units.iter().find(|(unit, _)| lower.ends_with(unit))?;
    let value: f64 = lower.strip_suffix(unit)?.trim().parse().ok()?;
    let all = value * (1u64 << shift) as f64;
    (1.0..1e18).contains(&all).then_some(all as u64)
}

/// A percentile that stays below a time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Objective {
    /// As it was written: `p99<1ms`.
    pub text: String,
    /// Its percentile's name among [`PERCENTILES`].
    pub percentile: String,
    /// Its limit in microseconds.
    pub limit_us: f64,
}

/// The percentiles of summaries, from low to high.
pub const PERCENTILES: [&str; 6] = ["p50", "p90", "p99", "p999", "p9999", "max"];

impl Objective {
    /// Whether who meets this one meets the other one, too.
    #[must_use]
    pub fn implies(&self, other: &Self) -> bool {
        let place = |name: &str| PERCENTILES.iter().position(|one| *one == name);
        place(&self.percentile) >= place(&other.percentile) && self.limit_us <= other.limit_us
    }
}

impl Need {
    /// What makes no sense, and what would.
    ///
    /// # Errors
    /// A sentence for people.
    pub fn check(&self) -> Result<(), String> {
        let within = |name: &str, value: f64, low: f64, high: f64| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(format!("--{name} is out of range: {value} is not within {low} to {high}"))
            }
        };
        within("ops", self.ops_per_s, 1.0, 1e12)?;
        within("value-size", self.value_bytes as f64, 1.0, LARGEST_VALUE as f64)?;
        within("key-size", self.key_bytes as f64, 1.0, LARGEST_VALUE as f64)?;
        within("utilisation", self.utilisation, 0.05, 1.0)?;
        within("replicas", self.replicas as f64, 0.0, 10.0)?;
        within("pipeline", self.pipeline as f64, 1.0, 10_000.0)?;
        within("clients", self.clients as f64, 1.0, 1e6)?;
        within("outage", self.outage_s, 1.0, 86_400.0)?;
        within("node-memory", self.node_bytes as f64, (64 << 20) as f64, 1e15)?;
        if self.replica_reads && self.replicas == 0 {
            return Err("--replica-reads needs --replicas 1 or more".to_owned());
        }
        if let WorkingSet::Bytes(bytes) = self.working_set
            && bytes < self.key_bytes + self.value_bytes
        {
            return Err(format!(
                "--working-set of {bytes} bytes is less than one key and its value ({}): give more, or \
                 a smaller --value-size",
                self.key_bytes + self.value_bytes
            ));
        }
        Ok(())
    }

    /// How many keys are kept.
    #[must_use]
    pub fn keys(&self) -> f64 {
        match self.working_set {
            WorkingSet::Keys(keys) => keys as f64,
            WorkingSet::Bytes(bytes) => bytes as f64 / (self.key_bytes + self.value_bytes) as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn working_sets_are_read() {
        assert_eq!("50gb".parse(), Ok(WorkingSet::Bytes(50 << 30)));
        assert_eq!("1.5 GB".parse(), Ok(WorkingSet::Bytes(3 << 29)));
        assert_eq!("20Mkeys".parse(), Ok(WorkingSet::Keys(20_000_000)));
        assert_eq!("7 keys".parse(), Ok(WorkingSet::Keys(7)));
        for wrong in ["", "gb", "-1gb", "0", "many", "5 apples", "1e30gb", "keys"] {
            assert!(wrong.parse::<WorkingSet>().unwrap_err().contains("50gb"), "{wrong}");
        }
    }

    #[test]
    fn an_objective_implies_what_is_weaker() {
        let objective = |percentile: &str, limit_us| Objective {
            text: String::new(),
            percentile: percentile.to_owned(),
            limit_us,
        };
        let p99 = objective("p99", 1_000.0);
        assert!(p99.implies(&objective("p99", 2_000.0)) && p99.implies(&objective("p50", 1_000.0)));
        assert!(
            !p99.implies(&objective("p999", 9_000.0)) && !p99.implies(&objective("p99", 900.0))
        );
    }
}
