//! What the dependencies may be: licences, sources and bans, and what is known against them.

use anyhow::bail;

use crate::{install, shell};

/// What `deny.toml` decides without asking anybody.
const OFFLINE: [&str; 4] = ["check", "licenses", "bans", "sources"];

/// How cargo-deny says that it could not get the list of advisories.
const UNREACHABLE: &str = "failed to fetch advisory database";

/// Whether the advisories were looked at, too: their list comes from outside.
pub(crate) fn check() -> anyhow::Result<bool> {
    let program = install::python_program("cargo-deny")?;
    shell::run(&[&[&*program], &OFFLINE[..]].concat())?;
    let advisories = shell::command(&[&program, "check", "advisories"]).output()?;
    let told = String::from_utf8_lossy(&advisories.stderr);
    if told.contains(UNREACHABLE) {
        println!(
            "\nThe dependencies are NOT held against advisories: their list cannot be fetched\n"
        );
        return Ok(false);
    }
    print!("{told}");
    if !advisories.status.success() {
        bail!("a dependency has an advisory, see above");
    }
    Ok(true)
}
