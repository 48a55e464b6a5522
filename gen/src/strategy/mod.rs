//! What becomes of an operation before it is sent: nothing, an answer from memory, a copy of its
//! key, another reader's answer. All of it is pure; the desk of a shard acts on what it says.

pub mod cache;

pub mod versions;

pub mod split;

pub mod joined;

mod strategist;

use serde::Serialize;

pub use strategist::{Step, Strategist};

/// How the load of hot keys is kept off their shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Every read and write is sent as it is; how old the answers are is measured all the same.
    Plain,
    /// Reads are answered from the client's memory until the server says that the key has changed
    /// (CLIENT TRACKING).
    LocalCache {
        /// Keys that a shard of the client keeps at most.
        entries: usize,
        /// How long at most.
        ttl_ns: u64,
        /// Be told of every change (BCAST) instead of changes to what was read.
        broadcast: bool,
    },
    /// The hottest keys have copies.
    KeySplit {
        /// How many keys.
        hot: u64,
        /// Copies of each, the original included.
        copies: u64,
    },
    /// One flight for each key at a time.
    Coalesce,
    /// Reads go to replicas, which may be behind.
    ReplicaRead {
        /// To which.
        choice: Choice,
    },
}

/// Which of several replicas is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// One after the other.
    RoundRobin,
    /// Any.
    Random,
    /// The one that answers soonest, as far as is known.
    Nearest,
}
