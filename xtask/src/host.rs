//! The facts of this host, without which no absolute time means anything.

use anyhow::Context as _;
use serde_json::Value;

use crate::shell;

/// As a timeline's header has them.
pub(crate) fn facts() -> anyhow::Result<Value> {
    let example = ["--package", "stallion-timeline", "--example", "host"];
    let words = [&["cargo", "run", "--quiet", "--release"], &example[..]].concat();
    serde_json::from_str(&shell::output(&words)?).context("the host's facts")
}

/// In one line.
pub(crate) fn line(facts: &Value) -> String {
    let word = |key: &str| facts[key].as_str().unwrap_or_default().to_owned();
    let guest = if facts["virtualised"] == true { "virtual machine, " } else { "" };
    format!("{guest}{} x {}, Linux {}", facts["cpus"], word("cpu"), word("kernel"))
}
