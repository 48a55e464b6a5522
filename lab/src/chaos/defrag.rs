//! `defrag`: a heap with holes, and the server closing them while it serves.

use std::time::Duration;

use serde_json::json;
use stallion_timeline::clock::monotonic_ns;

use super::{Action, ChaosError, Detail, Parameter, Parameters, Site};
use crate::info::{Info, config, set_config};

const DEFAULT_KEYS: u64 = 200_000;
const DEFAULT_FOR: Duration = Duration::from_secs(5);
const KEYS_AT_ONCE: u64 = 500;
const VALUE_BYTES: usize = 200;
/// So that a little is worth the trouble.
const EAGER: [(&str, &str); 3] = [
    ("active-defrag-ignore-bytes", "1mb"),
    ("active-defrag-threshold-lower", "1"),
    ("activedefrag", "yes"),
];

pub(super) struct Defrag;

impl Action for Defrag {
    fn name(&self) -> &'static str {
        "defrag"
    }

    fn about(&self) -> &'static str {
        "makes `keys` keys, removes every other one, and turns activedefrag on for `for`; then all is \
         as it was"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter::Keys, Parameter::For]
    }

    fn destructive(&self) -> bool {
        true
    }

    fn act(&self, site: &mut Site, parameters: &Parameters) -> Result<Detail, ChaosError> {
        let keys = parameters.keys.unwrap_or(DEFAULT_KEYS);
        let prefix = format!("stallion:defrag:{:x}:", monotonic_ns());
        let mut before = Vec::new();
        for (name, _) in EAGER {
            before.push((name, config(&mut site.connection, name)?));
        }
        let done = fragment(site, &prefix, keys)
            .and_then(|()| mend(site, parameters.lasts.unwrap_or(DEFAULT_FOR)));
        for (name, value) in before.iter().rev() {
            set_config(&mut site.connection, name, value)?;
        }
        each(site, &prefix, (0..keys).collect(), "UNLINK")?;
        done
    }
}

fn fragment(site: &mut Site, prefix: &str, keys: u64) -> Result<(), ChaosError> {
    each(site, prefix, (0..keys).collect(), "SET")?;
    each(site, prefix, (0..keys).step_by(2).collect(), "UNLINK")
}

fn each(site: &mut Site, prefix: &str, keys: Vec<u64>, word: &str) -> Result<(), ChaosError> {
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
        batch.query::<()>(&mut site.connection)?;
    }
    Ok(())
}

fn mend(site: &mut Site, lasts: Duration) -> Result<Detail, ChaosError> {
    let holes = |site: &mut Site| -> Result<i64, ChaosError> {
        let memory = Info::ask(&mut site.connection, "memory")?;
        Ok(memory.number("allocator_frag_bytes").unwrap_or(0))
    };
    let before = holes(site)?;
    for (name, value) in EAGER {
        set_config(&mut site.connection, name, value)?;
    }
    site.wait(lasts)?;
    let stats = Info::ask(&mut site.connection, "stats")?;
    let after = holes(site)?;
    Ok(Detail::from_iter([
        ("frag_bytes_before".to_owned(), json!(before)),
        ("frag_bytes_after".to_owned(), json!(after)),
        ("hits".to_owned(), json!(stats.number("active_defrag_hits"))),
        ("total_ms".to_owned(), json!(stats.number("total_active_defrag_time"))),
    ]))
}
