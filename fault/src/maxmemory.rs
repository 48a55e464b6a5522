//! `maxmemory`: another limit of memory for a while, and then the old one again.

use std::time::Duration;

use serde_json::json;

use crate::arguments::{Limit, limit};
use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use stallion_server::ask::{config, set_config};
use stallion_server::duration;
use stallion_server::info::Info;

/// Set another maxmemory for a while; what is evicted stays away
#[derive(Debug, clap::Args)]
pub(crate) struct MaxMemory {
    /// The limit: bytes as 100mb, or a share of what is used
    #[arg(long, value_name = "BYTES|PERCENT", value_parser = limit, default_value = "80%")]
    memory: Limit,
    /// The maxmemory-policy to set, as allkeys-lru
    #[arg(long, value_name = "WORD")]
    policy: Option<String>,
    /// How long it lasts
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse, default_value = "5s")]
    lasts: Duration,
}

impl Fault for MaxMemory {
    fn inject(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        let memory = Info::ask(&mut endpoint.connection, "memory")?;
        let used = memory.number("used_memory").unwrap_or(0);
        let limit = match &self.memory {
            Limit::Words(text) => text.clone(),
            Limit::Share(share) => format!("{:.0}", used as f64 * share),
        };
        let names = ["maxmemory", "maxmemory-policy"];
        let mut before = Vec::new();
        for name in names {
            before.push((name, config(&mut endpoint.connection, name)?));
        }
        let held = self.hold(endpoint, &limit);
        for (name, value) in &before {
            set_config(&mut endpoint.connection, name, value)?;
        }
        let mut detail = held?;
        detail.insert("limit".to_owned(), json!(limit));
        detail.insert("used_memory_before".to_owned(), json!(used));
        Ok(detail)
    }
}

impl MaxMemory {
    fn hold(&self, endpoint: &mut Endpoint, limit: &str) -> Result<Detail, FaultError> {
        let evicted = |endpoint: &mut Endpoint| -> Result<i64, FaultError> {
            let info = Info::ask(&mut endpoint.connection, "stats")?;
            Ok(info.number("evicted_keys").unwrap_or(0))
        };
        let before = evicted(endpoint)?;
        if let Some(policy) = &self.policy {
            set_config(&mut endpoint.connection, "maxmemory-policy", policy)?;
        }
        set_config(&mut endpoint.connection, "maxmemory", limit)?;
        endpoint.wait(self.lasts)?;
        let gone = evicted(endpoint)? - before;
        let memory = Info::ask(&mut endpoint.connection, "memory")?;
        Ok(Detail::from_iter([
            ("evicted_keys".to_owned(), json!(gone)),
            ("used_memory".to_owned(), json!(memory.number("used_memory"))),
        ]))
    }
}
