//! The flags of the store behind the cache.

use std::time::Duration;

use stallion_client::plan::postgres::PostgresOptions;
use stallion_client::plan::store::{CacheAsidePlan, Source};
use stallion_engine::store::{CacheAsideSettings, Stampede};

use crate::exit::Failure;
use stallion_server::duration::parse as duration;

/// Cache-aside: a GET that finds nothing reads a store, and writes what it says into the cache.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "A store behind the cache")]
pub(crate) struct Store {
    /// Treat the server as a cache before a store that is asked when a GET finds nothing: a PostgreSQL
    /// as postgresql://[user[:password]@]host[:port]/database (PGPASSWORD in the environment hides the
    /// password from `ps`), or the built-in store, which queues like one, by how long one read keeps
    /// one of its servers busy: fixed:5ms, exponential:5ms, lognormal:5ms:0.8
    #[arg(long, value_name = "URL|LAW")]
    store: Option<String>,
    /// Query by which a PostgreSQL is asked; $1 is the key's name as text, or its number as bigint
    /// [default: SELECT value FROM stallion_store WHERE key = $1]
    #[arg(long, value_name = "SQL", requires = "store")]
    store_query: Option<String>,
    /// Make the table stallion_store of a PostgreSQL anew first, with a value for every key
    #[arg(long, requires = "store", conflicts_with = "store_query")]
    store_fill: bool,
    /// Reads that the store serves at the same time (connections to a PostgreSQL); the others wait
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
    pub(crate) fn read(&self) -> Result<Option<CacheAsidePlan>, Failure> {
        let Some(text) = &self.store else { return Ok(None) };
        let has = |against| self.stampede.contains(&against);
        let stale_ns = self.stale_for.as_nanos() as u64;
        let settings = CacheAsideSettings {
            servers: self.store_servers,
            queue: self.store_queue,
            stampede: Stampede {
                coalesce: has(Against::Coalesce),
                xfetch: has(Against::Xfetch).then_some(self.xfetch_beta),
                revalidate_ns: has(Against::StaleWhileRevalidate).then_some(stale_ns),
            },
            ttl_ns: self.ttl.as_nanos() as u64,
            jitter: self.ttl_jitter,
        };
        Ok(Some(CacheAsidePlan { source: self.source(text)?, settings }))
    }

    /// Errors are ours and not clap's, which shows what it was given: there may be a password in it.
    fn source(&self, text: &str) -> Result<Source, Failure> {
        let wrong = |error: String| Failure::usage(format!("--store: {error}"));
        if Source::is_postgres(text) {
            let options = PostgresOptions {
                password: std::env::var("PGPASSWORD").ok(),
                query: self.store_query.clone(),
                fill: self.store_fill,
            };
            return Source::postgres(text, options).map_err(wrong);
        }
        if self.store_query.is_some() || self.store_fill {
            let text = "--store-query and --store-fill are about a PostgreSQL: give --store \
                        postgresql://…";
            return Err(Failure::usage(text));
        }
        Ok(Source::Simulated { service_time: text.parse().map_err(wrong)? })
    }
}
