//! `replica-cut`: a replica loses its primary for a while; whether it comes back by a partial or a
//! full resync depends on the backlog.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use redis::Connection;
use serde_json::json;

use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::failover::replicas;
use crate::fault::{Detail, Fault};
use stallion_server::ask::{config, set_config};
use stallion_server::duration;
use stallion_server::info::Info;

const BACK_WITHIN: Duration = Duration::from_secs(30);
/// A link that is up again is seen so much too late at most.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// By then it has read that its old link is closed.
const BELIEVES_FOR: Duration = Duration::from_millis(200);
/// The least that Redis takes, and more than that of writes to overflow it.
const SMALL_BACKLOG: &str = "16384";
const FILLER: usize = 64 << 10;
const LARGE_BACKLOG: &str = "67108864";

/// What the backlog has when the replica is back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Backlog {
    Kept,
    Overflowed,
}

/// Stop the first replica and cut its link, until it is in step again
#[derive(Debug, clap::Args)]
pub(crate) struct ReplicaCut {
    /// How long it is cut off
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse, default_value = "2s")]
    lasts: Duration,
    /// Whether the backlog is large enough (kept) or too small (overflowed)
    #[arg(long, value_name = "WORD", alias = "policy", default_value = "kept")]
    backlog: Backlog,
}

impl Fault for ReplicaCut {
    fn inject(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        let overflow = self.backlog == Backlog::Overflowed;
        let info = Info::ask(&mut endpoint.connection, "replication")?;
        let Some((host, port)) = replicas(&info).into_iter().next() else {
            return Err(FaultError::Failed(format!("{} has no replica", endpoint.target)));
        };
        let mut replica = Endpoint::unhurried(endpoint)?.beside(&host, port)?;
        let pid = Pid::from_raw(replica.pid()?.cast_signed());
        let size = config(&mut endpoint.connection, "repl-backlog-size")?;
        let wanted = if overflow { SMALL_BACKLOG } else { LARGE_BACKLOG };
        let before = Syncs::ask(endpoint)?;
        let old = link(&mut replica.connection);
        set_config(&mut endpoint.connection, "repl-backlog-size", wanted)?;
        let cut = cut(endpoint, pid, self.lasts, overflow);
        // A link that was not cut stays the one it is.
        let old = old.filter(|_| matches!(cut, Ok(links) if links > 0));
        let back = await_back(&mut replica, old.as_deref());
        set_config(&mut endpoint.connection, "repl-backlog-size", &size)?;
        cut?;
        let back = back?;
        let after = Syncs::ask(endpoint)?;
        Ok(Detail::from_iter([
            ("replica".to_owned(), json!(replica.target.to_string())),
            ("backlog_bytes".to_owned(), json!(wanted)),
            ("back_ms".to_owned(), json!(back.as_secs_f64() * 1e3)),
            // Without it the time is never below that for which an old link is believed in.
            ("new_link_seen".to_owned(), json!(u8::from(old.is_some()))),
            ("full_resyncs".to_owned(), json!(after.full - before.full)),
            ("partial_resyncs".to_owned(), json!(after.partial - before.partial)),
        ]))
    }
}

/// A stopped process cannot connect again; it goes on whatever happens. Gives how many links were cut.
fn cut(
    endpoint: &mut Endpoint,
    replica: Pid,
    lasts: Duration,
    overflow: bool,
) -> Result<u64, FaultError> {
    kill(replica, Signal::SIGSTOP)
        .map_err(|errno| FaultError::Failed(format!("cannot stop {replica}: {errno}")))?;
    let done = (|| {
        let mut links = redis::cmd("CLIENT");
        links.arg("KILL").arg("TYPE").arg("replica");
        let links = links.query::<u64>(&mut endpoint.connection)?;
        if overflow {
            let key = "stallion:backlog-filler";
            let filler = vec![b'x'; FILLER];
            redis::cmd("SET").arg(key).arg(filler).query::<()>(&mut endpoint.connection)?;
            redis::cmd("UNLINK").arg(key).query::<()>(&mut endpoint.connection)?;
        }
        endpoint.wait(lasts).map(|()| links)
    })();
    // Fails only when it is gone.
    let _ = kill(replica, Signal::SIGCONT);
    done
}

/// How long it takes until the replica's link is up again: another one than `old`, or where that is
/// not known any that is up when no old one is believed in any more.
fn await_back(replica: &mut Endpoint, old: Option<&str>) -> Result<Duration, FaultError> {
    let start = Instant::now();
    loop {
        let info = Info::ask(&mut replica.connection, "replication")?;
        if info.text("master_link_status") == "up" {
            // It believes in its old link until it has read that it is closed.
            let is_new = match old {
                Some(old) => link(&mut replica.connection).is_some_and(|new| new != old),
                None => start.elapsed() > BELIEVES_FOR,
            };
            if is_new {
                return Ok(start.elapsed());
            }
        }
        if start.elapsed() > BACK_WITHIN {
            let text = format!("the replica is not in step after {BACK_WITHIN:?}");
            return Err(FaultError::Failed(text));
        }
        replica.wait(LOOK_EVERY)?;
    }
}

/// The replica's own end of its link to the primary, which a new link has elsewhere; none without a
/// link, and where it does not say (before Redis 6.2, or where CLIENT is forbidden). What the primary
/// counts would not do: its other replicas lose their links, too.
fn link(connection: &mut Connection) -> Option<String> {
    let mut list = redis::cmd("CLIENT");
    let text: String = list.arg("LIST").arg("TYPE").arg("master").query(connection).ok()?;
    local_address(&text).map(str::to_owned)
}

fn local_address(clients: &str) -> Option<&str> {
    let mut fields = clients.split_whitespace();
    fields.find_map(|field| field.strip_prefix("laddr=")).filter(|address| !address.is_empty())
}

struct Syncs {
    full: i64,
    partial: i64,
}

impl Syncs {
    fn ask(endpoint: &mut Endpoint) -> Result<Self, FaultError> {
        let info = Info::ask(&mut endpoint.connection, "stats")?;
        let number = |name: &str| info.number(name).unwrap_or(0);
        Ok(Self { full: number("sync_full"), partial: number("sync_partial_ok") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_known_by_its_own_end() {
        let list = "id=5 addr=127.0.0.1:6379 laddr=127.0.0.1:40112 fd=9 name= flags=M\n";
        assert_eq!(local_address(list), Some("127.0.0.1:40112"));
        for unknown in ["", "id=5 addr=127.0.0.1:6379 fd=9 name= flags=M\n", "id=5 laddr= fd=9\n"] {
            assert_eq!(local_address(unknown), None, "{unknown}");
        }
    }
}
