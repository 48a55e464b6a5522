//! `fsync-policy`: another appendfsync for a while, and then the old one again.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::child_job::wait_for_children;
use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use stallion_server::ask::{config, set_config};
use stallion_server::duration;
use stallion_server::info::Info;

/// The words of appendfsync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum AppendFsync {
    No,
    Everysec,
    Always,
}

impl AppendFsync {
    fn name(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Everysec => "everysec",
            Self::Always => "always",
        }
    }
}

/// Set appendonly yes and another appendfsync for a while
#[derive(Debug, clap::Args)]
pub(crate) struct FsyncPolicy {
    /// The appendfsync to set
    #[arg(long, value_name = "WORD", alias = "policy", default_value = "always")]
    appendfsync: AppendFsync,
    /// How long it lasts
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse, default_value = "5s")]
    lasts: Duration,
}

impl Fault for FsyncPolicy {
    fn inject(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        let policy = self.appendfsync.name();
        let before = Before {
            appendonly: config(&mut endpoint.connection, "appendonly")?,
            appendfsync: config(&mut endpoint.connection, "appendfsync")?,
        };
        let held = hold(endpoint, &before, policy, self.lasts);
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
