//! Stacks for tests, each in a folder of its own, so that tests do not sweep each other's.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use stallion_stack::{Placement, Stack};
use stallion_stack::{Registry, StackPlan};
use tempfile::TempDir;

/// Nobody is pinned: tests share their cores.
pub(crate) fn nowhere() -> Placement {
    Placement { server: None, client: None, others: Vec::new() }
}

/// A folder and the registry in it; the folder is canonical, as working folders in /proc are.
pub(crate) fn registry() -> (TempDir, Registry, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap().join("stacks");
    (folder, Registry::at(root.clone()), root)
}

pub(crate) fn start(plan: &StackPlan, registry: &Registry) -> Stack {
    Stack::start(plan, &nowhere(), registry).unwrap()
}

/// Command lines of all processes that work below a folder.
pub(crate) fn processes_within(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        if fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder)) {
            found.push(fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default());
        }
    }
    found
}

/// Waits for something that another process does.
pub(crate) fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let start = Instant::now();
    while !check() {
        assert!(start.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
