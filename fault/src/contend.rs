//! `contend`: many clients add to the same few counters, each by read, change and write; what they
//! were told is held against what the server has in the end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redis::{Connection, ErrorKind, RedisError, RedisResult, ServerErrorKind};
use serde_json::json;

use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use stallion_server::Target;
use stallion_server::duration;
use stallion_server::info::Info;

const DEFAULT_CLIENTS: u64 = 8;
const DEFAULT_KEYS: u64 = 1;
const PREFIX: &str = "stallion:counter:";
/// Adds by read, change and write, as one command.
const SCRIPT: &str = "local n = tonumber(redis.call('GET', KEYS[1]) or '0') + 1 \
                      redis.call('SET', KEYS[1], n) return n";

/// How a client adds one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Method {
    // INCR.
    Incr,
    // GET, then SET.
    GetSet,
    // GET, then MULTI, SET, EXEC.
    MultiSet,
    // MULTI, INCR, EXEC.
    MultiIncr,
    // WATCH, GET, MULTI, SET, EXEC, again until EXEC did it.
    Watch,
    // EVALSHA, with EVAL when the server does not know the script.
    Evalsha,
}

/// Task: many clients add to the same few counters; count the updates that are lost
#[derive(Debug, clap::Args)]
pub(crate) struct Contend {
    /// How a client adds; evalsha flushes all scripts half-way
    #[arg(long, value_name = "METHOD", alias = "kind", default_value = "incr")]
    method: Method,
    /// Clients that add
    #[arg(long, value_name = "N", alias = "count", default_value_t = DEFAULT_CLIENTS, value_parser = clap::value_parser!(u64).range(1..))]
    clients: u64,
    /// Counters that they add to
    #[arg(long, value_name = "N", default_value_t = DEFAULT_KEYS, value_parser = clap::value_parser!(u64).range(1..))]
    keys: u64,
    /// How long they add
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse, default_value = "2s")]
    lasts: Duration,
}

impl Fault for Contend {
    fn destructive(&self) -> bool {
        false
    }

    fn inject(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        let method = self.method;
        // SCRIPT FLUSH takes the scripts of all others, too.
        if method == Method::Evalsha && !endpoint.may_be_harmed() {
            let target = endpoint.target.to_string();
            return Err(FaultError::Foreign { action: "contend", target });
        }
        let (keys, clients) = (self.keys, self.clients);
        remove(endpoint, keys)?;
        let commands = total_commands(endpoint)?;
        let lasts = self.lasts;
        let start = Instant::now();
        let tallies = add_together(endpoint, method, clients, keys, lasts);
        let took = start.elapsed();
        let commands = total_commands(endpoint)? - commands;
        let has = sum(endpoint, keys);
        remove(endpoint, keys)?;
        let mut all = Tally::default();
        for tally in tallies? {
            all.add(&tally);
        }
        Ok(all.detail(method, has?, took, commands))
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
    fn detail(mut self, method: Method, has: u64, took: Duration, commands: i64) -> Detail {
        self.took_us.sort_unstable();
        let at = |share: f64| {
            let place = (self.took_us.len() as f64 * share) as usize;
            self.took_us.get(place.min(self.took_us.len().saturating_sub(1))).copied()
        };
        let added = self.added.max(1) as f64;
        let lost = self.added.cast_signed() - has.cast_signed();
        Detail::from_iter([
            ("way".to_owned(), json!(format!("{method:?}"))),
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

fn remove(endpoint: &mut Endpoint, keys: u64) -> Result<(), FaultError> {
    let names: Vec<String> = (0..keys).map(key).collect();
    Ok(redis::cmd("UNLINK").arg(names).query(&mut endpoint.connection)?)
}

fn sum(endpoint: &mut Endpoint, keys: u64) -> Result<u64, FaultError> {
    let names: Vec<String> = (0..keys).map(key).collect();
    let values: Vec<Option<u64>> = redis::cmd("MGET").arg(names).query(&mut endpoint.connection)?;
    Ok(values.into_iter().flatten().sum())
}

fn total_commands(endpoint: &mut Endpoint) -> Result<i64, FaultError> {
    let info = Info::ask(&mut endpoint.connection, "stats")?;
    Ok(info.number("total_commands_processed").unwrap_or(0))
}

/// All clients at once, each until the time is over; none is cut off within an addition.
fn add_together(
    endpoint: &Endpoint,
    method: Method,
    clients: u64,
    keys: u64,
    lasts: Duration,
) -> Result<Vec<Tally>, FaultError> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for client in 0..clients {
            let (over, target) = (&over, &endpoint.target);
            threads.push(scope.spawn(move || add_until(target, method, client, keys, over)));
        }
        let waited = endpoint.wait(lasts / 2);
        let flushed =
            if method == Method::Evalsha { flush_scripts(&endpoint.target) } else { Ok(()) };
        let waited = waited.and_then(|()| endpoint.wait(lasts / 2));
        over.store(true, Ordering::Relaxed);
        let gone = || FaultError::Failed("a client's thread ended by itself".to_owned());
        let all: Result<Vec<Tally>, FaultError> =
            threads.into_iter().map(|thread| thread.join().map_err(|_| gone())?).collect();
        waited?;
        flushed?;
        all
    })
}

fn flush_scripts(target: &Target) -> Result<(), FaultError> {
    Ok(redis::cmd("SCRIPT").arg("FLUSH").query(&mut target.connect()?)?)
}

fn add_until(
    target: &Target,
    method: Method,
    client: u64,
    keys: u64,
    over: &AtomicBool,
) -> Result<Tally, FaultError> {
    let mut connection = target.connect()?;
    let digest = sha1_smol::Sha1::from(SCRIPT).digest().to_string();
    let mut tally = Tally::default();
    let mut number = client;
    while !over.load(Ordering::Relaxed) {
        let key = key(number % keys);
        number += 1;
        let start = Instant::now();
        match method {
            Method::Incr => redis::cmd("INCR").arg(&key).query::<()>(&mut connection)?,
            Method::GetSet => {
                let value = read(&mut connection, &key)?;
                redis::cmd("SET").arg(&key).arg(value + 1).query::<()>(&mut connection)?;
            }
            Method::MultiSet => {
                let value = read(&mut connection, &key)?;
                transaction(redis::cmd("SET").arg(&key).arg(value + 1), &mut connection)?;
            }
            Method::MultiIncr => {
                transaction(redis::cmd("INCR").arg(&key), &mut connection)?;
            }
            Method::Watch => tally.retries += watched(&mut connection, &key)?,
            Method::Evalsha => tally.unknown_scripts += scripted(&mut connection, &digest, &key)?,
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
