//! Finds the eBPF object that `cargo xtask ebpf` built, when the feature `ebpf` wants it embedded.

use std::env;
use std::path::{Path, PathBuf};
use std::process::exit;

/// Where `cargo xtask ebpf` puts the object, below the target folder.
const OBJECT: &str = "ebpf/stallion-ebpf.o";

/// What the object is made of, and what both sides must agree on byte by byte.
const SOURCES: [&str; 2] = ["ebpf/src", "../probes-common/src"];

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
    if let Some(source) = newer_source(&object) {
        println!(
            "cargo::error={} is older than {}, and its events may have another shape: run \
             `cargo xtask ebpf`",
            object.display(),
            source.display()
        );
        exit(1);
    }
    println!("cargo::rustc-env=STALLION_EBPF_OBJECT={}", object.display());
}

/// A source that changed after the object was built; of an object from elsewhere nothing is known.
fn newer_source(object: &Path) -> Option<PathBuf> {
    if env::var_os("STALLION_EBPF_OBJECT").is_some() {
        return None;
    }
    let built = object.metadata().and_then(|file| file.modified()).ok()?;
    SOURCES
        .iter()
        .map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))
        .inspect(|folder| println!("cargo::rerun-if-changed={}", folder.display()))
        .flat_map(|folder| folder.read_dir().into_iter().flatten().flatten())
        .map(|entry| entry.path())
        .find(|path| {
            path.metadata().and_then(|file| file.modified()).is_ok_and(|changed| changed > built)
        })
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
