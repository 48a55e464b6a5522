//! A job that the server hands to a forked child, and how one waits for its end.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Action, ChaosError, Detail, Parameters, Site};
use crate::info::Info;

/// Each look costs the event loop some 30 microseconds (INFO persistence).
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// A child that has not ended by then is reported, not awaited: 256 GiB at 200 MB/s.
const ENDS_WITHIN: Duration = Duration::from_secs(1_300);

/// A background job; the fields are those of INFO persistence and INFO stats.
pub(super) struct ChildJob {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) command: &'static str,
    pub(super) running: &'static str,
    /// It cannot start while another child lives, and starts when that ends.
    pub(super) scheduled: &'static str,
    pub(super) status: &'static str,
    pub(super) copied_bytes: &'static str,
}

impl ChildJob {
    fn is_running(&self, info: &Info) -> bool {
        [self.running, self.scheduled].iter().any(|field| info.number(field) == Some(1))
    }
}

/// Waits until no child works for the server any more, and gives what it says then.
pub(super) fn wait_for_children(site: &mut Site) -> Result<Info, ChaosError> {
    wait_while(site, |info| {
        ["rdb_bgsave_in_progress", "aof_rewrite_in_progress", "aof_rewrite_scheduled"]
            .iter()
            .any(|field| info.number(field) == Some(1))
    })
}

fn wait_while(site: &mut Site, busy: impl Fn(&Info) -> bool) -> Result<Info, ChaosError> {
    let start = Instant::now();
    loop {
        let info = Info::ask(&mut site.connection, "persistence")?;
        if !busy(&info) {
            return Ok(info);
        }
        if start.elapsed() > ENDS_WITHIN {
            let text = format!("a child of the server still works after {ENDS_WITHIN:?}");
            return Err(ChaosError::Failed(text));
        }
        site.wait(LOOK_EVERY)?;
    }
}

impl Action for ChildJob {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn act(&self, site: &mut Site, _: &Parameters) -> Result<Detail, ChaosError> {
        let start = Instant::now();
        redis::cmd(self.command).query::<()>(&mut site.connection)?;
        let replied = start.elapsed();
        let info = wait_while(site, |info| self.is_running(info))?;
        let took = start.elapsed();
        let status = info.text(self.status);
        if status != "ok" {
            let text = format!("{} ended with `{status}`; the server's log says why", self.command);
            return Err(ChaosError::Failed(text));
        }
        let stats = Info::ask(&mut site.connection, "stats")?;
        let memory = Info::ask(&mut site.connection, "memory")?;
        Ok(Detail::from_iter([
            ("duration_ms".to_owned(), json!(took.as_millis())),
            ("reply_ms".to_owned(), json!(replied.as_millis())),
            ("latest_fork_usec".to_owned(), json!(stats.number("latest_fork_usec"))),
            (self.copied_bytes.to_owned(), json!(info.number(self.copied_bytes))),
            ("used_memory".to_owned(), json!(memory.number("used_memory"))),
        ]))
    }
}
