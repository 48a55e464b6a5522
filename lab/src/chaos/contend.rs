//! `contend`: many clients add to the same few counters, each by read, change and write; what they
//! were told is held against what the server has in the end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redis::{Connection, ErrorKind, RedisError, RedisResult, ServerErrorKind};
use serde_json::json;

use super::{Action, ChaosError, Detail, Parameter, Parameters, Site};
use crate::info::Info;
use crate::target::Target;

const DEFAULT_CLIENTS: u64 = 8;
const DEFAULT_KEYS: u64 = 1;
const DEFAULT_FOR: Duration = Duration::from_secs(2);
const PREFIX: &str = "stallion:counter:";
/// Adds by read, change and write, as one command.
const SCRIPT: &str = "local n = tonumber(redis.call('GET', KEYS[1]) or '0') + 1 \
                      redis.call('SET', KEYS[1], n) return n";

/// How a client adds one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// INCR.
    Incr,
    /// GET, then SET.
    GetSet,
    /// GET, then MULTI, SET, EXEC.
    MultiSet,
    /// MULTI, INCR, EXEC.
    MultiIncr,
    /// WATCH, GET, MULTI, SET, EXEC, again until EXEC did it.
    Watch,
    /// EVALSHA, with EVAL when the server does not know the script.
    Evalsha,
}

const WAYS: [(&str, Way); 6] = [
    ("incr", Way::Incr),
    ("get-set", Way::GetSet),
    ("multi-set", Way::MultiSet),
    ("multi-incr", Way::MultiIncr),
    ("watch", Way::Watch),
    ("evalsha", Way::Evalsha),
];

pub(super) struct Contend;

impl Action for Contend {
    fn name(&self) -> &'static str {
        "contend"
    }

    fn about(&self) -> &'static str {
        "`count` clients add to `keys` counters for `for`, by `kind`: incr, get-set, multi-set, \
         multi-incr, watch or evalsha (flushes all scripts half-way: only at servers that Stallion \
         started, unless --allow-foreign); counts what was lost"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter::Kind, Parameter::Count, Parameter::Keys, Parameter::For]
    }

    fn act(&self, site: &mut Site, parameters: &Parameters) -> Result<Detail, ChaosError> {
        let kind = parameters.kind.as_deref().unwrap_or("incr");
        let names = WAYS.map(|(name, _)| name).join(", ");
        let (_, way) = WAYS.into_iter().find(|(name, _)| *name == kind).ok_or_else(|| {
            let text = format!("`kind` is one of {names}, not `{kind}`");
            ChaosError::Value { action: self.name(), text }
        })?;
        // SCRIPT FLUSH takes the scripts of all others, too.
        if way == Way::Evalsha && !site.may_be_harmed() {
            let target = site.target.to_string();
            return Err(ChaosError::Foreign { action: self.name(), target });
        }
        let keys = parameters.keys.unwrap_or(DEFAULT_KEYS).max(1);
        let clients = parameters.count.unwrap_or(DEFAULT_CLIENTS).max(1);
        remove(site, keys)?;
        let commands = total_commands(site)?;
        let lasts = parameters.lasts.unwrap_or(DEFAULT_FOR);
        let start = Instant::now();
        let tallies = add_together(site, way, clients, keys, lasts);
        let took = start.elapsed();
        let commands = total_commands(site)? - commands;
        let has = sum(site, keys);
        remove(site, keys)?;
        let mut all = Tally::default();
        for tally in tallies? {
            all.add(&tally);
        }
        Ok(all.detail(way, has?, took, commands))
    }
}

/// What clients were told.
#[derive(Debug, Default)]
struct Tally {
    added: u64,
    retries: u64,
    unknown_scripts: u64,
    took_us: Vec<u32>,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.added += other.added;
        self.retries += other.retries;
        self.unknown_scripts += other.unknown_scripts;
        self.took_us.extend_from_slice(&other.took_us);
    }

    /// `has` is the sum of the counters at the server, `commands` what it counted while they added.
    fn detail(mut self, way: Way, has: u64, took: Duration, commands: i64) -> Detail {
        self.took_us.sort_unstable();
        let at = |share: f64| {
            let place = (self.took_us.len() as f64 * share) as usize;
            self.took_us.get(place.min(self.took_us.len().saturating_sub(1))).copied()
        };
        let added = self.added.max(1) as f64;
        let lost = self.added.cast_signed() - has.cast_signed();
        Detail::from_iter([
            ("way".to_owned(), json!(format!("{way:?}"))),
            ("added".to_owned(), json!(self.added)),
            ("at_server".to_owned(), json!(has)),
            ("lost_updates".to_owned(), json!(lost)),
            ("lost_share".to_owned(), json!(lost as f64 / added)),
            ("adds_per_sec".to_owned(), json!(self.added as f64 / took.as_secs_f64())),
            ("retries".to_owned(), json!(self.retries)),
            ("retries_per_add".to_owned(), json!(self.retries as f64 / added)),
            ("unknown_scripts".to_owned(), json!(self.unknown_scripts)),
            ("commands_per_add".to_owned(), json!(commands as f64 / added)),
            ("p50_us".to_owned(), json!(at(0.5))),
            ("p99_us".to_owned(), json!(at(0.99))),
        ])
    }
}

