//! A job that the server hands to a forked child, and how one waits for its end.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::Detail;
use stallion_server::info::Info;

/// Each look costs the event loop some 30 microseconds (INFO persistence).
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// A child that has not ended by then is reported, not awaited: 256 GiB at 200 MB/s.
const ENDS_WITHIN: Duration = Duration::from_secs(1_300);

/// A background job; the fields are those of INFO persistence and INFO stats.
pub(crate) struct ChildJob {
    pub(crate) command: &'static str,
    pub(crate) running: &'static str,
    /// It cannot start while another child lives, and starts when that ends.
    pub(crate) scheduled: &'static str,
    pub(crate) status: &'static str,
    pub(crate) copied_bytes: &'static str,
}

impl ChildJob {
    fn is_running(&self, info: &Info) -> bool {
        [self.running, self.scheduled].iter().any(|field| info.number(field) == Some(1))
    }
}

/// Waits until no child works for the server any more, and gives what it says then.
pub(crate) fn wait_for_children(endpoint: &mut Endpoint) -> Result<Info, FaultError> {
    wait_while(endpoint, |info| {
        ["rdb_bgsave_in_progress", "aof_rewrite_in_progress", "aof_rewrite_scheduled"]
            .iter()
            .any(|field| info.number(field) == Some(1))
    })
}

fn wait_while(endpoint: &mut Endpoint, busy: impl Fn(&Info) -> bool) -> Result<Info, FaultError> {
    let start = Instant::now();
    loop {
        let info = Info::ask(&mut endpoint.connection, "persistence")?;
        if !busy(&info) {
            return Ok(info);
        }
        if start.elapsed() > ENDS_WITHIN {
            let text = format!("a child of the server still works after {ENDS_WITHIN:?}");
            return Err(FaultError::Failed(text));
        }
        endpoint.wait(LOOK_EVERY)?;
    }
}

impl ChildJob {
    /// Starts it, and returns when its child has ended.
    pub(crate) fn run(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        let start = Instant::now();
        redis::cmd(self.command).query::<()>(&mut endpoint.connection)?;
        let replied = start.elapsed();
        let info = wait_while(endpoint, |info| self.is_running(info))?;
        let took = start.elapsed();
        let status = info.text(self.status);
        if status != "ok" {
            let text = format!("{} ended with `{status}`; the server's log says why", self.command);
            return Err(FaultError::Failed(text));
        }
        let stats = Info::ask(&mut endpoint.connection, "stats")?;
        let memory = Info::ask(&mut endpoint.connection, "memory")?;
        Ok(Detail::from_iter([
            ("duration_ms".to_owned(), json!(took.as_millis())),
            ("reply_ms".to_owned(), json!(replied.as_millis())),
            ("latest_fork_usec".to_owned(), json!(stats.number("latest_fork_usec"))),
            (self.copied_bytes.to_owned(), json!(info.number(self.copied_bytes))),
            ("used_memory".to_owned(), json!(memory.number("used_memory"))),
        ]))
    }
}
