//! What becomes of an operation before it is sent: nothing, an answer from memory, a copy of its
//! key, another reader's answer. All of it is pure; the dispatcher of a worker acts on what it says.

pub mod local_cache;

pub mod versions;

pub mod key_split;

pub mod joined;

mod decision;

use serde::Serialize;

pub use decision::{Mitigation, Step};

/// How the load of hot keys is kept off their primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MitigationKind {
    /// Every read and write is sent as it is; how old the answers are is measured all the same.
    Plain,
    /// Reads are answered from the client's memory until the server says that the key has changed
    /// (CLIENT TRACKING).
    LocalCache {
        /// Keys that a worker of the client keeps at most.
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
