//! `restart`: a server dies and starts again, empty or from a snapshot that was taken before.

use std::time::{Duration, Instant};

use redis::Connection;
use serde_json::json;

use super::{Action, ChaosError, Detail, Parameter, Parameters, Site};

/// Loading takes about a second for each million small keys.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Restart;

impl Action for Restart {
    fn name(&self) -> &'static str {
        "restart"
    }

    fn about(&self) -> &'static str {
        "lets a server crash and start again at once, without its data (`policy` empty) or with those \
         of a SAVE before (snapshot), until it answers (at most `for`)"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter::Policy, Parameter::For]
    }

    fn destructive(&self) -> bool {
        true
    }

    fn act(&self, site: &mut Site, parameters: &Parameters) -> Result<Detail, ChaosError> {
        let snapshot = match parameters.policy.as_deref() {
            None | Some("empty") => false,
            Some("snapshot") => true,
            Some(word) => {
                let text = format!("`policy` is empty or snapshot, not `{word}`");
                return Err(ChaosError::Value { action: self.name(), text });
            }
        };
        let before = keys(&mut site.connection)?;
        let start = Instant::now();
        let prepare = redis::cmd(if snapshot { "SAVE" } else { "FLUSHALL" });
        prepare.query::<()>(&mut site.connection)?;
        let prepared = start.elapsed();
        let down = Instant::now();
        site.connection = site.crash_and_recover(parameters.lasts.unwrap_or(DEFAULT_PATIENCE))?;
        let after = keys(&mut site.connection)?;
        Ok(Detail::from_iter([
            ("policy".to_owned(), json!(if snapshot { "snapshot" } else { "empty" })),
            ("keys_before".to_owned(), json!(before)),
            ("keys_after".to_owned(), json!(after)),
            ("prepare_ms".to_owned(), json!(prepared.as_secs_f64() * 1e3)),
            ("down_ms".to_owned(), json!(down.elapsed().as_secs_f64() * 1e3)),
        ]))
    }
}

fn keys(connection: &mut Connection) -> Result<u64, ChaosError> {
    Ok(redis::cmd("DBSIZE").query(connection)?)
}
