//! What the committed eBPF objects were built of and by. The build script of stallion-probes and
//! `cargo xtask ebpf` share this file, so that both mean the same digest.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha1_smol::Sha1;

/// The folder of the objects and of their record, from the package's.
pub(crate) const FOLDER: &str = "object";

/// What an object is made of, from the package's folder.
const SOURCES: [&str; 5] = [
    "ebpf/Cargo.toml",
    "ebpf/Cargo.lock",
    "ebpf/src",
    "../probes-common/Cargo.toml",
    "../probes-common/src",
];

/// The object for an architecture: its uprobes read arguments from that architecture's registers.
pub(crate) fn object(package: &Path, architecture: &str) -> PathBuf {
    package.join(FOLDER).join(format!("{architecture}.o"))
}

/// `KEY: VALUE` lines, as they stand beside the objects.
pub(crate) struct Record(String);

impl Record {
    pub(crate) fn path(package: &Path) -> PathBuf {
        package.join(FOLDER).join("record.txt")
    }

    pub(crate) fn read(package: &Path) -> io::Result<Self> {
        fs::read_to_string(Self::path(package)).map(Self)
    }

    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        let mut pairs = self.0.lines().filter_map(|line| line.split_once(": "));
        pairs.find(|(name, _)| *name == key).map(|(_, value)| value)
    }
}

/// The digest of a file.
pub(crate) fn digest(path: &Path) -> io::Result<String> {
    Ok(Sha1::from(fs::read(path)?).digest().to_string())
}

/// One digest of all sources: their names and contents, never their times.
pub(crate) fn sources(package: &Path) -> io::Result<String> {
    let mut sum = Sha1::new();
    for source in SOURCES {
        let mut files = Vec::new();
        gather(&package.join(source), &mut files)?;
        files.sort();
        for file in files {
            let name = file.strip_prefix(package).unwrap_or(&file).display().to_string();
            sum.update(format!("{name} {}\n", digest(&file)?).as_bytes());
        }
    }
    Ok(sum.digest().to_string())
}

fn gather(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        gather(&entry?.path(), files)?;
    }
    Ok(())
}
