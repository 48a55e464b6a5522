//! Installs what is missing, where it can.

use std::path::PathBuf;

use anyhow::{Context as _, bail};

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

/// What the tests read Stallion's files with, one line each as pip has it.
const PYTHON: &str = include_str!("../python.txt");

/// An environment of Python's own under the target folder, with what the tests need: nothing of the
/// host's Python is touched. A registry that cannot be reached is a failure, and says so.
pub(crate) fn ensure_python() -> anyhow::Result<()> {
    let folder = target().join("python");
    let noted = folder.join("installed.txt");
    if std::fs::read_to_string(&noted).is_ok_and(|text| text == PYTHON) {
        return Ok(());
    }
    let path = folder.display().to_string();
    if !shell::installed(&["python3"]) {
        ensure_apt(&["python3", "python3-venv"])?;
    }
    if shell::run(&["python3", "-m", "venv", &path]).is_err() {
        ensure_apt(&["python3-venv"])?;
        shell::run(&["python3", "-m", "venv", &path])?;
    }
    let pip = folder.join("bin/pip").display().to_string();
    let list = shell::root().join("xtask/python.txt").display().to_string();
    shell::run(&[&pip, "install", "--quiet", "--disable-pip-version-check", "-r", &list]).context(
        "the tests that open files with other people's readers need them from pip's index: is it \
         reachable from here?",
    )?;
    std::fs::write(&noted, PYTHON)?;
    Ok(())
}

/// HdrHistogram's reference reader, which is Java's.
pub(crate) fn ensure_java() -> anyhow::Result<()> {
    if !shell::installed(&["java"]) {
        ensure_apt(&["default-jre-headless"])?;
    }
    ensure_apt(&["libhdrhistogram-java"])
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| shell::root().join("target"), |folder| shell::root().join(folder))
}
