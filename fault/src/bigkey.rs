//! `bigkey-on`: one command on a big key, which stalls a shard for everybody.

use std::time::Instant;

use redis::{Connection, RedisResult, Value};
use serde_json::json;
use stallion_timeline::clock::monotonic_ns;

use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use stallion_server::ask::slowlog;

pub(crate) const DEFAULT_FIELDS: u64 = 200_000;
/// Small enough that making the key is no stall of its own (about 0.6 ms a batch), large enough
/// that it is soon made while the server is busy with others.
const FIELDS_PER_BATCH: u64 = 1_000;
/// How far back SLOWLOG is searched for our own commands; the load makes entries, too.
const SLOWLOG_ENTRIES: u32 = 256;
const FIELD_VALUE: &str = "a value of the usual length, some forty-eight bytes.";

/// A command that stalls, and the key that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    Keys,
    Hgetall,
    Lrange,
    Smembers,
    Zrange,
    Del,
}

impl Kind {
    /// The command that stalls.
    fn command(self, key: &str) -> redis::Cmd {
        let (name, after): (&str, &[&str]) = match self {
            Self::Keys => ("KEYS", &[]),
            Self::Hgetall => ("HGETALL", &[]),
            Self::Lrange => ("LRANGE", &["0", "-1"]),
            Self::Smembers => ("SMEMBERS", &[]),
            Self::Zrange => ("ZRANGE", &["0", "-1"]),
            Self::Del => ("DEL", &[]),
        };
        let mut command = redis::cmd(name);
        command.arg(if self == Self::Keys { "*" } else { key }).arg(after);
        command
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Hgetall => "hgetall",
            Self::Lrange => "lrange",
            Self::Smembers => "smembers",
            Self::Zrange => "zrange",
            Self::Del => "del",
        }
    }
}

/// Run KEYS * and HGETALL, or one other command, on a big key that is made for it and removed
#[derive(Debug, clap::Args)]
pub(crate) struct BigKeyOn {
    /// Elements of the key
    #[arg(long, value_name = "N", default_value_t = DEFAULT_FIELDS, value_parser = clap::value_parser!(u64).range(1..))]
    fields: u64,
    /// The one command to run instead
    #[arg(long, value_name = "COMMAND", alias = "kind")]
    command: Option<Kind>,
}

impl Fault for BigKeyOn {
    fn destructive(&self) -> bool {
        false
    }

    fn inject(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        let fields = self.fields;
        let key = big_key_name();
        let result = match self.command {
            None => both(endpoint, &key, fields),
            Some(kind) => stall(endpoint, kind, &key, fields),
        };
        let removed = remove(endpoint, &key);
        let detail = result?;
        removed?;
        Ok(detail)
    }
}

/// A name that nobody has.
pub(crate) fn big_key_name() -> String {
    format!("stallion:bigkey:{:x}", monotonic_ns())
}

/// UNLINK frees it in the background: DEL would be a stall more, and an unnamed one.
pub(crate) fn remove(endpoint: &mut Endpoint, key: &str) -> RedisResult<()> {
    redis::cmd("UNLINK").arg(key).query(&mut endpoint.connection)
}

fn both(endpoint: &mut Endpoint, key: &str, fields: u64) -> Result<Detail, FaultError> {
    // KEYS needs no hash, and so begins when the action does.
    let keys = timed(&mut endpoint.connection, &Kind::Keys.command(key), "KEYS")?;
    make(endpoint, Kind::Hgetall, key, fields)?;
    let hgetall = timed(&mut endpoint.connection, &Kind::Hgetall.command(key), "HGETALL")?;
    Ok(Detail::from_iter([
        ("fields".to_owned(), json!(fields)),
        ("keys".to_owned(), keys),
        ("hgetall".to_owned(), hgetall),
    ]))
}

fn stall(
    endpoint: &mut Endpoint,
    kind: Kind,
    key: &str,
    fields: u64,
) -> Result<Detail, FaultError> {
    make(endpoint, kind, key, fields)?;
    let made = Some(fields).filter(|_| kind != Kind::Keys);
    let name = kind.name().to_uppercase();
    let command = timed(&mut endpoint.connection, &kind.command(key), &name)?;
    Ok(Detail::from_iter([
        ("kind".to_owned(), json!(kind.name())),
        ("elements".to_owned(), json!(made)),
        ("command".to_owned(), command),
    ]))
}

/// Makes the key that a kind of command needs, a batch at a time.
pub(crate) fn make(
    endpoint: &mut Endpoint,
    kind: Kind,
    key: &str,
    fields: u64,
) -> Result<(), FaultError> {
    let word = match kind {
        Kind::Keys => return Ok(()),
        Kind::Hgetall => "HSET",
        Kind::Lrange => "RPUSH",
        Kind::Smembers | Kind::Del => "SADD",
        Kind::Zrange => "ZADD",
    };
    let mut made = 0;
    while made < fields {
        let batch = FIELDS_PER_BATCH.min(fields - made);
        let mut command = redis::cmd(word);
        command.arg(key);
        for number in made..made + batch {
            match kind {
                Kind::Hgetall => command.arg(format!("field:{number:09}")).arg(FIELD_VALUE),
                Kind::Zrange => command.arg(number).arg(format!("{FIELD_VALUE}{number:09}")),
                _ => command.arg(format!("{FIELD_VALUE}{number:09}")),
            };
        }
        command.query::<()>(&mut endpoint.connection)?;
        made += batch;
        endpoint.wait(std::time::Duration::ZERO)?;
    }
    Ok(())
}

/// Runs one command; gives its times here, and its execution time by SLOWLOG (none when it was
/// too quick for SLOWLOG's threshold).
fn timed(
    connection: &mut Connection,
    command: &redis::Cmd,
    name: &str,
) -> Result<serde_json::Value, FaultError> {
    let newest = slowlog(connection, 1)?.first().map_or(-1, |entry| entry.id);
    let begin_ns = monotonic_ns();
    let start = Instant::now();
    let reply: Value = command.query(connection)?;
    let client_us = start.elapsed().as_micros();
    let end_ns = monotonic_ns();
    let slowlog_us = slowlog(connection, SLOWLOG_ENTRIES)?
        .into_iter()
        .find(|entry| entry.id > newest && entry.name == name)
        .map(|entry| entry.duration_us);
    Ok(json!({
        "begin_ns": begin_ns,
        "end_ns": end_ns,
        "client_us": client_us,
        "slowlog_us": slowlog_us,
        "elements": elements(&reply),
    }))
}

fn elements(reply: &Value) -> Option<usize> {
    match reply {
        Value::Array(items) | Value::Set(items) => Some(items.len()),
        Value::Map(pairs) => Some(pairs.len() * 2),
        _ => None,
    }
}
