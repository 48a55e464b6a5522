//! What the servers counted, before the measured load and after it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use stallion_server::Target;
use stallion_server::info::{self, Numbers};

/// The numbers of every server by its address.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshots {
    /// At the start of the measured phase.
    pub before: BTreeMap<String, Numbers>,
    /// After the last answer.
    pub after: BTreeMap<String, Numbers>,
}

impl Snapshots {
    /// From their file; empty when there is none.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        let text = fs::read(path).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Into their file.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        fs::write(path, serde_json::to_vec(self).map_err(io::Error::other)?)
    }

    /// How much a counter grew over the run, over all servers. None when one of them was started anew
    /// meanwhile: what it had counted before is gone.
    #[must_use]
    pub fn growth(&self, field: &str) -> Option<f64> {
        if self.after.iter().any(|(server, after)| self.is_younger(server, after)) {
            return None;
        }
        let grown = self.after.iter().filter_map(|(server, numbers)| {
            let before = self.before.get(server).and_then(|numbers| numbers.get(field));
            Some(numbers.get(field)? - before.copied().unwrap_or(0.0))
        });
        let grown: Vec<f64> = grown.collect();
        (!grown.is_empty()).then(|| grown.iter().sum())
    }
}

impl Snapshots {
    /// Whether a server has been up for less time than has passed.
    fn is_younger(&self, server: &str, after: &Numbers) -> bool {
        let up_s = |numbers: &Numbers| numbers.get("uptime_in_seconds").copied();
        let time_s = |numbers: &Numbers| Some(numbers.get("server_time_usec")? / 1e6);
        let passed = |before: &Numbers| {
            let passed_s = time_s(after)? - time_s(before)?;
            // Uptimes are whole seconds; the rest is for the time between two readings of the clock.
            Some(up_s(after)? + 1.2 < up_s(before)? + passed_s)
        };
        self.before.get(server).and_then(passed).unwrap_or(false)
    }
}

/// Asks every server that answers; one that is dead has no numbers.
pub(super) fn ask(targets: &[Target]) -> BTreeMap<String, Numbers> {
    targets.iter().filter_map(|target| Some((target.to_string(), told(target)?))).collect()
}

fn told(target: &Target) -> Option<Numbers> {
    let mut connection = target.connect().ok()?;
    let text: String = redis::cmd("INFO").arg("everything").query(&mut connection).ok()?;
    Some(info::numbers(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_grows_by_what_was_added() {
        let numbers = Numbers::from([("a".to_owned(), 1.0)]);
        let after = BTreeMap::from([("s".to_owned(), numbers.clone())]);
        let before = BTreeMap::from([("s".to_owned(), Numbers::from([("a".to_owned(), 0.5)]))]);
        let both = Snapshots { before, after };
        assert_eq!((both.growth("a"), both.growth("b")), (Some(0.5), None));
        let at = |seconds: f64, up_s: f64| {
            let time =
                [("server_time_usec", seconds * 1e6), ("uptime_in_seconds", up_s), ("a", 7.0)];
            let numbers = time.map(|(name, value)| (name.to_owned(), value));
            BTreeMap::from([("s".to_owned(), Numbers::from(numbers))])
        };
        let growth =
            |up_s| Snapshots { before: at(100.0, 50.0), after: at(110.0, up_s) }.growth("a");
        assert_eq!((growth(59.0), growth(4.0)), (Some(0.0), None), "the second was restarted");
    }
}
