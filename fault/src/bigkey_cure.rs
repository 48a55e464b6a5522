//! `bigkey-cure`: what the stalling commands do, in steps that others fit between.

use std::time::{Duration, Instant};

use redis::Value;
use serde_json::json;

use crate::bigkey::{DEFAULT_FIELDS, Kind, big_key_name, make, remove};
use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};

/// Elements of one step.
const STEP: u64 = 500;

/// Do the work of a stalling command in steps: SCAN, HSCAN, SSCAN, ZSCAN, LRANGE in parts, UNLINK
#[derive(Debug, clap::Args)]
pub(crate) struct BigKeyCure {
    /// Elements of the key
    #[arg(long, value_name = "N", default_value_t = DEFAULT_FIELDS, value_parser = clap::value_parser!(u64).range(1..))]
    fields: u64,
    /// The command to replace
    #[arg(long, value_name = "COMMAND", alias = "kind", default_value = "hgetall")]
    command: Kind,
}

impl Fault for BigKeyCure {
    fn destructive(&self) -> bool {
        false
    }

    fn inject(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        let (fields, kind) = (self.fields, self.command);
        let key = big_key_name();
        let made = make(endpoint, kind, &key, fields);
        let walked = made.and_then(|()| walk(endpoint, kind, &key, fields));
        let removed = remove(endpoint, &key);
        let (cure, steps) = walked?;
        removed?;
        let longest = steps.iter().max().copied().unwrap_or_default();
        let total: Duration = steps.iter().sum();
        Ok(Detail::from_iter([
            ("kind".to_owned(), json!(kind.name())),
            ("cure".to_owned(), json!(cure)),
            ("elements".to_owned(), json!(fields)),
            ("steps".to_owned(), json!(steps.len())),
            ("longest_us".to_owned(), json!(longest.as_micros())),
            ("total_us".to_owned(), json!(total.as_micros())),
        ]))
    }
}

/// The cure's name, and how long each step took.
fn walk(
    endpoint: &mut Endpoint,
    kind: Kind,
    key: &str,
    fields: u64,
) -> Result<(&'static str, Vec<Duration>), FaultError> {
    match kind {
        Kind::Keys => scan(endpoint, "SCAN", None),
        Kind::Hgetall => scan(endpoint, "HSCAN", Some(key)),
        Kind::Smembers => scan(endpoint, "SSCAN", Some(key)),
        Kind::Zrange => scan(endpoint, "ZSCAN", Some(key)),
        Kind::Lrange => parts(endpoint, key, fields),
        Kind::Del => {
            let start = Instant::now();
            redis::cmd("UNLINK").arg(key).query::<()>(&mut endpoint.connection)?;
            Ok(("UNLINK", vec![start.elapsed()]))
        }
    }
}

fn scan(
    endpoint: &mut Endpoint,
    name: &'static str,
    key: Option<&str>,
) -> Result<(&'static str, Vec<Duration>), FaultError> {
    let mut steps = Vec::new();
    let mut cursor = "0".to_owned();
    loop {
        let mut command = redis::cmd(name);
        if let Some(key) = key {
            command.arg(key);
        }
        command.arg(&cursor).arg("COUNT").arg(STEP);
        let start = Instant::now();
        let (next, _): (String, Value) = command.query(&mut endpoint.connection)?;
        steps.push(start.elapsed());
        if next == "0" {
            return Ok((name, steps));
        }
        cursor = next;
        endpoint.wait(Duration::ZERO)?;
    }
}

fn parts(
    endpoint: &mut Endpoint,
    key: &str,
    fields: u64,
) -> Result<(&'static str, Vec<Duration>), FaultError> {
    let mut steps = Vec::new();
    let mut from = 0;
    while from < fields {
        let mut command = redis::cmd("LRANGE");
        command.arg(key).arg(from).arg(from + STEP - 1);
        let start = Instant::now();
        command.query::<Value>(&mut endpoint.connection)?;
        steps.push(start.elapsed());
        from += STEP;
        endpoint.wait(Duration::ZERO)?;
    }
    Ok(("LRANGE in parts", steps))
}
