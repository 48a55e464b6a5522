//! `maxmemory`: another limit of memory for a while, and then the old one again.

use std::time::Duration;

use serde_json::json;

use super::{Action, ChaosError, Detail, Parameter, Parameters, Site};
use crate::info::{Info, config, set_config};

const DEFAULT_FOR: Duration = Duration::from_secs(5);
const DEFAULT_MEMORY: &str = "80%";

pub(super) struct MaxMemory;

impl Action for MaxMemory {
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

    fn act(&self, site: &mut Site, parameters: &Parameters) -> Result<Detail, ChaosError> {
        let memory = Info::ask(&mut site.connection, "memory")?;
        let used = memory.number("used_memory").unwrap_or(0);
        let word = parameters.memory.as_deref().unwrap_or(DEFAULT_MEMORY);
        let limit = match word.strip_suffix('%') {
            None => word.to_owned(),
            Some(percent) => {
                let share: f64 = percent.trim().parse().map_err(|_| ChaosError::Value {
                    action: self.name(),
                    text: format!("`memory` is a limit as 100mb or a share as 80%, not `{word}`"),
                })?;
                format!("{:.0}", used as f64 * share / 100.0)
            }
        };
        let names = ["maxmemory", "maxmemory-policy"];
        let mut before = Vec::new();
        for name in names {
            before.push((name, config(&mut site.connection, name)?));
        }
        let held = hold(site, &limit, parameters);
        for (name, value) in &before {
            set_config(&mut site.connection, name, value)?;
        }
        let mut detail = held?;
        detail.insert("limit".to_owned(), json!(limit));
        detail.insert("used_memory_before".to_owned(), json!(used));
        Ok(detail)
    }
}

fn hold(site: &mut Site, limit: &str, parameters: &Parameters) -> Result<Detail, ChaosError> {
    let evicted = |site: &mut Site| -> Result<i64, ChaosError> {
        let info = Info::ask(&mut site.connection, "stats")?;
        Ok(info.number("evicted_keys").unwrap_or(0))
    };
    let before = evicted(site)?;
    if let Some(policy) = &parameters.policy {
        set_config(&mut site.connection, "maxmemory-policy", policy)?;
    }
    set_config(&mut site.connection, "maxmemory", limit)?;
    site.wait(parameters.lasts.unwrap_or(DEFAULT_FOR))?;
    let gone = evicted(site)? - before;
    let memory = Info::ask(&mut site.connection, "memory")?;
    Ok(Detail::from_iter([
        ("evicted_keys".to_owned(), json!(gone)),
        ("used_memory".to_owned(), json!(memory.number("used_memory"))),
    ]))
}
