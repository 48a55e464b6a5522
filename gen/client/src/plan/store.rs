//! The store behind the cache, as it was asked for.

use serde::Serialize;
use stallion_engine::store::CacheAsideSettings;
use stallion_engine::store::service_time::ServiceTime;

use super::postgres::PostgresOptions;
#[cfg(feature = "postgres")]
use super::postgres::PostgresPlan;

/// Cache-aside: what follows a read that finds nothing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CacheAsidePlan {
    /// The store.
    pub source: Source,
    /// How it is asked, and what is written from it.
    #[serde(flatten)]
    pub settings: CacheAsideSettings,
}

/// Which store.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The built-in one, which queues like a store: so many servers, each busy for a random time.
    #[serde(rename = "stand_in")]
    Simulated {
        /// How long one read keeps a server busy.
        #[serde(rename = "law")]
        service_time: ServiceTime,
    },
    /// A real one.
    #[cfg(feature = "postgres")]
    Postgres(PostgresPlan),
}

impl Source {
    /// Whether an address is one of a PostgreSQL.
    #[must_use]
    pub fn is_postgres(text: &str) -> bool {
        text.starts_with("postgresql://") || text.starts_with("postgres://")
    }

    /// A PostgreSQL.
    ///
    /// # Errors
    /// What is wrong with its address, without a word of it.
    #[cfg(feature = "postgres")]
    pub fn postgres(address: &str, options: PostgresOptions) -> Result<Self, String> {
        PostgresPlan::parse(address, options).map(Self::Postgres)
    }

    /// A PostgreSQL, which this build cannot ask.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(feature = "postgres"))]
    pub fn postgres(_: &str, _: PostgresOptions) -> Result<Self, String> {
        Err("this program was built without its feature `postgres`: give fixed:5ms, exponential:5ms \
             or lognormal:5ms:0.8, or build it with the feature"
            .to_owned())
    }
}
