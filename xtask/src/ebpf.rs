//! `cargo xtask ebpf`: compiles the kernel side of the probes, `probes/ebpf`, and writes the objects
//! that every other build embeds, `probes/object`.
//!
//! The objects are committed, so one toolchain makes them: the same sources then give the same
//! bytes on any machine and in any folder, and CI can compare.

#[path = "../../probes/record.rs"]
mod record;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::Value;

use self::record::Record;
use crate::{install, shell};

const TARGET: &str = "bpfel-unknown-none";

/// The machines that objects are committed for.
const ARCHITECTURES: [&str; 2] = ["x86_64", "aarch64"];

/// Debian's rustc has a prebuilt `core` for BPF; its LLVM is the one that the linker is built with.
const PACKAGES: [&str; 3] = ["rustc-web", "libstd-rust-web-dev-bpf", "llvm-22-dev"];
const RUSTC: &str = "/usr/bin/rustc";
const LLVM_PREFIX: &str = "/usr/lib/llvm-22";
const LLVM_FEATURE: &str = "llvm-22";
const BPF_LINKER: &str = "0.13.0";

/// Paths inside the objects, in place of those of the machine that built them.
const TREE: &str = "/stallion";
const CRATES: &str = "/crates";

/// What `cargo xtask ebpf --check` found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    Same,
    /// This machine cannot make these bytes: its toolchain is another, or there is none.
    NotCompared,
}

/// Writes the objects and their record, unless they are those of these sources and this toolchain.
pub(crate) fn run() -> anyhow::Result<()> {
    let toolchain = Toolchain::ensure()?;
    let package = package();
    if is_current(&package, &toolchain)? {
        println!("probes/{} is up to date", record::FOLDER);
        return Ok(());
    }
    fs::create_dir_all(package.join(record::FOLDER))?;
    let mut lines = vec![format!("sources: {}", record::sources(&package)?)];
    lines.extend(toolchain.lines());
    for architecture in ARCHITECTURES {
        let object = record::object(&package, architecture);
        fs::copy(toolchain.compile(architecture)?, &object)?;
        lines.push(format!("{architecture}: {}", record::digest(&object)?));
        println!("{}: {} bytes", object.display(), fs::metadata(&object)?.len());
    }
    fs::write(Record::path(&package), lines.join("\n") + "\n")?;
    println!("commit probes/{}: other builds embed it", record::FOLDER);
    Ok(())
}

/// Compiles the sources and compares the result with the committed objects, byte by byte.
pub(crate) fn check() -> anyhow::Result<Check> {
    let package = package();
    let recorded = Record::read(&package).context("the record of the eBPF objects")?;
    if recorded.value("sources") != Some(&*record::sources(&package)?) {
        bail!("the eBPF objects were built of other sources: run `cargo xtask ebpf`, and commit");
    }
    let toolchain = match Toolchain::ensure() {
        Ok(toolchain) => toolchain,
        Err(error) => {
            println!("\nThe eBPF objects are NOT compared with their sources: {error:#}\n");
            return Ok(Check::NotCompared);
        }
    };
    for (key, here) in toolchain.facts() {
        let there = recorded.value(key).unwrap_or("nothing");
        if there != here {
            println!("\nThe eBPF objects are NOT compared: built by {there}; here is {here}\n");
            return Ok(Check::NotCompared);
        }
    }
    for architecture in ARCHITECTURES {
        let (built, committed) =
            (toolchain.compile(architecture)?, record::object(&package, architecture));
        if fs::read(&built)? != fs::read(&committed)? {
            bail!(
                "{} differs from what its sources give ({}): run `cargo xtask ebpf`, and commit",
                committed.display(),
                built.display()
            );
        }
    }
    println!("the eBPF objects are, byte by byte, what their sources give");
    Ok(Check::Same)
}

fn is_current(package: &Path, toolchain: &Toolchain) -> anyhow::Result<bool> {
    let Ok(recorded) = Record::read(package) else {
        return Ok(false);
    };
    let mut facts = toolchain.facts().into_iter();
    let mut current = recorded.value("sources") == Some(&*record::sources(package)?)
        && facts.all(|(key, here)| recorded.value(key) == Some(here));
    for architecture in ARCHITECTURES {
        let digest = record::digest(&record::object(package, architecture)).ok();
        current &= digest.is_some() && recorded.value(architecture) == digest.as_deref();
    }
    Ok(current)
}

fn package() -> PathBuf {
    shell::root().join("probes")
}

/// The one toolchain that makes the committed objects, and what it says of itself.
struct Toolchain {
    rustc: String,
    cargo: String,
    linker: String,
}

impl Toolchain {
    /// Installs what is missing, after asking.
    fn ensure() -> anyhow::Result<Self> {
        if !has_core() {
            install::ensure_apt(&PACKAGES).context(
                "the eBPF objects are compiled by Debian's rustc-web and LLVM 22; everything else \
                 builds without them",
            )?;
        }
        if !has_core() {
            bail!("{RUSTC} has no core for {TARGET}");
        }
        ensure_linker()?;
        let tell = |words: &[&str]| {
            let told = cargo(words).output().with_context(|| words.join(" "))?;
            anyhow::Ok(String::from_utf8_lossy(&told.stdout).trim().to_owned())
        };
        Ok(Self {
            rustc: tell(&[RUSTC, "--version"])?,
            cargo: tell(&["cargo", "--version"])?,
            linker: tell(&["bpf-linker", "--version"])?,
        })
    }

