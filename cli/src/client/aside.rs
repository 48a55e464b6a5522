//! The flags of the store behind the cache.

use std::time::Duration;

use stallion_gen::store::law::Law;
use stallion_gen::store::{CacheAside, Source, Stampede};

use super::read::duration;

/// Cache-aside: a GET that finds nothing reads a store, and writes what it says into the cache.
#[derive(Debug, clap::Args)]
pub(crate) struct Store {
    /// Treat the server as a cache before a store that is asked when a GET finds nothing. The store
    /// is built in and queues like one; this is how long one read keeps one of its servers busy:
    /// fixed:5ms, exponential:5ms, lognormal:5ms:0.8
    #[arg(long, value_name = "LAW")]
    store: Option<Law>,
    /// Reads that the store serves at the same time; the others wait
    #[arg(long, value_name = "N", default_value_t = 16, requires = "store")]
    store_servers: usize,
    /// Reads that may wait for the store; what is more fails
    #[arg(long, value_name = "N", default_value_t = 100_000, requires = "store")]
    store_queue: usize,
    /// What is done against many reads of one key at once: none, or one or more of coalesce, xfetch
    /// and stale-while-revalidate
    #[arg(
        long,
        value_enum,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "none",
        requires = "store"
    )]
    stampede: Vec<Against>,
    /// Time to live of what is written from the store into the cache
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration, requires = "store")]
    ttl: Duration,
    /// It is longer or shorter by up to this share
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, requires = "store")]
    ttl_jitter: f64,
    /// How early xfetch reads again: above 1 is earlier
    #[arg(long, value_name = "BETA", default_value_t = 1.0, requires = "store")]
    xfetch_beta: f64,
    /// How long after its time stale-while-revalidate serves a value
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration, requires = "store")]
    stale_for: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Against {
    None,
    Coalesce,
    Xfetch,
    StaleWhileRevalidate,
}

impl Store {
    pub(crate) fn read(&self) -> Option<CacheAside> {
        let law = self.store?;
        let has = |against| self.stampede.contains(&against);
        let stale_ns = self.stale_for.as_nanos() as u64;
        Some(CacheAside {
            source: Source::StandIn { law },
            servers: self.store_servers,
            queue: self.store_queue,
            stampede: Stampede {
                coalesce: has(Against::Coalesce),
                xfetch: has(Against::Xfetch).then_some(self.xfetch_beta),
                revalidate_ns: has(Against::StaleWhileRevalidate).then_some(stale_ns),
            },
            ttl_ns: self.ttl.as_nanos() as u64,
            jitter: self.ttl_jitter,
        })
    }
}
