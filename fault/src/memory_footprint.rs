//! `weigh`: the same entries in one form or another, what each costs in memory and in time, and a big
//! hash that is taken apart into buckets while the server serves.

use std::time::{Duration, Instant};

use redis::{Connection, Pipeline, Value};
use serde_json::json;

use crate::endpoint::Endpoint;
use crate::entry_forms::{FORMS, Form, bucket};
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use stallion_server::info::{Info, numbers};

const DEFAULT_ENTRIES: u64 = 100_000;
/// What was unlinked is waited for so long at most.
const FREED_WITHIN: Duration = Duration::from_secs(5);
/// Entries of one batch of commands.
const AT_ONCE: u64 = 500;
/// Keys whose MEMORY USAGE is asked.
const WEIGHED: u64 = 200;
/// Reads of which the time is taken.
const READS: u64 = 20_000;
/// The form from which a big hash is taken apart, the one that it becomes, and fields of a bucket there.
const BIG: &str = "one-hash";
const BUCKETS: &str = "hash-100";
const TO_BUCKETS: &str = "to-buckets";
const BUCKET: u64 = 100;

fn form_names() -> Vec<&'static str> {
    FORMS.iter().map(|form| form.name).chain([TO_BUCKETS]).collect()
}

/// Task: make entries in one form, measure what each costs in bytes and time, and remove them
#[derive(Debug, clap::Args)]
pub(crate) struct MemoryFootprint {
    /// Entries to make
    #[arg(long, value_name = "N", alias = "keys", default_value_t = DEFAULT_ENTRIES, value_parser = clap::value_parser!(u64).range(1..))]
    entries: u64,
    /// The form; to-buckets takes a big hash apart
    #[arg(long, value_name = "FORM", alias = "policy", default_value = "plain", value_parser = form_names())]
    form: String,
}

impl Fault for MemoryFootprint {
    fn inject(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        let (entries, word) = (self.entries, self.form.as_str());
        let name = if word == TO_BUCKETS { BIG } else { word };
        let form = Form::named(name)
            .ok_or_else(|| FaultError::Failed(format!("there is no form {name}")))?;
        let weighed = weigh(endpoint, form, entries);
        let apart = match (&weighed, word) {
            (Ok(_), TO_BUCKETS) => take_apart(endpoint, form, entries),
            _ => Ok(Detail::new()),
        };
        remove(endpoint, form, entries)?;
        if let Some(buckets) = Form::named(BUCKETS).filter(|_| word == TO_BUCKETS) {
            remove(endpoint, buckets, entries)?;
        }
        let (mut detail, apart) = (weighed?, apart?);
        detail.insert("form".to_owned(), json!(word));
        detail.extend(apart);
        Ok(detail)
    }
}

