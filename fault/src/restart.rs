//! `restart`: a server dies and starts again, empty or from a snapshot that was taken before.

use std::time::{Duration, Instant};

use redis::Connection;
use serde_json::json;

use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use crate::parameters::{Parameter, Parameters};

/// Loading takes about a second for each million small keys.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Restart;

impl Fault for Restart {
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

    fn inject(
        &self,
        endpoint: &mut Endpoint,
        parameters: &Parameters,
    ) -> Result<Detail, FaultError> {
        let snapshot = match parameters.policy.as_deref() {
            None | Some("empty") => false,
            Some("snapshot") => true,
            Some(word) => {
                let text = format!("`policy` is empty or snapshot, not `{word}`");
                return Err(FaultError::Value { action: self.name(), text });
            }
        };
        let before = keys(&mut endpoint.connection)?;
        let start = Instant::now();
        let prepare = redis::cmd(if snapshot { "SAVE" } else { "FLUSHALL" });
        prepare.query::<()>(&mut endpoint.connection)?;
        let prepared = start.elapsed();
        let down = Instant::now();
        endpoint.connection =
            endpoint.crash_and_recover(parameters.lasts.unwrap_or(DEFAULT_PATIENCE))?;
        let after = keys(&mut endpoint.connection)?;
        Ok(Detail::from_iter([
            ("policy".to_owned(), json!(if snapshot { "snapshot" } else { "empty" })),
            ("keys_before".to_owned(), json!(before)),
            ("keys_after".to_owned(), json!(after)),
            ("prepare_ms".to_owned(), json!(prepared.as_secs_f64() * 1e3)),
            ("down_ms".to_owned(), json!(down.elapsed().as_secs_f64() * 1e3)),
        ]))
    }
}

fn keys(connection: &mut Connection) -> Result<u64, FaultError> {
    Ok(redis::cmd("DBSIZE").query(connection)?)
}
