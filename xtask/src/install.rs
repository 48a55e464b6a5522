//! Installs what is missing, where it can.

use anyhow::bail;

use crate::shell;

/// Installs Debian packages; without root it says what to type.
pub(crate) fn ensure_apt(packages: &[&str]) -> anyhow::Result<()> {
    let line = [
        &["apt-get", "install", "--yes", "--no-install-recommends"],
        packages,
    ]
    .concat();
    if !is_root() {
        bail!("install what is missing, as root: {}", line.join(" "));
    }
    shell::run(&["apt-get", "update", "--quiet"])?;
    shell::run(&line)
}

/// Whether this process may install packages and load eBPF programs.
pub(crate) fn is_root() -> bool {
    shell::output(&["id", "-u"]).is_ok_and(|id| id.trim() == "0")
}
