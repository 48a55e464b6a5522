//! Now against before: the same figures of both, as rates.

use crate::facts::{Cluster, Counters, Facts, Node};

/// Hash slots of a cluster.
pub(crate) const SLOTS: f64 = 16_384.0;
/// Fewer reads than this in a server's life are no experience.
const FEWEST_READS: u64 = 1_000;

/// What now is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Against<'a> {
    /// Facts that were gathered earlier.
    Snapshot(&'a Facts),
    /// The servers' own counters since their start, which may hold the fall as well.
    Life,
    /// Nothing: the servers have hardly been read yet.
    Nothing,
}

/// What happened per second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rates {
    /// Reads that came to the keys.
    pub reads: f64,
    /// Of these, the ones that found one.
    pub hits: f64,
    /// And the ones that did not.
    pub misses: f64,
    /// Requests that were sent elsewhere or away.
    pub refused: f64,
    /// Of these, the ones that were sent elsewhere.
    pub redirected: f64,
    /// Keys evicted.
    pub evicted: f64,
    /// Keys expired.
    pub expired: f64,
    /// Commands.
    pub commands: f64,
    /// Writes that the memory limit refused.
    pub oom: f64,
    /// MIGRATE and RESTORE.
    pub migrated: f64,
}

impl Rates {
    fn of(counters: &Counters, seconds: f64) -> Self {
        let rate = |count: u64| count as f64 / seconds.max(0.001);
        Self {
            reads: rate(counters.reads()),
            hits: rate(counters.hits),
            misses: rate(counters.misses),
            refused: rate(counters.refused()),
            redirected: rate(counters.redirected()),
            evicted: rate(counters.evicted),
            expired: rate(counters.expired),
            commands: rate(counters.commands),
            oom: rate(counters.oom),
            migrated: rate(counters.migrated),
        }
    }
}

/// What the rules look at.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// Now.
    pub now: &'a Facts,
    /// Before.
    pub against: Against<'a>,
}

impl<'a> Scene<'a> {
    /// With an earlier snapshot, or with the servers' own life where that says anything.
    #[must_use]
    pub fn of(now: &'a Facts, before: Option<&'a Facts>) -> Self {
        let lived = sum(now, |node| node.life).reads() >= FEWEST_READS;
        let against = match before {
            Some(before) => Against::Snapshot(before),
            None if lived => Against::Life,
            None => Against::Nothing,
        };
        Self { now, against }
    }

    /// The earlier snapshot, when there is one.
    #[must_use]
    pub fn snapshot(&self) -> Option<&'a Facts> {
        match self.against {
            Against::Snapshot(facts) => Some(facts),
            Against::Life | Against::Nothing => None,
        }
    }

    /// What all servers counted in the window.
    #[must_use]
    pub fn counted(&self) -> Counters {
        sum(self.now, |node| node.window)
    }

    /// What happens per second now.
    #[must_use]
    pub fn rates(&self) -> Rates {
        Rates::of(&self.counted(), self.now.window_s)
    }

    /// What happened per second before; none where that is not known.
    #[must_use]
    pub fn rates_before(&self) -> Option<Rates> {
        match self.against {
            Against::Nothing => None,
            Against::Snapshot(facts) => {
                Some(Rates::of(&sum(facts, |node| node.window), facts.window_s))
            }
            Against::Life => {
                let lives = self.now.nodes.iter().map(|node| {
                    let seconds = node.uptime_s as f64 - self.now.window_s;
                    Rates::of(&node.life, seconds.max(1.0))
                });
                lives.reduce(Rates::plus)
            }
        }
    }

    /// The share of the requests that found what they asked for, now.
    #[must_use]
    pub fn served(&self) -> Option<f64> {
        served(&self.counted(), self.now.cluster.as_ref())
    }

    /// The same before.
    #[must_use]
    pub fn served_before(&self) -> Option<f64> {
        match self.against {
            Against::Nothing => None,
            Against::Snapshot(facts) => {
                served(&sum(facts, |node| node.window), facts.cluster.as_ref())
            }
            // Redirects of old days (a new client's first request) are no misses.
            Against::Life => {
                let life = sum(self.now, |node| node.life);
                served(
                    &Counters { hits: life.hits, misses: life.misses, ..Counters::default() },
                    None,
                )
            }
        }
    }

    /// What was counted since the snapshot by the servers that have not started anew.
    #[must_use]
    pub fn counted_since(&self) -> Option<Counters> {
        let before = self.snapshot()?;
        let mut all = Counters::default();
        for node in &self.now.nodes {
            let same = |other: &&Node| other.run_id == node.run_id;
            if let Some(other) = before.nodes.iter().find(same) {
                let then = other.life.plus(&other.window);
                all = all.plus(&node.life.plus(&node.window).since(&then));
            }
        }
        Some(all)
    }

    /// Keys of all primaries, and keys that they had before.
    #[must_use]
    pub fn keys(&self) -> (u64, Option<u64>) {
        (keys(self.now), self.snapshot().map(keys))
    }
}

impl Rates {
    fn plus(self, other: Self) -> Self {
        Self {
            reads: self.reads + other.reads,
            hits: self.hits + other.hits,
            misses: self.misses + other.misses,
            refused: self.refused + other.refused,
            redirected: self.redirected + other.redirected,
            evicted: self.evicted + other.evicted,
            expired: self.expired + other.expired,
            commands: self.commands + other.commands,
            oom: self.oom + other.oom,
            migrated: self.migrated + other.migrated,
        }
    }
}

fn sum(facts: &Facts, which: impl Fn(&Node) -> Counters) -> Counters {
    facts.nodes.iter().fold(Counters::default(), |all, node| all.plus(&which(node)))
}

fn keys(facts: &Facts) -> u64 {
    let primaries = facts.nodes.iter().filter(|node| node.primary);
    primaries.map(|node| node.keys).fold(0, u64::saturating_add)
}

/// Hits among all that was asked; of slots that nobody serves nothing is ever found.
fn served(counted: &Counters, cluster: Option<&Cluster>) -> Option<f64> {
    let asked = counted.reads().saturating_add(counted.refused());
    let there = cluster.map_or(1.0, |cluster| f64::from(cluster.slots_ok) / SLOTS);
    (asked > 0).then(|| counted.hits as f64 / asked as f64 * there.min(1.0))
}