    fn facts(&self) -> [(&'static str, &str); 3] {
        [("rustc", &*self.rustc), ("cargo", &*self.cargo), ("linker", &*self.linker)]
    }

    fn lines(&self) -> impl Iterator<Item = String> {
        self.facts().into_iter().map(|(key, value)| format!("{key}: {value}"))
    }

    /// Compiles for one architecture, and says where the object is.
    fn compile(&self, architecture: &str) -> anyhow::Result<PathBuf> {
        let mut flags = vec![
            "-Clinker=bpf-linker".to_owned(),
            // The loader needs the types of the maps; the verifier's log the lines.
            "-Clink-arg=--btf".to_owned(),
            "-Cdebuginfo=2".to_owned(),
            format!("--cfg=bpf_target_arch=\"{architecture}\""),
            format!("--remap-path-prefix={}={TREE}", shell::root().display()),
        ];
        for folder in crate_folders()? {
            flags.push(format!("--remap-path-prefix={}={CRATES}", folder.display()));
        }
        let folder = shell::target().join("ebpf-build").join(architecture);
        let status = cargo(&["cargo", "build", "--release", "--locked", "--target", TARGET])
            .arg("--target-dir")
            .arg(&folder)
            .env("RUSTC", RUSTC)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
            .status()?;
        if !status.success() {
            bail!("building probes/ebpf for {architecture} failed ({status})");
        }
        let (built, object) = (
            folder.join(TARGET).join("release/stallion-ebpf"),
            folder.join(format!("{architecture}.o")),
        );
        // Types and lines stay (.BTF, .BTF.ext): only DWARF goes, two thirds of the object.
        let objcopy = Path::new(LLVM_PREFIX).join("bin/llvm-objcopy");
        let words = [&objcopy, Path::new("--strip-debug"), &built, &object];
        shell::run(&words.map(|word| word.to_str().unwrap_or_default()))?;
        Ok(object)
    }
}

/// A command in the folder of the kernel side, free of what `cargo run` gave to this program.
fn cargo(words: &[&str]) -> Command {
    let mut command = shell::command(words);
    command.current_dir(package().join("ebpf"));
    for variable in ["RUSTUP_TOOLCHAIN", "RUSTFLAGS", "RUSTC", "RUSTC_WRAPPER"] {
        command.env_remove(variable);
    }
    command
}

/// Where the sources of other crates lie: folders of cargo's home, or of who vendors them.
fn crate_folders() -> anyhow::Result<Vec<PathBuf>> {
    let told = cargo(&["cargo", "metadata", "--locked", "--format-version", "1"]).output()?;
    if !told.status.success() {
        bail!("the crates of probes/ebpf: {}", String::from_utf8_lossy(&told.stderr));
    }
    let metadata: Value = serde_json::from_slice(&told.stdout)?;
    let packages = metadata["packages"].as_array().context("cargo names no packages")?;
    let mut folders: Vec<PathBuf> = packages
        .iter()
        .filter(|package| package["source"].is_string())
        .filter_map(|package| package["manifest_path"].as_str())
        .filter_map(|manifest| Path::new(manifest).ancestors().nth(2))
        .map(Path::to_owned)
        .collect();
    folders.sort();
    folders.dedup();
    Ok(folders)
}

fn has_core() -> bool {
    let folder = [RUSTC, "--print", "target-libdir", "--target", TARGET];
    Path::new(LLVM_PREFIX).join("bin/llvm-objcopy").is_file()
        && shell::output_quietly(&folder)
            .and_then(|folder| fs::read_dir(folder.trim()).ok())
            .is_some_and(|mut files| files.next().is_some())
}

/// The linker with the LLVM that the compiler has, below the target folder.
fn ensure_linker() -> anyhow::Result<()> {
    let wanted = format!("bpf-linker {BPF_LINKER}");
    if shell::output_quietly(&["bpf-linker", "--version"]).is_some_and(|it| it.trim() == wanted) {
        return Ok(());
    }
    install::ensure_apt(&PACKAGES[2..])?;
    let (prefix, root) =
        (format!("LLVM_PREFIX={LLVM_PREFIX}"), shell::tools().display().to_string());
    let install = ["cargo", "install", "bpf-linker", "--version", BPF_LINKER, "--locked"];
    let features = ["--no-default-features", "--features", LLVM_FEATURE, "--root", &root];
    shell::run(&[&["env", &prefix], &install[..], &features[..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The build script refuses then; here it is said before a build.
    #[test]
    fn the_committed_objects_are_those_of_their_record() {
        let package = package();
        let recorded = Record::read(&package).unwrap();
        assert_eq!(recorded.value("sources"), Some(&*record::sources(&package).unwrap()));
        for architecture in ARCHITECTURES {
            let object = record::object(&package, architecture);
            assert_eq!(recorded.value(architecture), Some(&*record::digest(&object).unwrap()));
            let bytes = fs::read(&object).unwrap();
            let root = shell::root().display().to_string();
            assert!(!bytes.windows(root.len()).any(|at| at == root.as_bytes()));
        }
    }
}
