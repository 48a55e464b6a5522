//! `bigkey-on`: the two commands that stall a shard most often, on a hash made for it.

use std::time::Instant;

use redis::{Connection, RedisResult, Value};
use serde_json::json;
use stallion_timeline::clock::monotonic_ns;

use super::{Action, ChaosError, Detail, Parameter, Parameters, Site};
use crate::info::slowlog;

const DEFAULT_FIELDS: u64 = 200_000;
/// Small enough that making the hash is no stall of its own (about 0.6 ms a batch), large enough
/// that it is soon made while the server is busy with others.
const FIELDS_PER_BATCH: u64 = 1_000;
/// How far back SLOWLOG is searched for our own commands; the load makes entries, too.
const SLOWLOG_ENTRIES: u32 = 256;
const FIELD_VALUE: &str = "a value of the usual length, some forty-eight bytes.";

pub(super) struct BigKeyOn;

impl Action for BigKeyOn {
    fn name(&self) -> &'static str {
        "bigkey-on"
    }

    fn about(&self) -> &'static str {
        "KEYS * over the keyspace, then HGETALL of a big hash that is made for it and removed"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter::Fields]
    }

    fn act(&self, site: &mut Site, parameters: &Parameters) -> Result<Detail, ChaosError> {
        let fields = parameters.fields.unwrap_or(DEFAULT_FIELDS);
        if fields == 0 {
            return Err(ChaosError::Value {
                action: self.name(),
                text: "`fields` must be at least 1".to_owned(),
            });
        }
        let key = format!("stallion:bigkey:{:x}", monotonic_ns());
        let result = stall_with(site, &key, fields);
        // UNLINK frees it in the background: DEL would be a third stall, and an unnamed one.
        let removed: RedisResult<()> = redis::cmd("UNLINK").arg(&key).query(&mut site.connection);
        let detail = result?;
        removed?;
        Ok(detail)
    }
}

fn stall_with(site: &mut Site, key: &str, fields: u64) -> Result<Detail, ChaosError> {
    // KEYS needs no hash, and so begins when the action does.
    let keys = timed(&mut site.connection, redis::cmd("KEYS").arg("*"), "KEYS")?;
    make_hash(site, key, fields)?;
    let hgetall = timed(&mut site.connection, redis::cmd("HGETALL").arg(key), "HGETALL")?;
    Ok(Detail::from_iter([
        ("fields".to_owned(), json!(fields)),
        ("keys".to_owned(), keys),
        ("hgetall".to_owned(), hgetall),
    ]))
}

fn make_hash(site: &mut Site, key: &str, fields: u64) -> Result<(), ChaosError> {
    let mut made = 0;
    while made < fields {
        let batch = FIELDS_PER_BATCH.min(fields - made);
        let mut command = redis::cmd("HSET");
        command.arg(key);
        for number in made..made + batch {
            command.arg(format!("field:{number:09}")).arg(FIELD_VALUE);
        }
        command.query::<()>(&mut site.connection)?;
        made += batch;
        site.wait(std::time::Duration::ZERO)?;
    }
    Ok(())
}

/// Runs one command; gives its times here, and its execution time by SLOWLOG (none when it was
/// too quick for SLOWLOG's threshold).
fn timed(
    connection: &mut Connection,
    command: &redis::Cmd,
    name: &str,
) -> Result<serde_json::Value, ChaosError> {
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

fn elements(reply: &Value) -> usize {
    match reply {
        Value::Array(items) => items.len(),
        Value::Map(pairs) => pairs.len() * 2,
        _ => 0,
    }
}
