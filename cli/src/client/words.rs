//! Figures and results as people and programs read them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;
use stallion_engine::measure::outcome::ErrorKind;

/// Errors by kind, one line each, with what to do about them.
pub(crate) fn error_lines(errors: &BTreeMap<String, u64>) -> impl Iterator<Item = String> {
    errors.iter().map(|(name, count)| {
        let remedy = ErrorKind::named(name).map_or("", ErrorKind::remedy);
        format!("{name}: {count} ({remedy})")
    })
}

/// Writes `--json FILE|-`.
pub(crate) fn write_json(path: &Path, object: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(object)? + "\n";
    if path == Path::new("-") {
        std::io::stdout().write_all(text.as_bytes()).context("standard output")
    } else {
        std::fs::write(path, text).with_context(|| format!("--json {}", path.display()))
    }
}
