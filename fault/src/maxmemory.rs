//! `maxmemory`: another limit of memory for a while, and then the old one again.

use std::time::Duration;

use serde_json::json;
use stallion_server::ask::{config, set_config};
use stallion_server::info::Info;

use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use crate::parameters::{Parameter, Parameters};

const DEFAULT_FOR: Duration = Duration::from_secs(5);
const DEFAULT_MEMORY: &str = "80%";

pub(crate) struct MaxMemory;

impl Fault for MaxMemory {
    fn name(&self) -> &'static str {
        "maxmemory"
    }

    fn about(&self) -> &'static str {
        "sets maxmemory to `memory` (80% of what is used), and the policy if one is given, then both \
         as they were; what is evicted stays away"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter::Memory, Parameter::Policy, Parameter::For]
    }

    fn destructive(&self) -> bool {
        true
    }

    fn inject(
        &self,
        endpoint: &mut Endpoint,
        parameters: &Parameters,
    ) -> Result<Detail, FaultError> {
        let memory = Info::ask(&mut endpoint.connection, "memory")?;
        let used = memory.number("used_memory").unwrap_or(0);
        let word = parameters.memory.as_deref().unwrap_or(DEFAULT_MEMORY);
        let limit = match word.strip_suffix('%') {
            None => word.to_owned(),
            Some(percent) => {
                let share: f64 = percent.trim().parse().map_err(|_| FaultError::Value {
                    action: self.name(),
                    text: format!("`memory` is a limit as 100mb or a share as 80%, not `{word}`"),
                })?;
                format!("{:.0}", used as f64 * share / 100.0)
            }
        };
        let names = ["maxmemory", "maxmemory-policy"];
        let mut before = Vec::new();
        for name in names {
            before.push((name, config(&mut endpoint.connection, name)?));
        }
        let held = hold(endpoint, &limit, parameters);
        for (name, value) in &before {
            set_config(&mut endpoint.connection, name, value)?;
        }
        let mut detail = held?;
        detail.insert("limit".to_owned(), json!(limit));
        detail.insert("used_memory_before".to_owned(), json!(used));
        Ok(detail)
    }
}

fn hold(
    endpoint: &mut Endpoint,
    limit: &str,
    parameters: &Parameters,
) -> Result<Detail, FaultError> {
    let evicted = |endpoint: &mut Endpoint| -> Result<i64, FaultError> {
        let info = Info::ask(&mut endpoint.connection, "stats")?;
        Ok(info.number("evicted_keys").unwrap_or(0))
    };
    let before = evicted(endpoint)?;
    if let Some(policy) = &parameters.policy {
        set_config(&mut endpoint.connection, "maxmemory-policy", policy)?;
    }
    set_config(&mut endpoint.connection, "maxmemory", limit)?;
    endpoint.wait(parameters.lasts.unwrap_or(DEFAULT_FOR))?;
    let gone = evicted(endpoint)? - before;
    let memory = Info::ask(&mut endpoint.connection, "memory")?;
    Ok(Detail::from_iter([
        ("evicted_keys".to_owned(), json!(gone)),
        ("used_memory".to_owned(), json!(memory.number("used_memory"))),
    ]))
}
