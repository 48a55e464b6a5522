//! `fsync-policy`: another appendfsync for a while, and then the old one again.

use std::time::{Duration, Instant};

use serde_json::json;
use stallion_server::ask::{config, set_config};
use stallion_server::info::Info;

use crate::child_job::wait_for_children;
use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use crate::parameters::{Parameter, Parameters};

const DEFAULT_FOR: Duration = Duration::from_secs(5);
const DEFAULT_POLICY: &str = "always";
const POLICIES: [&str; 3] = ["no", "everysec", "always"];

pub(crate) struct FsyncPolicy;

impl Fault for FsyncPolicy {
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

    fn inject(
        &self,
        endpoint: &mut Endpoint,
        parameters: &Parameters,
    ) -> Result<Detail, FaultError> {
        let policy = parameters.policy.as_deref().unwrap_or(DEFAULT_POLICY);
        if !POLICIES.contains(&policy) {
            return Err(FaultError::Value {
                action: self.name(),
                text: format!("`policy` is one of {}, not `{policy}`", POLICIES.join(", ")),
            });
        }
        let before = Before {
            appendonly: config(&mut endpoint.connection, "appendonly")?,
            appendfsync: config(&mut endpoint.connection, "appendfsync")?,
        };
        let held = hold(endpoint, &before, policy, parameters.lasts.unwrap_or(DEFAULT_FOR));
        let restored = before.restore(endpoint);
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
    fn restore(&self, endpoint: &mut Endpoint) -> Result<(), FaultError> {
        set_config(&mut endpoint.connection, "appendfsync", &self.appendfsync)?;
        set_config(&mut endpoint.connection, "appendonly", &self.appendonly)?;
        Ok(())
    }
}

fn hold(
    endpoint: &mut Endpoint,
    before: &Before,
    policy: &str,
    lasts: Duration,
) -> Result<Detail, FaultError> {
    let delayed_before = delayed_fsyncs(endpoint)?;
    let mut detail = Detail::from_iter([
        ("policy".to_owned(), json!(policy)),
        ("policy_before".to_owned(), json!(before.appendfsync)),
        ("appendonly_before".to_owned(), json!(before.appendonly)),
    ]);
    if before.appendonly != "yes" {
        // Switching it on forks a child that writes the whole data set first.
        let start = Instant::now();
        set_config(&mut endpoint.connection, "appendonly", "yes")?;
        wait_for_children(endpoint)?;
        detail.insert("first_rewrite_ms".to_owned(), json!(start.elapsed().as_millis()));
    }
    set_config(&mut endpoint.connection, "appendfsync", policy)?;
    endpoint.wait(lasts)?;
    let delayed = delayed_fsyncs(endpoint)? - delayed_before;
    detail.insert("aof_delayed_fsync".to_owned(), json!(delayed));
    Ok(detail)
}

fn delayed_fsyncs(endpoint: &mut Endpoint) -> Result<i64, FaultError> {
    let info = Info::ask(&mut endpoint.connection, "persistence")?;
    Ok(info.number("aof_delayed_fsync").unwrap_or(0))
}
