//! A PostgreSQL behind the cache, as it was asked for.

use std::str::FromStr as _;
use std::time::Duration;

use serde::Serialize;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::PostgresOptions;

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
    /// Reads `postgresql://[user[:password]@]host[:port]/database`.
    ///
    /// # Errors
    /// What is wrong with it, without a word of it.
    pub fn parse(address: &str, options: PostgresOptions) -> Result<Self, String> {
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
        if let (None, Some(password)) = (config.get_password(), options.password) {
            config.password(password);
        }
        config.application_name("stallion").connect_timeout(CONNECT_PATIENCE);
        Ok(Self { place, config: Box::new(config), query: options.query, fill: options.fill })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_user() {
        let plan =
            PostgresPlan::parse("postgresql://me:hunter2@db/shop", PostgresOptions::default())
                .unwrap();
        assert_eq!(plan.place, "postgresql://db:5432/shop");
        let shown = format!("{plan:?} {}", serde_json::to_string(&plan).unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
        let options = PostgresOptions { password: Some("x".to_owned()), ..Default::default() };
        let plan = PostgresPlan::parse("postgres://me@db:7/shop", options).unwrap();
        assert_eq!(plan.config.get_password(), Some(&b"x"[..]));
        for wrong in ["postgresql://me:hunter2@db:port/shop", "postgresql://", "postgresql://a,b/c"]
        {
            let error = PostgresPlan::parse(wrong, PostgresOptions::default()).unwrap_err();
            assert!(!error.contains("hunter2") && error.contains("postgresql://["), "{error}");
        }
    }
}
