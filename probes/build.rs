//! Names the committed eBPF object for the feature `ebpf`, and refuses one that is older than its
//! sources: its events might have another shape.

mod record;

use std::env;
use std::path::{Path, PathBuf};
use std::process::exit;

use self::record::{Record, digest, object, sources};

/// An object from elsewhere, for those who package Stallion with their own; its sources are unknown.
const OVERRIDE: &str = "STALLION_EBPF_OBJECT";

fn main() {
    println!("cargo::rerun-if-env-changed={OVERRIDE}");
    if env::var_os("CARGO_FEATURE_EBPF").is_none() {
        return;
    }
    let found = match env::var_os(OVERRIDE) {
        Some(path) => Ok(PathBuf::from(path)),
        None => committed(&PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default())),
    };
    match found {
        Ok(object) => {
            println!("cargo::rerun-if-changed={}", object.display());
            println!("cargo::rustc-env={OVERRIDE}={}", object.display());
        }
        Err(problem) => {
            println!("cargo::error={problem}");
            exit(1);
        }
    }
}

fn committed(package: &Path) -> Result<PathBuf, String> {
    for watched in [record::FOLDER, "ebpf/src", "ebpf/Cargo.toml", "ebpf/Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", package.join(watched).display());
    }
    println!("cargo::rerun-if-changed={}", package.join("../probes-common").display());
    let architecture = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let object = object(package, &architecture);
    if !object.is_file() {
        return Err(format!(
            "no eBPF object is committed for {architecture} ({} does not exist): build without the \
             probes (--no-default-features)",
            object.display()
        ));
    }
    let unreadable = |error: std::io::Error| format!("{}: {error}", object.display());
    let record = Record::read(package).map_err(unreadable)?;
    let refusal = |what: &str| {
        format!(
            "{} {what}: run `cargo xtask ebpf` and commit probes/object (as root it installs the \
             toolchain, 1.1 GB)",
            object.display()
        )
    };
    if record.value("sources") != Some(&*sources(package).map_err(unreadable)?) {
        return Err(refusal(
            "was built of other sources than probes/ebpf and probes-common are now",
        ));
    }
    if record.value(&architecture) != Some(&*digest(&object).map_err(unreadable)?) {
        return Err(refusal("is not the one that its record names"));
    }
    Ok(object)
}
