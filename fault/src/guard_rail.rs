//! `guard-rail`: a snapshot, a rewrite or a crash under acknowledged writes, within a limit of memory;
//! who is killed, and what is gone after a restart.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redis::RedisError;
use serde_json::json;

use crate::acknowledged::{Acknowledged, Left};
use crate::arguments::share_in_percent;
use crate::child_job::wait_for_children;
use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use stallion_server::ask::{config, set_config};
use stallion_server::duration;
use stallion_server::info::Info;
use stallion_stack::MemoryGroup;
use stallion_stack::respawn::Process;

const DEFAULT_KEYS: u64 = 50_000;
/// Writes after what is to happen.
const AFTER: Duration = Duration::from_millis(500);
/// With headroom the data may grow by so much before writes are refused.
const HEADROOM: f64 = 1.02;

/// Task: a snapshot, a rewrite or a crash under acknowledged writes; count what is lost
#[derive(Debug, clap::Args)]
pub(crate) struct GuardRail {
    /// What happens
    #[arg(long, value_name = "EVENT", alias = "kind", default_value = "bgsave")]
    event: Event,
    /// What guards the server
    #[arg(long, value_name = "GUARD", alias = "policy", default_value = "open")]
    guard: Guard,
    /// Keys of 1 kB to fill before
    #[arg(long, value_name = "N", default_value_t = DEFAULT_KEYS, value_parser = clap::value_parser!(u64).range(1..))]
    keys: u64,
    /// Limit the memory, so that this share of the limit is in use
    #[arg(long, value_name = "PERCENT", value_parser = share_in_percent)]
    memory: Option<f64>,
    /// How long to write before it happens
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse, default_value = "1s")]
    lasts: Duration,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Event {
    Bgsave,
    #[value(name = "aof-rewrite")]
    Rewrite,
    Crash,
}

/// What guards the server, or is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Guard {
    // Nothing.
    Open,
    // A maxmemory a little above what is used.
    Headroom,
    // An oom-score-adj by which the child is killed first.
    ChildFirst,
    // Nothing, and no snapshot before.
    Fresh,
}

impl Fault for GuardRail {
    fn inject(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        let (event, guard, share) = (self.event, self.guard, self.memory);
        let process = endpoint.process()?;
        let patient = Endpoint::unhurried(endpoint)?;
        let limits = ["maxmemory", "oom-score-adj"];
        let mut before = Vec::new();
        for name in limits {
            before.push((name, config(&mut endpoint.connection, name)?));
        }
        let group = share.map(|_| MemoryGroup::around(process.pid)).transpose();
        let group =
            group.map_err(|error| FaultError::Failed(format!("no limit of memory: {error}")))?;
        let trial = Trial { event, guard, share, process, group, patient };
        let told = trial.play(endpoint, self);
        let put_back = put_back(endpoint, &before);
        let detail = told?;
        put_back?;
        Ok(detail)
    }
}

/// Directives as they were.
fn put_back(endpoint: &Endpoint, before: &[(&str, String)]) -> Result<(), FaultError> {
    let mut connection = endpoint.target.connect()?;
    for (name, value) in before {
        set_config(&mut connection, name, value)?;
    }
    Ok(())
}

/// What takes part.
struct Trial {
    event: Event,
    guard: Guard,
    share: Option<f64>,
    process: Process,
    group: Option<MemoryGroup>,
    /// Waits for deaths and returns, which an interrupt does not cut short; to make one takes a server
    /// that lives.
    patient: Endpoint,
}

/// What there is until the way back.
struct Seen {
    client: Acknowledged,
    /// When the snapshot before was begun.
    saved: Option<Instant>,
    detail: Detail,
}

impl Trial {
    fn play(&self, endpoint: &mut Endpoint, asked: &GuardRail) -> Result<Detail, FaultError> {
        let seen = self.disturb(endpoint, asked);
        // Nobody else lifts the limit, starts the server again and removes the keys: what went wrong is
        // told after that.
        let lifted = self.group.as_ref().map_or(Ok(()), |group| group.limit(None));
        let revived = self.revive(endpoint)?;
        let told = seen.and_then(|seen| self.tell(endpoint, seen, revived));
        let swept = Acknowledged::sweep(&mut endpoint.connection);
        let detail = told?;
        swept?;
        lifted.map_err(|error| FaultError::Failed(error.to_string()))?;
        Ok(detail)
    }

    /// Fills, and lets it happen under writes.
    fn disturb(&self, endpoint: &mut Endpoint, asked: &GuardRail) -> Result<Seen, FaultError> {
        let mut client = Acknowledged::fill(&mut endpoint.connection, asked.keys)?;
        let mut saved = None;
        if self.guard != Guard::Fresh {
            saved = Some(Instant::now());
            redis::cmd("BGSAVE").query::<()>(&mut endpoint.connection)?;
            wait_for_children(endpoint)?;
        }
        let mut detail = self.limit(endpoint)?;
        let over = AtomicBool::new(false);
        let mut connection = endpoint.target.connect()?;
        let happened = thread::scope(|scope| {
            let writer = scope.spawn(|| client.write(&mut connection, &over));
            let happened = endpoint
                .wait(asked.lasts)
                .and_then(|()| self.happen(endpoint))
                .and_then(|detail| endpoint.wait(AFTER).map(|()| detail));
            over.store(true, Ordering::Relaxed);
            if let Err(panic) = writer.join() {
                std::panic::resume_unwind(panic);
            }
            happened
        });
        detail.extend(happened?);
        Ok(Seen { client, saved, detail })
    }

