//! `defrag`: a heap with holes, and the server closing them while it serves.

use std::time::{Duration, Instant};

use serde_json::json;
use stallion_timeline::clock::monotonic_ns;

use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use stallion_server::ask::{config, set_config};
use stallion_server::duration;
use stallion_server::info::Info;

const DEFAULT_KEYS: u64 = 200_000;
const KEYS_AT_ONCE: u64 = 500;
const VALUE_BYTES: usize = 200;
/// So that a little is worth the trouble.
const EAGER: [(&str, &str); 3] = [
    ("active-defrag-ignore-bytes", "1mb"),
    ("active-defrag-threshold-lower", "1"),
    ("activedefrag", "yes"),
];

/// Make keys, remove every other one, and turn activedefrag on; without it, MEMORY PURGE and DEBUG RELOAD
#[derive(Debug, clap::Args)]
pub(crate) struct Defrag {
    /// Keys to make
    #[arg(long, value_name = "N", default_value_t = DEFAULT_KEYS)]
    keys: u64,
    /// How long activedefrag is on
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse, default_value = "5s")]
    lasts: Duration,
}

impl Fault for Defrag {
    fn inject(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        let keys = self.keys;
        let prefix = format!("stallion:defrag:{:x}:", monotonic_ns());
        let mut before = Vec::new();
        for (name, _) in EAGER {
            before.push((name, config(&mut endpoint.connection, name)?));
        }
        let done = fragment(endpoint, &prefix, keys).and_then(|()| mend(endpoint, self.lasts));
        for (name, value) in before.iter().rev() {
            set_config(&mut endpoint.connection, name, value)?;
        }
        each(endpoint, &prefix, (0..keys).collect(), "UNLINK")?;
        done
    }
}

fn fragment(endpoint: &mut Endpoint, prefix: &str, keys: u64) -> Result<(), FaultError> {
    each(endpoint, prefix, (0..keys).collect(), "SET")?;
    each(endpoint, prefix, (0..keys).step_by(2).collect(), "UNLINK")
}

fn each(
    endpoint: &mut Endpoint,
    prefix: &str,
    keys: Vec<u64>,
    word: &str,
) -> Result<(), FaultError> {
    let value = "x".repeat(VALUE_BYTES);
    for part in keys.chunks(KEYS_AT_ONCE as usize) {
        let mut batch = redis::Pipeline::new();
        for number in part {
            let command = batch.cmd(word).arg(format!("{prefix}{number}"));
            if word == "SET" {
                command.arg(&value);
            }
            command.ignore();
        }
        batch.query::<()>(&mut endpoint.connection)?;
    }
    Ok(())
}

/// What the allocator holds beyond what it gave away, and what the process holds, in bytes.
fn holes(endpoint: &mut Endpoint) -> Result<(i64, i64), FaultError> {
    let memory = Info::ask(&mut endpoint.connection, "memory")?;
    let field = |name: &str| memory.number(name).unwrap_or(0);
    Ok((field("allocator_frag_bytes"), field("used_memory_rss")))
}

fn mend(endpoint: &mut Endpoint, lasts: Duration) -> Result<Detail, FaultError> {
    let (holes_before, rss_before) = holes(endpoint)?;
    let mut detail = Detail::from_iter([
        ("frag_bytes_before".to_owned(), json!(holes_before)),
        ("rss_before".to_owned(), json!(rss_before)),
    ]);
    let eager = EAGER
        .iter()
        .try_for_each(|(name, value)| set_config(&mut endpoint.connection, name, value));
    match eager {
        Ok(()) => {
            endpoint.wait(lasts)?;
            let stats = Info::ask(&mut endpoint.connection, "stats")?;
            detail.insert("hits".to_owned(), json!(stats.number("active_defrag_hits")));
            detail.insert("total_ms".to_owned(), json!(stats.number("total_active_defrag_time")));
        }
        // Servers that were built with the system's allocator cannot move what lives.
        Err(error) if error.to_string().contains("efrag") => {
            detail.insert("refused".to_owned(), json!(error.to_string()));
            detail.extend(otherwise(endpoint)?);
        }
        Err(error) => return Err(error.into()),
    }
    let (holes_after, rss_after) = holes(endpoint)?;
    detail.insert("frag_bytes_after".to_owned(), json!(holes_after));
    detail.insert("rss_after".to_owned(), json!(rss_after));
    Ok(detail)
}

/// Without active defragmentation: pages that are all free go back, and a reload packs anew.
fn otherwise(endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
    let mut detail = Detail::new();
    for (name, command) in [("purge", &["MEMORY", "PURGE"]), ("reload", &["DEBUG", "RELOAD"])] {
        let start = Instant::now();
        match redis::cmd(command[0]).arg(command[1]).query::<()>(&mut endpoint.connection) {
            Ok(()) => {
                let took_ms = start.elapsed().as_secs_f64() * 1e3;
                let (holes, rss) = holes(endpoint)?;
                detail.insert(format!("{name}_ms"), json!(took_ms));
                detail.insert(format!("frag_bytes_after_{name}"), json!(holes));
                detail.insert(format!("rss_after_{name}"), json!(rss));
            }
            Err(error) => {
                detail.insert(format!("{name}_refused"), json!(error.to_string()));
            }
        }
    }
    Ok(detail)
}
