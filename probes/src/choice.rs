//! Which probes to attach.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The probes by name, in the order in which they attach; each name is the stem of its files.
pub const NAMES: [&str; 9] = [
    "fork",
    "page_fault",
    "fsync",
    "block_io",
    "scheduler",
    "command",
    "reclaim",
    "softirq",
    "network",
];

/// Probes that cost more than their budget, and are attached only when they are asked for.
const DEAR: [&str; 1] = ["softirq"];

/// A set of probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice(u16);

/// A name that is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no probe {0:?}; there are {names}, and the words default and all", names = NAMES.join(", "))]
pub struct ChoiceError(String);

impl Choice {
    /// All of them.
    pub const ALL: Self = Self((1 << NAMES.len()) - 1);

    /// All that keep their budget.
    #[must_use]
    pub fn affordable() -> Self {
        let bits = NAMES.iter().enumerate().filter(|(_, name)| !DEAR.contains(name));
        Self(bits.fold(0, |bits, (index, _)| bits | 1 << index))
    }

    /// Whether a probe is to be attached.
    #[must_use]
    pub fn includes(self, name: &str) -> bool {
        let at = NAMES.iter().position(|known| *known == name);
        at.is_some_and(|at| self.0 & (1 << at) != 0)
    }
}

impl Default for Choice {
    fn default() -> Self {
        Self::affordable()
    }
}

impl FromStr for Choice {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        let mut bits = 0;
        for word in text.split(',').map(str::trim) {
            bits |= match word {
                "default" => Self::affordable().0,
                "all" => Self::ALL.0,
                name => match NAMES.iter().position(|known| *known == name) {
                    Some(at) => 1 << at,
                    None => return Err(ChoiceError(name.to_owned())),
                },
            };
        }
        Ok(Self(bits))
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chosen: Vec<&str> = NAMES.into_iter().filter(|name| self.includes(name)).collect();
        out.write_str(&chosen.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_written() {
        let some: Choice = "fork, command".parse().unwrap();
        assert_eq!(some.to_string(), "fork,command");
        assert!(some.includes("fork") && !some.includes("fsync") && !some.includes("nothing"));
        assert_eq!("all".parse(), Ok(Choice::ALL));
        assert_eq!("default".parse(), Ok(Choice::default()));
        assert_eq!("default,softirq".parse(), Ok(Choice::ALL));
        assert!(Choice::ALL.includes("softirq") && !Choice::default().includes("softirq"));
        let error = "forks".parse::<Choice>().unwrap_err();
        assert!(error.to_string().contains("page_fault"), "{error}");
    }
}