/// Allocated memory, when what was unlinked before has been freed: a thread of its own does that.
fn used(connection: &mut Connection) -> Result<f64, FaultError> {
    let start = Instant::now();
    loop {
        let memory = Info::ask(connection, "memory")?;
        let pending = memory.number("lazyfree_pending_objects").unwrap_or(0);
        if pending == 0 || start.elapsed() > FREED_WITHIN {
            return Ok(memory.number("used_memory").unwrap_or(0) as f64);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Calls and microseconds of one command so far.
fn calls(connection: &mut Connection, command: &str) -> Result<(f64, f64), FaultError> {
    let text: String = redis::cmd("INFO").arg("commandstats").query(connection)?;
    let numbers = numbers(&text);
    let of = |part: &str| numbers.get(&format!("cmdstat_{command}.{part}")).copied();
    Ok((of("calls").unwrap_or(0.0), of("usec").unwrap_or(0.0)))
}

/// Makes all entries and tells what they cost.
fn weigh(endpoint: &mut Endpoint, form: &Form, entries: u64) -> Result<Detail, FaultError> {
    let before = used(&mut endpoint.connection)?;
    let start = Instant::now();
    for first in (0..entries).step_by(AT_ONCE as usize) {
        let mut batch = Pipeline::new();
        for entry in first..(first + AT_ONCE).min(entries) {
            form.write(&mut batch, entry);
        }
        batch.query::<()>(&mut endpoint.connection)?;
        endpoint.wait(Duration::ZERO)?;
    }
    let written = start.elapsed();
    let after = used(&mut endpoint.connection)?;
    let (calls_before, us_before) = calls(&mut endpoint.connection, form.reads_by)?;
    let mut read = 0;
    while read < READS {
        let mut batch = Pipeline::new();
        for number in read..read + AT_ONCE {
            // A step that meets all entries before it meets one again.
            form.read(&mut batch, number.wrapping_mul(7_919) % entries);
        }
        let answers: Vec<Value> = batch.query(&mut endpoint.connection)?;
        if answers.iter().any(|answer| matches!(answer, Value::Nil)) {
            return Err(FaultError::Failed("an entry that was written is not there".to_owned()));
        }
        read += AT_ONCE;
    }
    let (calls_after, us_after) = calls(&mut endpoint.connection, form.reads_by)?;
    let (encoding, usage) = usage(&mut endpoint.connection, form, entries)?;
    let all = entries as f64;
    Ok(Detail::from_iter([
        ("entries".to_owned(), json!(entries)),
        ("bytes_per_entry".to_owned(), json!((after - before) / all)),
        ("usage_bytes_per_entry".to_owned(), json!(usage / all)),
        ("encoding".to_owned(), json!(encoding)),
        ("write_us".to_owned(), json!(written.as_secs_f64() * 1e6 / all)),
        (
            "read_us".to_owned(),
            json!((us_after - us_before) / (calls_after - calls_before).max(1.0)),
        ),
    ]))
}

/// The encoding of the first key, and what MEMORY USAGE says of all of them, by some.
fn usage(
    connection: &mut Connection,
    form: &Form,
    entries: u64,
) -> Result<(String, f64), FaultError> {
    let first = form.key(0);
    let encoding: String = redis::cmd("OBJECT").arg("ENCODING").arg(&first).query(connection)?;
    let mut keys: Vec<String> = Vec::new();
    for number in 0..WEIGHED.min(entries) {
        let key = form.key(number * (entries / WEIGHED.min(entries)));
        if keys.last() != Some(&key) {
            keys.push(key);
        }
    }
    let mut sum = 0.0;
    for key in &keys {
        let bytes: Option<f64> =
            redis::cmd("MEMORY").arg("USAGE").arg(key).arg("SAMPLES").arg(0).query(connection)?;
        sum += bytes.unwrap_or(0.0);
    }
    let per_key = sum / keys.len().max(1) as f64;
    Ok((encoding, per_key * all_keys(form, entries).len() as f64))
}

fn all_keys(form: &Form, entries: u64) -> Vec<String> {
    let mut keys: Vec<String> = (0..entries).map(|entry| form.key(entry)).collect();
    keys.dedup();
    keys
}

/// Moves the fields of a big hash into buckets by small steps, then lets it go.
fn take_apart(endpoint: &mut Endpoint, form: &Form, entries: u64) -> Result<Detail, FaultError> {
    let key = form.key(0);
    let before = used(&mut endpoint.connection)?;
    let start = Instant::now();
    let (mut cursor, mut steps, mut moved, mut longest_ms) = (0u64, 0u64, 0u64, 0f64);
    loop {
        let step = Instant::now();
        let (next, fields): (u64, Vec<(u64, String)>) = redis::cmd("HSCAN")
            .arg(&key)
            .arg(cursor)
            .arg("COUNT")
            .arg(AT_ONCE)
            .query(&mut endpoint.connection)?;
        let mut batch = Pipeline::new();
        for (field, value) in &fields {
            let place = bucket(*field, BUCKET);
            batch.cmd("HSET").arg(place).arg(field % BUCKET).arg(value).ignore();
        }
        batch.query::<()>(&mut endpoint.connection)?;
        longest_ms = longest_ms.max(step.elapsed().as_secs_f64() * 1e3);
        (cursor, steps, moved) = (next, steps + 1, moved + fields.len() as u64);
        if cursor == 0 {
            break;
        }
        endpoint.wait(Duration::ZERO)?;
    }
    let both = used(&mut endpoint.connection)?;
    redis::cmd("UNLINK").arg(&key).query::<()>(&mut endpoint.connection)?;
    if moved < entries {
        let text = format!("only {moved} of {entries} fields were found in the big hash");
        return Err(FaultError::Failed(text));
    }
    Ok(Detail::from_iter([
        ("apart_ms".to_owned(), json!(start.elapsed().as_secs_f64() * 1e3)),
        ("apart_steps".to_owned(), json!(steps)),
        ("apart_longest_ms".to_owned(), json!(longest_ms)),
        ("apart_bytes_per_entry".to_owned(), json!((both - before) / entries as f64)),
    ]))
}

/// Lets all keys of a form go.
fn remove(endpoint: &mut Endpoint, form: &Form, entries: u64) -> Result<(), FaultError> {
    for keys in all_keys(form, entries).chunks(AT_ONCE as usize) {
        redis::cmd("UNLINK").arg(keys).query::<()>(&mut endpoint.connection)?;
    }
    Ok(())
}
