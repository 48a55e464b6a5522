//! Installs what is missing, where it can.

use anyhow::bail;

use crate::shell;

/// Seconds that apt waits for another apt to end.
const LOCK: &str = "DPkg::Lock::Timeout=300";

/// Installs Debian packages that are not there yet; without root it says what to type.
pub(crate) fn ensure_apt(packages: &[&str]) -> anyhow::Result<()> {
    let missing: Vec<&str> = packages
        .iter()
        .copied()
        .filter(|package| !shell::succeeds(&["dpkg", "--status", package]))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let line = [
        &["apt-get", "-o", LOCK, "install", "--yes", "--no-install-recommends"],
        missing.as_slice(),
    ]
    .concat();
    if !shell::installed(&["apt-get"]) {
        bail!("install what is missing with this system's own tool: {}", missing.join(" "));
    }
    if !is_root() {
        bail!("install what is missing, as root: {}", line.join(" "));
    }
    // The lists of a fresh machine are old or empty, and a package of last month is gone.
    if !shell::succeeds(&["apt-cache", "show", missing[0]]) || shell::run(&line).is_err() {
        shell::run(&["apt-get", "update", "--quiet"])?;
        shell::run(&line)?;
    }
    Ok(())
}

/// Whether this process may install packages and load eBPF programs.
pub(crate) fn is_root() -> bool {
    shell::output(&["id", "-u"]).is_ok_and(|id| id.trim() == "0")
}
