//! Finds the eBPF object that `cargo xtask ebpf` built, when the feature `ebpf` wants it embedded.

use std::env;
use std::path::{Path, PathBuf};
use std::process::exit;

/// Where `cargo xtask ebpf` puts the object, below the target folder.
const OBJECT: &str = "ebpf/stallion-ebpf.o";

fn main() {
    println!("cargo::rerun-if-env-changed=CARGO_TARGET_DIR");
    println!("cargo::rerun-if-env-changed=STALLION_EBPF_OBJECT");
    if env::var_os("CARGO_FEATURE_EBPF").is_none() {
        return;
    }
    let object = object();
    println!("cargo::rerun-if-changed={}", object.display());
    if !object.is_file() {
        println!(
            "cargo::error=the feature `ebpf` embeds {}, which does not exist: run `cargo xtask ebpf`",
            object.display()
        );
        exit(1);
    }
    println!("cargo::rustc-env=STALLION_EBPF_OBJECT={}", object.display());
}

/// `STALLION_EBPF_OBJECT`, or the object below the target folder that this build uses.
fn object() -> PathBuf {
    if let Some(path) = env::var_os("STALLION_EBPF_OBJECT") {
        return path.into();
    }
    // OUT_DIR is TARGET/[TRIPLE/]PROFILE/build/PACKAGE-HASH/out.
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    out.ancestors()
        .skip(4)
        .take(2)
        .map(|target| target.join(OBJECT))
        .find(|object| object.is_file())
        .unwrap_or_else(|| below_workspace(OBJECT))
}

fn below_workspace(object: &str) -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    target.unwrap_or_else(|| root.join("target")).join(object)
}
