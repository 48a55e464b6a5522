//! `fsync-policy`: another appendfsync for a while, and then the old one again.

use std::time::{Duration, Instant};

use serde_json::json;

use super::child_job::wait_for_children;
use super::{Action, ChaosError, Detail, Parameter, Parameters, Site};
use crate::info::{Info, config, set_config};

const DEFAULT_FOR: Duration = Duration::from_secs(5);
const DEFAULT_POLICY: &str = "always";
const POLICIES: [&str; 3] = ["no", "everysec", "always"];

pub(super) struct FsyncPolicy;

impl Action for FsyncPolicy {
    fn name(&self) -> &'static str {
        "fsync-policy"
    }

    fn about(&self) -> &'static str {
        "appendonly yes with another appendfsync for a while, then both as they were"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter::Policy, Parameter::For]
    }

    fn destructive(&self) -> bool {
        true
    }

    fn act(&self, site: &mut Site, parameters: &Parameters) -> Result<Detail, ChaosError> {
        let policy = parameters.policy.as_deref().unwrap_or(DEFAULT_POLICY);
        if !POLICIES.contains(&policy) {
            return Err(ChaosError::Value {
                action: self.name(),
                text: format!("`policy` is one of {}, not `{policy}`", POLICIES.join(", ")),
            });
        }
        let before = Before {
            appendonly: config(&mut site.connection, "appendonly")?,
            appendfsync: config(&mut site.connection, "appendfsync")?,
        };
        let held = hold(site, &before, policy, parameters.lasts.unwrap_or(DEFAULT_FOR));
        let restored = before.restore(site);
        let detail = held?;
        restored?;
        Ok(detail)
    }
}

struct Before {
    appendonly: String,
    appendfsync: String,
}

impl Before {
    fn restore(&self, site: &mut Site) -> Result<(), ChaosError> {
        set_config(&mut site.connection, "appendfsync", &self.appendfsync)?;
        set_config(&mut site.connection, "appendonly", &self.appendonly)?;
        Ok(())
    }
}

fn hold(
    site: &mut Site,
    before: &Before,
    policy: &str,
    lasts: Duration,
) -> Result<Detail, ChaosError> {
    let delayed_before = delayed_fsyncs(site)?;
    let mut detail = Detail::from_iter([
        ("policy".to_owned(), json!(policy)),
        ("policy_before".to_owned(), json!(before.appendfsync)),
        ("appendonly_before".to_owned(), json!(before.appendonly)),
    ]);
    if before.appendonly != "yes" {
        // Switching it on forks a child that writes the whole data set first.
        let start = Instant::now();
        set_config(&mut site.connection, "appendonly", "yes")?;
        wait_for_children(site)?;
        detail.insert("first_rewrite_ms".to_owned(), json!(start.elapsed().as_millis()));
    }
    set_config(&mut site.connection, "appendfsync", policy)?;
    site.wait(lasts)?;
    let delayed = delayed_fsyncs(site)? - delayed_before;
    detail.insert("aof_delayed_fsync".to_owned(), json!(delayed));
    Ok(detail)
}

fn delayed_fsyncs(site: &mut Site) -> Result<i64, ChaosError> {
    let info = Info::ask(&mut site.connection, "persistence")?;
    Ok(info.number("aof_delayed_fsync").unwrap_or(0))
}
