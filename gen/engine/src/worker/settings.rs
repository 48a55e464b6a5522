//! What a worker is configured with, and what it sends.

use super::routing::Routing;
use crate::measure::interval::Counted;
use crate::mitigation::Mitigation;
use crate::store::cache_aside::CacheAside;
use crate::workload::Workload;
use crate::workload::arrivals::Arrivals;
use stallion_resp::encoder::Encoder;

/// What is sent first on every connection, and how many answers it gets.
#[derive(Debug, Clone, Default)]
pub struct Greeting {
    /// The bytes; may be empty.
    pub bytes: Vec<u8>,
    /// Replies to them.
    pub replies: usize,
}

/// What a worker is configured with.
#[derive(Debug)]
pub struct Settings {
    /// Connections of this worker.
    pub connections: usize,
    /// Requests in flight on each.
    pub pipeline: usize,
    /// Whether requests have intended times of their own.
    pub open: bool,
    /// Compare the values that come back.
    pub verify: bool,
    /// What each connection says first.
    pub greeting: Greeting,
    /// After so many requests a connection is closed and opened again.
    pub requests_per_connection: u64,
    /// A request without an answer for so long is given up, and its connection with it.
    pub timeout_ns: u64,
    /// A request that takes longer is a slow one.
    pub slow_ns: u64,
}

/// What a worker sends, and when: it moves on with every request.
#[derive(Debug)]
pub struct Requests {
    /// When.
    pub arrivals: Arrivals,
    /// What.
    pub workload: Workload,
    /// As which bytes.
    pub encoder: Encoder,
}

/// How requests find their nodes, and what is done with them on the way.
#[derive(Debug)]
pub struct RoutedSettings {
    /// The nodes, and how a worker shares its connections out.
    pub routing: Routing,
    /// What is done for hot keys.
    pub mitigation: Option<Mitigation>,
    /// The store that is asked when the cache has nothing.
    pub cache_aside: Option<CacheAside>,
}

impl RoutedSettings {
    /// What is to be counted.
    #[must_use]
    pub const fn counted(&self) -> Counted {
        Counted {
            cluster: true,
            mitigation: self.mitigation.is_some(),
            store: self.cache_aside.is_some(),
        }
    }
}
