//! What the servers counted, before the measured load and after it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::target::Target;

/// Numbers by field; of `cmdstat_get:calls=3,usec=5` the fields are `cmdstat_get.calls` and so on.
pub type Numbers = BTreeMap<String, f64>;

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

    /// How much a counter grew over the run, over all servers.
    #[must_use]
    pub fn growth(&self, field: &str) -> Option<f64> {
        let grown = self.after.iter().filter_map(|(server, numbers)| {
            let before = self.before.get(server).and_then(|numbers| numbers.get(field));
            Some(numbers.get(field)? - before.copied().unwrap_or(0.0))
        });
        let grown: Vec<f64> = grown.collect();
        (!grown.is_empty()).then(|| grown.iter().sum())
    }
}

/// Asks every server that answers; one that is dead has no numbers.
pub(super) fn ask(targets: &[Target]) -> BTreeMap<String, Numbers> {
    targets.iter().filter_map(|target| Some((target.to_string(), numbers(target)?))).collect()
}

fn numbers(target: &Target) -> Option<Numbers> {
    let mut connection = target.connect().ok()?;
    let text: String = redis::cmd("INFO").arg("everything").query(&mut connection).ok()?;
    Some(parse(&text))
}

fn parse(text: &str) -> Numbers {
    let mut numbers = Numbers::new();
    for (name, value) in text.lines().filter_map(|line| line.trim_end().split_once(':')) {
        if let Ok(number) = value.parse() {
            numbers.insert(name.to_owned(), number);
        }
        for (part, value) in value.split(',').filter_map(|part| part.split_once('=')) {
            if let Ok(number) = value.parse() {
                numbers.insert(format!("{name}.{part}"), number);
            }
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_within_fields_are_read() {
        let numbers = parse("a:1\r\ncmdstat_get:calls=3,usec=5\r\nrole:master\r\n");
        let expected = [("a", 1.0), ("cmdstat_get.calls", 3.0), ("cmdstat_get.usec", 5.0)];
        assert_eq!(numbers, expected.map(|(name, value)| (name.to_owned(), value)).into());
        let after = BTreeMap::from([("s".to_owned(), numbers.clone())]);
        let before = BTreeMap::from([("s".to_owned(), Numbers::from([("a".to_owned(), 0.5)]))]);
        let both = Snapshots { before, after };
        assert_eq!((both.growth("a"), both.growth("b")), (Some(0.5), None));
    }
}
