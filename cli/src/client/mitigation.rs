//! The flags that say how the load of hot keys is kept off their shard.

use std::time::Duration;

use stallion_engine::mitigation::{Choice, MitigationKind};

use stallion_server::duration::parse as duration;

/// How the load of hot keys is kept off their shard, and at what price.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Hot keys")]
pub(crate) struct Mitigation {
    /// What is done for hot keys; measure does nothing, and measures how old answers are as the
    /// others do
    #[arg(long, value_enum, default_value_t = Kind::None)]
    mitigation: Kind,
    /// Keys that each core keeps at most, for local-cache
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    cache_entries: usize,
    /// How long a key is kept at most, for local-cache
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    cache_ttl: Duration,
    /// Whether the server tells of changes to what was read, or of every change (broadcast)
    #[arg(long, value_enum, default_value_t = Tracking::Default)]
    tracking: Tracking,
    /// How many of the hottest keys have copies, for key-split
    #[arg(long, value_name = "N", default_value_t = 100)]
    split_keys: u64,
    /// Which replica a read goes to, for replica-read
    #[arg(long, value_enum, default_value_t = Replica::RoundRobin)]
    replica_choice: Replica,
    /// Copies of each, the original included
    #[arg(long, value_name = "N", default_value_t = 3)]
    split_copies: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    None,
    Measure,
    LocalCache,
    KeySplit,
    Coalesce,
    ReplicaRead,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Replica {
    RoundRobin,
    /// The one that answers soonest
    Nearest,
    Random,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Tracking {
    Default,
    Bcast,
}

impl Mitigation {
    pub(crate) fn strategy(&self) -> Option<MitigationKind> {
        Some(match self.mitigation {
            Kind::None => return None,
            Kind::Measure => MitigationKind::Plain,
            Kind::LocalCache => MitigationKind::LocalCache {
                entries: self.cache_entries,
                ttl_ns: self.cache_ttl.as_nanos() as u64,
                broadcast: self.tracking == Tracking::Bcast,
            },
            Kind::KeySplit => {
                MitigationKind::KeySplit { hot: self.split_keys, copies: self.split_copies }
            }
            Kind::Coalesce => MitigationKind::Coalesce,
            Kind::ReplicaRead => MitigationKind::ReplicaRead {
                choice: match self.replica_choice {
                    Replica::RoundRobin => Choice::RoundRobin,
                    Replica::Nearest => Choice::Nearest,
                    Replica::Random => Choice::Random,
                },
            },
        })
    }
}