fn key(number: u64) -> String {
    format!("{PREFIX}{number}")
}

fn remove(site: &mut Site, keys: u64) -> Result<(), ChaosError> {
    let names: Vec<String> = (0..keys).map(key).collect();
    Ok(redis::cmd("UNLINK").arg(names).query(&mut site.connection)?)
}

fn sum(site: &mut Site, keys: u64) -> Result<u64, ChaosError> {
    let names: Vec<String> = (0..keys).map(key).collect();
    let values: Vec<Option<u64>> = redis::cmd("MGET").arg(names).query(&mut site.connection)?;
    Ok(values.into_iter().flatten().sum())
}

fn total_commands(site: &mut Site) -> Result<i64, ChaosError> {
    let info = Info::ask(&mut site.connection, "stats")?;
    Ok(info.number("total_commands_processed").unwrap_or(0))
}

/// All clients at once, each until the time is over; none is cut off within an addition.
fn add_together(
    site: &Site,
    way: Way,
    clients: u64,
    keys: u64,
    lasts: Duration,
) -> Result<Vec<Tally>, ChaosError> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for client in 0..clients {
            let (over, target) = (&over, &site.target);
            threads.push(scope.spawn(move || add_until(target, way, client, keys, over)));
        }
        let waited = site.wait(lasts / 2);
        let flushed = if way == Way::Evalsha { flush_scripts(&site.target) } else { Ok(()) };
        let waited = waited.and_then(|()| site.wait(lasts / 2));
        over.store(true, Ordering::Relaxed);
        let gone = || ChaosError::Failed("a client's thread ended by itself".to_owned());
        let all: Result<Vec<Tally>, ChaosError> =
            threads.into_iter().map(|thread| thread.join().map_err(|_| gone())?).collect();
        waited?;
        flushed?;
        all
    })
}

fn flush_scripts(target: &Target) -> Result<(), ChaosError> {
    Ok(redis::cmd("SCRIPT").arg("FLUSH").query(&mut target.connect()?)?)
}

fn add_until(
    target: &Target,
    way: Way,
    client: u64,
    keys: u64,
    over: &AtomicBool,
) -> Result<Tally, ChaosError> {
    let mut connection = target.connect()?;
    let digest = sha1_smol::Sha1::from(SCRIPT).digest().to_string();
    let mut tally = Tally::default();
    let mut number = client;
    while !over.load(Ordering::Relaxed) {
        let key = key(number % keys);
        number += 1;
        let start = Instant::now();
        match way {
            Way::Incr => redis::cmd("INCR").arg(&key).query::<()>(&mut connection)?,
            Way::GetSet => {
                let value = read(&mut connection, &key)?;
                redis::cmd("SET").arg(&key).arg(value + 1).query::<()>(&mut connection)?;
            }
            Way::MultiSet => {
                let value = read(&mut connection, &key)?;
                transaction(redis::cmd("SET").arg(&key).arg(value + 1), &mut connection)?;
            }
            Way::MultiIncr => {
                transaction(redis::cmd("INCR").arg(&key), &mut connection)?;
            }
            Way::Watch => tally.retries += watched(&mut connection, &key)?,
            Way::Evalsha => tally.unknown_scripts += scripted(&mut connection, &digest, &key)?,
        }
        tally.added += 1;
        tally.took_us.push(u32::try_from(start.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    Ok(tally)
}

fn read(connection: &mut Connection, key: &str) -> RedisResult<u64> {
    let value: Option<u64> = redis::cmd("GET").arg(key).query(connection)?;
    Ok(value.unwrap_or(0))
}

/// One command between MULTI and EXEC, in one round trip; whether EXEC did it.
fn transaction(command: &redis::Cmd, connection: &mut Connection) -> RedisResult<bool> {
    let done: Option<Vec<redis::Value>> =
        redis::pipe().atomic().add_command(command.clone()).query(connection)?;
    Ok(done.is_some())
}

/// How often it had to be tried again.
fn watched(connection: &mut Connection, key: &str) -> RedisResult<u64> {
    for tries in 0.. {
        redis::cmd("WATCH").arg(key).query::<()>(connection)?;
        let value = read(connection, key)?;
        if transaction(redis::cmd("SET").arg(key).arg(value + 1), connection)? {
            return Ok(tries);
        }
    }
    unreachable!("it is tried until it is done")
}

/// 1 when the server did not know the script and got its text.
fn scripted(connection: &mut Connection, digest: &str, key: &str) -> RedisResult<u64> {
    let known = redis::cmd("EVALSHA").arg(digest).arg(1).arg(key).query::<()>(connection);
    match known {
        Err(error) if is_unknown(&error) => {
            redis::cmd("EVAL").arg(SCRIPT).arg(1).arg(key).query::<()>(connection)?;
            Ok(1)
        }
        other => other.map(|()| 0),
    }
}

fn is_unknown(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}