    /// Starts the server again if it is dead, and gives how long that took; with a new connection in
    /// any case, as the old one may have been dropped.
    fn revive(&self, endpoint: &mut Endpoint) -> Result<Option<Duration>, FaultError> {
        if self.process.lives() {
            match endpoint.target.connect() {
                Ok(connection) => {
                    endpoint.connection = connection;
                    return Ok(None);
                }
                // One that is being killed still stands in the table for a while.
                Err(error) if !self.process.dies() => return Err(error.into()),
                Err(_) => {}
            }
        }
        let (connection, took) = self.patient.start_again(&self.process)?;
        endpoint.connection = connection;
        Ok(Some(took))
    }

    /// What it has cost, with all that was written read back.
    fn tell(
        &self,
        endpoint: &mut Endpoint,
        seen: Seen,
        revived: Option<Duration>,
    ) -> Result<Detail, FaultError> {
        let Seen { client, saved, mut detail } = seen;
        if let Some(group) = &self.group {
            let kills = group.kills().unwrap_or(0);
            detail.insert("killed_processes".to_owned(), json!(kills));
        }
        detail.insert("server_killed".to_owned(), json!(u8::from(revived.is_some())));
        let wait_ms = client.longest_wait().as_secs_f64() * 1e3;
        detail.insert("longest_wait_ms".to_owned(), json!(wait_ms));
        if let Some(took) = revived {
            detail.insert("restart_ms".to_owned(), json!(took.as_secs_f64() * 1e3));
            if let (Some(saved), Some(last)) = (saved, client.last()) {
                let age_s = last.duration_since(saved).as_secs_f64();
                detail.insert("snapshot_age_s".to_owned(), json!(age_s));
            }
        }
        let left = client.look(&mut endpoint.connection)?;
        detail.extend(lost(&left));
        Ok(detail)
    }

    /// Sets the limits by what is in use now.
    fn limit(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        let used =
            Info::ask(&mut endpoint.connection, "memory")?.number("used_memory").unwrap_or(0);
        match self.guard {
            Guard::Headroom => {
                let limit = format!("{:.0}", used as f64 * HEADROOM);
                set_config(&mut endpoint.connection, "maxmemory", &limit)?;
            }
            Guard::ChildFirst => set_config(&mut endpoint.connection, "oom-score-adj", "yes")?,
            Guard::Open | Guard::Fresh => {}
        }
        let mut detail = Detail::from_iter([("used_memory".to_owned(), json!(used))]);
        if let (Some(group), Some(share)) = (&self.group, self.share) {
            let failed = |error: std::io::Error| FaultError::Failed(error.to_string());
            let anonymous = group.anonymous_bytes().map_err(failed)?;
            let limit = anonymous as f64 / share;
            group.limit(Some(limit as u64)).map_err(failed)?;
            detail.insert("anonymous_bytes".to_owned(), json!(anonymous));
            detail.insert("limit_bytes".to_owned(), json!(limit));
        }
        Ok(detail)
    }

    /// What is to happen, until it is over.
    fn happen(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        let command = match self.event {
            Event::Bgsave => "BGSAVE",
            Event::Rewrite => "BGREWRITEAOF",
            Event::Crash => {
                self.process.kill()?;
                return Ok(Detail::new());
            }
        };
        if !self.process.lives() {
            // The writes alone were too much.
            return Ok(Detail::from_iter([("died_before".to_owned(), json!(1))]));
        }
        let start = Instant::now();
        let asked = redis::cmd(command).query::<()>(&mut endpoint.connection);
        let ended = match asked {
            Ok(()) => wait_for_children(endpoint),
            // It lives, and says why there is no child: no memory for a fork, or another child.
            Err(error) if !error.is_io_error() => return Ok(refused(&error)),
            Err(error) => Err(error.into()),
        };
        let took_ms = start.elapsed().as_secs_f64() * 1e3;
        let mut detail = Detail::from_iter([("child_ms".to_owned(), json!(took_ms))]);
        match ended {
            Ok(info) => {
                let field = match self.event {
                    Event::Rewrite => "aof_last_bgrewrite_status",
                    _ => "rdb_last_bgsave_status",
                };
                let failed = info.text(field) != "ok";
                detail.insert("child_failed".to_owned(), json!(u8::from(failed)));
                detail.insert("copied_bytes".to_owned(), json!(info.number("current_cow_peak")));
                Ok(detail)
            }
            // That is what is to be seen; one that lives on has dropped us for another reason.
            Err(FaultError::Refused(error)) if error.is_io_error() && self.process.dies() => {
                Ok(detail)
            }
            Err(error) => Err(error),
        }
    }
}

/// No child, and the server's words.
fn refused(error: &RedisError) -> Detail {
    Detail::from_iter([
        ("child_failed".to_owned(), json!(1)),
        ("child_refused".to_owned(), json!(error.to_string())),
    ])
}

fn lost(left: &Left) -> Detail {
    Detail::from_iter([
        ("acknowledged".to_owned(), json!(left.acknowledged)),
        ("refused".to_owned(), json!(left.refused)),
        ("lost".to_owned(), json!(left.lost)),
        ("lost_keys".to_owned(), json!(left.lost_keys)),
        ("loss_window_ms".to_owned(), json!(left.window.as_secs_f64() * 1e3)),
    ])
}
