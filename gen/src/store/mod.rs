//! The store behind a cache (cache-aside): a read that finds nothing asks it, and writes what it says
//! into the cache. What such a miss costs depends on the store's capacity and on how many ask at once.
//!
//! Pure state; the desk of a shard acts on what this says.

pub mod law;

pub mod herd;

pub mod stand_in;

pub mod remote;

pub mod stamp;

pub mod aside;

use std::str::FromStr as _;
use std::time::Duration;

use serde::Serialize;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::units::{KeyId, Nanos};

use law::Law;
use remote::Remote;
use stand_in::StandIn;

/// Which store.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The built-in one, which queues like a store: so many servers, each busy for a time by a law.
    StandIn {
        /// How long one read keeps a server busy.
        law: Law,
    },
    /// A real one.
    Postgres(PostgresPlan),
}

/// A PostgreSQL, and what it is asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PostgresPlan {
    /// Where it is.
    pub place: String,
    /// The same with user and password, which are never written anywhere.
    #[serde(skip)]
    pub config: Box<Config>,
    /// The query for one key; none for the table that Stallion makes.
    pub query: Option<String>,
    /// Make that table anew, with every key.
    pub fill: bool,
}

/// How long opening a connection to a store may take.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

impl PostgresPlan {
    /// Whether an address is one of a PostgreSQL.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        text.starts_with("postgresql://") || text.starts_with("postgres://")
    }

    /// Reads `postgresql://[user[:password]@]host[:port]/database`; `password` counts where the
    /// address has none.
    ///
    /// # Errors
    /// What is wrong with it, without a word of it.
    pub fn parse(address: &str, password: Option<String>) -> Result<Self, String> {
        let form = "give postgresql://[user[:password]@]host[:port]/database";
        let mut config = Config::from_str(address).map_err(|_| format!("no address: {form}"))?;
        let port = config.get_ports().first().copied().unwrap_or(5_432);
        let host = match config.get_hosts() {
            [Host::Tcp(host)] => host.clone(),
            [Host::Unix(path)] => path.display().to_string(),
            _ => return Err(format!("not one host: {form}")),
        };
        let database = config.get_dbname().unwrap_or_default();
        let place = format!("postgresql://{host}:{port}/{database}");
        if let (None, Some(password)) = (config.get_password(), password) {
            config.password(password);
        }
        config.application_name("stallion").connect_timeout(CONNECT_PATIENCE);
        Ok(Self { place, config: Box::new(config), query: None, fill: false })
    }
}

/// What is done against many reads of one key at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Stampede {
    /// One read of the store for each key and core; who else finds nothing waits for it.
    pub coalesce: bool,
    /// Read the store again before a key expires, each reader for itself and by chance (XFetch), with
    /// this beta.
    pub xfetch: Option<f64>,
    /// Serve a value for so long after its time while one reader gets a new one.
    pub revalidate_ns: Option<u64>,
}

impl Stampede {
    /// Whether values carry a stamp: when they expire, and how long they took to get.
    #[must_use]
    pub const fn stamps(self) -> bool {
        self.xfetch.is_some() || self.revalidate_ns.is_some()
    }
}

/// Cache-aside: what follows a read that finds nothing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CacheAside {
    /// The store.
    pub source: Source,
    /// Reads that it serves at the same time.
    pub servers: usize,
    /// Reads that may wait for it, over all cores; what is more is refused.
    pub queue: usize,
    /// What is done against many reads of one key.
    pub stampede: Stampede,
    /// Time to live of what is written into the cache.
    pub ttl_ns: u64,
    /// It is longer or shorter by up to this share.
    pub jitter: f64,
}

/// One read of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The place of what it is for.
    pub place: u32,
    /// Which user of that place.
    pub turn: u32,
    /// The key.
    pub key: KeyId,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fetched {
    /// What was asked.
    pub asked: Asked,
    /// How long it kept a server of the store busy.
    pub busy_ns: u64,
    /// It was answered.
    pub ok: bool,
}

/// A store as one shard sees it.
#[derive(Debug)]
pub enum Store {
    /// The built-in one.
    StandIn(StandIn),
    /// A real one.
    Remote(Remote),
}

impl Store {
    /// Reads that are with it now, in service or waiting, over all shards.
    #[must_use]
    pub fn inside(&self) -> usize {
        match self {
            Self::StandIn(store) => store.inside(),
            Self::Remote(store) => store.inside(),
        }
    }

    /// Asks it. False when too many wait already.
    #[must_use]
    pub fn ask(&mut self, asked: Asked, now: Nanos) -> bool {
        match self {
            Self::StandIn(store) => store.ask(asked, now),
            Self::Remote(store) => store.ask(asked),
        }
    }

    /// When to look for its answers.
    #[inline]
    #[must_use]
    pub fn next(&self, now: Nanos) -> Nanos {
        match self {
            Self::StandIn(store) => store.next(),
            Self::Remote(store) => store.next(now),
        }
    }

    /// One answer that has come by now.
    #[inline]
    pub fn take(&mut self, now: Nanos) -> Option<Fetched> {
        match self {
            Self::StandIn(store) => store.take(now),
            Self::Remote(store) => store.take(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_user() {
        let plan = PostgresPlan::parse("postgresql://me:hunter2@db/shop", None).unwrap();
        assert_eq!(plan.place, "postgresql://db:5432/shop");
        let shown = format!("{plan:?} {}", serde_json::to_string(&plan).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
        let plan = PostgresPlan::parse("postgres://me@db:7/shop", Some("x".to_owned())).unwrap();
        assert_eq!(plan.config.get_password(), Some(&b"x"[..]));
        for wrong in ["postgresql://me:hunter2@db:port/shop", "postgresql://", "postgresql://a,b/c"]
        {
            let error = PostgresPlan::parse(wrong, None).unwrap_err();
            assert!(!error.contains("hunter2") && error.contains("postgresql://["), "{error}");
        }
    }
}
