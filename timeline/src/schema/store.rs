//! What the store behind a cache was asked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The store's part of an interval (`--store`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StoreInterval {
    /// Reads of the store that began.
    pub reads: u64,
    /// Reads of the cache that found the store's queue full.
    #[serde(default)]
    pub refused: u64,
    /// Reads of the store that failed.
    #[serde(default)]
    pub failed: u64,
    /// Reads of the cache that waited for another one's read of the store.
    #[serde(default)]
    pub joined: u64,
    /// Reads of the store before the value had expired.
    #[serde(default)]
    pub early: u64,
    /// Reads of the cache that were served a value whose time was over.
    #[serde(default)]
    pub stale: u64,
    /// Writes into the cache.
    #[serde(default)]
    pub refills: u64,
    /// Time that servers of the store were busy with reads that ended in the interval.
    pub busy_ns: u64,
    /// Most reads that waited for a server of the store at once.
    pub queue_max: u64,
    /// Most reads of one key that were with the store at once.
    pub herd_max: u64,
    /// From asking the store to its answer, HdrHistogram V2 deflate in base64, nanoseconds.
    pub latency_hdr: String,
}
