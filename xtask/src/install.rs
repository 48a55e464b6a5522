//! Installs what is missing, where it can: first it says what, where and how big, and asks.

mod services;

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, bail};

use self::services::NotStarted;
use crate::shell;

/// Seconds that apt waits for another apt to end.
const LOCK: &str = "DPkg::Lock::Timeout=300";

/// Whether `--yes` was given: one answer for all that a command installs.
static AGREED: AtomicBool = AtomicBool::new(false);

/// What a command needs and a fresh machine lacks. Each is looked for, and installed, for itself.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Need {
    /// A Debian package, unless one of these programs is in the PATH.
    Program { any_of: &'static [&'static str], package: &'static str },
    /// A Debian package whose files are in no PATH.
    Package(&'static str),
}

/// A server to drive; Valkey serves as well.
pub(crate) const REDIS: Need =
    Need::Program { any_of: &["redis-server", "valkey-server"], package: "redis-server" };

impl Need {
    fn missing(self) -> Option<&'static str> {
        match self {
            Self::Program { any_of, package } => (!shell::installed(any_of)).then_some(package),
            Self::Package(package) => (!is_package_installed(package)).then_some(package),
        }
    }
}

/// From here on nothing is asked.
pub(crate) fn agree() {
    AGREED.store(true, Ordering::Relaxed);
}

/// Installs what of these is not there, all of it or nothing.
pub(crate) fn ensure(needs: &[Need]) -> anyhow::Result<()> {
    let missing: Vec<&str> = needs.iter().filter_map(|need| need.missing()).collect();
    install_packages(&missing)
}

/// Installs Debian packages that are not there yet; without root it says what to type.
pub(crate) fn ensure_apt(packages: &[&str]) -> anyhow::Result<()> {
    let missing: Vec<&str> =
        packages.iter().copied().filter(|package| !is_package_installed(package)).collect();
    install_packages(&missing)
}

fn is_package_installed(package: &str) -> bool {
    let status = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package];
    shell::output_quietly(&status).is_some_and(|status| status == "installed")
}

fn install_packages(missing: &[&str]) -> anyhow::Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    if !shell::installed(&["apt-get"]) {
        bail!("install what is missing with this system's own tool: {}", missing.join(" "));
    }
    let install = ["apt-get", "-o", LOCK, "install", "--no-install-recommends"];
    let line = [&install[..], &["--yes"], missing].concat();
    if !is_root() {
        bail!("install what is missing, as root: {}", line.join(" "));
    }
    // The lists of a fresh machine are old or empty, and a package of last month is gone.
    if !missing.iter().all(|package| shell::succeeds(&["apt-cache", "show", package])) {
        shell::run(&["apt-get", "-o", LOCK, "update", "--quiet"])?;
    }
    let simulated = [&install[..], &["--assume-no"], missing].concat();
    consent(&format!(
        "To be installed from Debian's packages, into the system: {}\n{}",
        missing.join(" "),
        sizes(&shell::output_whatever(&simulated))
    ))?;
    let _services = NotStarted::of(missing)?;
    if shell::run(&line).is_err() {
        shell::run(&["apt-get", "-o", LOCK, "update", "--quiet"])?;
        shell::run(&line)?;
    }
    Ok(())
}

/// The lines in which apt says how much it fetches and keeps.
fn sizes(told: &str) -> String {
    let sizes = |line: &&str| line.starts_with("Need to get") || line.starts_with("After this");
    told.lines().filter(sizes).collect::<Vec<_>>().join("\n")
}

/// Says what is about to be installed. Asks where somebody can answer; elsewhere to have started
/// the command is the answer.
pub(crate) fn consent(what: &str) -> anyhow::Result<()> {
    println!("\n{}", what.trim_end());
    if AGREED.load(Ordering::Relaxed) || !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Ok(());
    }
    print!("Install? [Y/n] (--yes: never asks) ");
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    match answer.trim().to_lowercase().as_str() {
        "" | "y" | "yes" => Ok(()),
        _ => bail!("nothing was installed, as you said"),
    }
}

/// Whether this process may install packages and load eBPF programs.
pub(crate) fn is_root() -> bool {
    // SAFETY: asks for a number.
    unsafe { libc::geteuid() == 0 }
}

/// What the tests read Stallion's files with, one line each as pip has it.
const PYTHON: &str = include_str!("../python.txt");

/// An environment of Python's own under the target folder, with what the tests need: nothing of the
/// host's Python is touched. A registry that cannot be reached is a failure, and says so.
pub(crate) fn ensure_python() -> anyhow::Result<()> {
    let folder = shell::target().join("python");
    let noted = folder.join("installed.txt");
    if std::fs::read_to_string(&noted).is_ok_and(|text| text == PYTHON) {
        return Ok(());
    }
    let packages: Vec<&str> = PYTHON.lines().filter(|line| !line.starts_with('#')).collect();
    let path = folder.display().to_string();
    consent(&format!(
        "To be installed from pip's index, into {path}: {}\nAfter this 200 MB are used.",
        packages.join(" ")
    ))?;
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

/// The path of a program that came with them.
pub(crate) fn python_program(name: &str) -> anyhow::Result<String> {
    ensure_python()?;
    Ok(shell::target().join("python/bin").join(name).display().to_string())
}

/// A cargo subcommand of its own, below the target folder: nothing is left in cargo's home.
pub(crate) fn ensure_cargo_tool(name: &str, flags: &[&str]) -> anyhow::Result<()> {
    if shell::installed(&[name]) {
        return Ok(());
    }
    let root = shell::tools();
    consent(&format!("To be built from crates.io, into {}: {name}", root.display()))?;
    let root = root.display().to_string();
    shell::run(&[&["cargo", "install", name, "--locked", "--root", &root], flags].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_not_missing_and_one_program_stands_for_another() {
        let there = Need::Program { any_of: &["no-such-program", "sh"], package: "dash" };
        assert_eq!(there.missing(), None);
        let absent = Need::Program { any_of: &["no-such-program"], package: "no-such-package" };
        assert_eq!(absent.missing(), Some("no-such-package"));
    }

    #[test]
    fn the_sizes_are_those_that_apt_tells() {
        let told = "Reading package lists...\nNeed to get 1,403 kB of archives.\n\
                    After this operation, 5,030 kB of additional disk space will be used.\nAbort.";
        assert_eq!(sizes(told).lines().count(), 2);
    }
}
