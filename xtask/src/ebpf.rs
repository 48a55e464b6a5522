//! `cargo xtask ebpf`: builds the kernel side of the probes, `probes/ebpf`, by the first toolchain
//! that works, and puts the object where the feature `ebpf` of stallion-probes embeds it from.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

use anyhow::{Context as _, bail};

use crate::{install, shell};

const TARGET: &str = "bpfel-unknown-none";
const OBJECT: &str = "stallion-ebpf.o";
const BPF_LINKER: &str = "0.13.0";

/// The distribution's way: a rustc with a prebuilt `core` for BPF, and the LLVM it was built with.
const PACKAGES: [&str; 3] = ["rustc-web", "libstd-rust-web-dev-bpf", "llvm-22-dev"];
const DISTRIBUTION_RUSTC: &str = "/usr/bin/rustc";
const LLVM_PREFIX: &str = "/usr/lib/llvm-22";
const LLVM_FEATURE: &str = "llvm-22";

/// What the object is made of; it is built again when one of them is newer.
const SOURCES: [&str; 3] = ["probes/ebpf", "probes-common", "xtask/src/ebpf.rs"];

/// A way to compile for BPF.
struct Toolchain {
    name: &'static str,
    /// Words before `build`, for example `cargo +nightly`.
    cargo: &'static [&'static str],
    /// Arguments of `cargo build`.
    arguments: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
    /// Whether it is complete here.
    usable: fn() -> bool,
}

const TOOLCHAINS: [Toolchain; 2] = [
    Toolchain {
        name: "rustup nightly with rust-src",
        cargo: &["cargo", "+nightly"],
        arguments: &["-Zbuild-std=core"],
        environment: &[],
        usable: nightly_has_sources,
    },
    Toolchain {
        name: "the distribution's rustc",
        cargo: &["cargo"],
        arguments: &[],
        environment: &[("RUSTC", DISTRIBUTION_RUSTC), ("RUSTC_BOOTSTRAP", "1")],
        usable: distribution_has_core,
    },
];

/// Builds the object unless it is fresh.
pub(crate) fn run() -> anyhow::Result<()> {
    let object = build()?;
    println!("eBPF object: {}", object.display());
    Ok(())
}

/// Builds the object unless it is fresh, and returns its path.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    let object = target().join("ebpf").join(OBJECT);
    if is_fresh(&object)? {
        return Ok(object);
    }
    let toolchain = toolchain()?;
    let linker = linker(toolchain)?;
    println!("building probes/ebpf with {}", toolchain.name);
    compile(toolchain, &linker)?;
    let folder = object.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let built = build_folder().join(TARGET).join("release/stallion-ebpf");
    fs::copy(&built, &object).with_context(|| format!("cannot copy {}", built.display()))?;
    Ok(object)
}

fn compile(toolchain: &Toolchain, linker: &Path) -> anyhow::Result<()> {
    let flags = [
        format!("-Clinker={}", linker.display()),
        // The loader needs the types of the maps; the verifier's log the lines.
        "-Clink-arg=--btf".to_owned(),
        "-Cdebuginfo=2".to_owned(),
        format!("--cfg=bpf_target_arch=\"{}\"", env::consts::ARCH),
    ];
    let (program, words) = toolchain.cargo.split_first().context("a toolchain names cargo")?;
    let status = Command::new(program)
        .args(words)
        .args(["build", "--release", "--locked", "--target", TARGET])
        .args(toolchain.arguments)
        .arg("--target-dir")
        .arg(build_folder())
        .current_dir(shell::root().join("probes/ebpf"))
        // This program runs under `cargo run`, whose toolchain must not be inherited.
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC")
        .envs(toolchain.environment.iter().copied())
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .status()?;
    if !status.success() {
        bail!("building probes/ebpf with {} failed ({status})", toolchain.name);
    }
    Ok(())
}

/// The first toolchain that is complete; the distribution's is installed where none is.
fn toolchain() -> anyhow::Result<&'static Toolchain> {
    if let Some(found) = TOOLCHAINS.iter().find(|toolchain| (toolchain.usable)()) {
        return Ok(found);
    }
    install::ensure_apt(&PACKAGES).context(
        "no toolchain compiles for BPF here; with rustup: \
         rustup toolchain install nightly --component rust-src",
    )?;
    TOOLCHAINS
        .iter()
        .find(|toolchain| (toolchain.usable)())
        .with_context(|| format!("{DISTRIBUTION_RUSTC} has no core for {TARGET}"))
}

fn nightly_has_sources() -> bool {
    shell::output_quietly(&["rustc", "+nightly", "--print", "sysroot"]).is_some_and(|sysroot| {
        Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core").is_dir()
    })
}

fn distribution_has_core() -> bool {
    let folder = [DISTRIBUTION_RUSTC, "--print", "target-libdir", "--target", TARGET];
    shell::output_quietly(&folder)
        .and_then(|folder| fs::read_dir(folder.trim()).ok())
        .is_some_and(|mut files| files.next().is_some())
}

/// The linker: one in the PATH, or one of our own below the target folder. It must be linked with
/// an LLVM no older than the compiler's.
fn linker(toolchain: &Toolchain) -> anyhow::Result<PathBuf> {
    let root = target().join("tools");
    let own = root.join("bin/bpf-linker");
    if own.is_file() {
        return Ok(own);
    }
    if shell::succeeds(&["bpf-linker", "--version"]) {
        return Ok(PathBuf::from("bpf-linker"));
    }
    let root = root.display().to_string();
    let mut line = vec!["cargo", "install", "bpf-linker", "--version", BPF_LINKER, "--root", &root];
    let mut command_prefix = Vec::new();
    // The nightly's LLVM is in its own library, which bpf-linker's default features find.
    if !toolchain.environment.is_empty() {
        install::ensure_apt(&PACKAGES[2..])?;
        line.extend(["--no-default-features", "--features", LLVM_FEATURE]);
        command_prefix.push(format!("LLVM_PREFIX={LLVM_PREFIX}"));
    }
    let mut words = vec!["env"];
    words.extend(command_prefix.iter().map(String::as_str));
    words.extend(line);
    shell::run(&words)?;
    Ok(own)
}

/// Whether the object is newer than everything it is made of.
fn is_fresh(object: &Path) -> io::Result<bool> {
    let Ok(built) = fs::metadata(object).and_then(|facts| facts.modified()) else {
        return Ok(false);
    };
    let mut waiting: Vec<PathBuf> = SOURCES.iter().map(|path| shell::root().join(path)).collect();
    while let Some(path) = waiting.pop() {
        let facts = fs::metadata(&path)?;
        if facts.is_dir() {
            for entry in fs::read_dir(&path)? {
                waiting.push(entry?.path());
            }
        } else if facts.modified()? >= built {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The folder that cargo builds into.
fn target() -> PathBuf {
    let chosen = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    shell::root().join(chosen)
}

/// A folder of its own: the compiler differs from the workspace's.
fn build_folder() -> PathBuf {
    target().join("ebpf-build")
}
