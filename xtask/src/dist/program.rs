//! The released program: static, stripped, with its debug information beside it and the list of its
//! dependencies inside.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::architecture::Architecture;
use crate::{install, shell};

/// A released program is no bigger.
const MOST_BYTES: u64 = 15_000_000;

pub(super) struct Program {
    pub(super) architecture: Architecture,
    pub(super) path: PathBuf,
    /// Beside it, for debuggers and profilers.
    pub(super) debug: PathBuf,
}

impl Program {
    /// Builds it, with what cargo-auditable writes into it: tools read from the file alone which
    /// versions of which crates it was built of.
    pub(super) fn build(architecture: Architecture, out: &Path) -> anyhow::Result<Self> {
        shell::run(&["rustup", "target", "add", architecture.triple]).with_context(|| {
            format!("{} needs Rust's standard library for it", architecture.triple)
        })?;
        if !shell::installed(&[architecture.compiler]) {
            install::ensure_apt(&[architecture.package])?;
        }
        install::ensure_cargo_tool("cargo-auditable", &[])?;
        let build = ["cargo", "auditable", "build", "--release", "--locked"];
        let what = ["--package", "stallion", "--target", architecture.triple];
        let words = [&build[..], &what].concat();
        println!("$ {}", words.join(" "));
        let status = shell::command(&words).envs(architecture.environment()).status()?;
        if !status.success() {
            bail!("the program for {} does not build ({status})", architecture.name);
        }
        let built = shell::target().join(architecture.triple).join("release/stallion");
        let program = Self::split(architecture, &built, out)?;
        let size = fs::metadata(&program.path)?.len();
        if size > MOST_BYTES {
            bail!("{} has {size} bytes, more than {MOST_BYTES}", program.path.display());
        }
        Ok(program)
    }

    /// Divides a program into what runs and what debuggers read.
    pub(super) fn split(
        architecture: Architecture,
        built: &Path,
        out: &Path,
    ) -> anyhow::Result<Self> {
        let folder = out.join("programs").join(architecture.name);
        fs::create_dir_all(&folder)?;
        let (path, debug) = (folder.join("stallion"), folder.join("stallion.debug"));
        let objcopy = objcopy()?;
        let link = format!("--add-gnu-debuglink={}", debug.display());
        let [built, path_text, debug_text] =
            [built, &path, &debug].map(|path| path.display().to_string());
        shell::run(&[&objcopy, "--only-keep-debug", &built, &debug_text])?;
        shell::run(&[&objcopy, "--strip-all", &built, &path_text])?;
        shell::run(&[&objcopy, &link, &path_text])?;
        Ok(Self { architecture, path, debug })
    }
}

/// Rust's own, which knows every machine that Rust does.
fn objcopy() -> anyhow::Result<String> {
    let sysroot = shell::output(&["rustc", "--print", "sysroot"])?;
    let version = shell::output(&["rustc", "-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc -vV names no host")?;
    let path = Path::new(sysroot.trim()).join("lib/rustlib").join(host).join("bin/rust-objcopy");
    Ok(if path.is_file() { path.display().to_string() } else { "objcopy".to_owned() })
}
