//! A PostgreSQL behind the cache: what is asked of it, and, in a build that can ask one, where it is.

#[cfg(feature = "postgres")]
mod address;

#[cfg(feature = "postgres")]
pub use address::PostgresPlan;

/// How a PostgreSQL is asked.
#[derive(Debug, Clone, Default)]
pub struct PostgresOptions {
    /// Counts where the address has none.
    pub password: Option<String>,
    /// The query for one key; none for the table that Stallion makes.
    pub query: Option<String>,
    /// Make that table anew, with every key.
    pub fill: bool,
}
