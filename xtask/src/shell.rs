//! Starts other programs, in the workspace's folder, and tells what it starts.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// The workspace's folder.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    let chosen = std::env::var_os("CARGO_TARGET_DIR");
    root().join(chosen.as_deref().map_or(Path::new("target"), Path::new))
}

/// Where programs are put that only this project needs.
pub(crate) fn tools() -> PathBuf {
    target().join("tools")
}

/// The PATH, and behind it our own tools.
pub(crate) fn path() -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([tools().join("bin")]);
    // Only a folder with a colon in its name cannot be joined.
    std::env::join_paths(folders).unwrap_or(path)
}

/// A command in the workspace's folder.
pub(crate) fn command(words: &[&str]) -> Command {
    let (program, arguments) = words.split_first().unwrap_or((&"true", &[]));
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root()).env("PATH", path());
    command
}

/// Prints a command, runs it, and fails when it fails.
pub(crate) fn run(words: &[&str]) -> anyhow::Result<()> {
    println!("$ {}", words.join(" "));
    let status = command(words).status().with_context(|| format!("cannot start `{}`", words[0]))?;
    if !status.success() {
        bail!("`{}` failed ({status})", words.join(" "));
    }
    Ok(())
}

/// What a command prints to standard output.
pub(crate) fn output(words: &[&str]) -> anyhow::Result<String> {
    let output = command(words)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{}`", words[0]))?;
    if !output.status.success() {
        bail!("`{}` failed ({})", words.join(" "), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What a command prints, when it can be started and succeeds; its complaints are not shown.
pub(crate) fn output_quietly(words: &[&str]) -> Option<String> {
    let output = command(words).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What a command prints, whether or not it succeeds; empty where it cannot be started.
pub(crate) fn output_whatever(words: &[&str]) -> String {
    let output = command(words).env("LC_ALL", "C").stderr(Stdio::null()).output();
    output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

/// Whether a command runs and succeeds; it prints nothing.
pub(crate) fn succeeds(words: &[&str]) -> bool {
    command(words)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Whether one of these programs is in the PATH.
pub(crate) fn installed(programs: &[&str]) -> bool {
    std::env::split_paths(&path())
        .any(|folder| programs.iter().any(|program| folder.join(program).is_file()))
}
