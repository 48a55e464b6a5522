//! Starts other programs, in the workspace's folder, and tells what it starts.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// The workspace's folder.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// A command in the workspace's folder.
pub(crate) fn command(words: &[&str]) -> Command {
    let (program, arguments) = words.split_first().unwrap_or((&"true", &[]));
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
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
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .any(|folder| programs.iter().any(|program| folder.join(program).is_file()))
}
