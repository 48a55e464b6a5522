//! What tests saw and `results/` shows: `UPDATE_RESULTS=1` writes it anew.

use std::path::{Path, PathBuf};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/triage").join(format!("{name}.txt"))
}

/// Keeps what triage said in each of the runs of a case, if it is wanted; what is kept must have the
/// same verdict that often.
pub(crate) fn keep(case: &str, verdict: &str, said: &[(u64, String)]) {
    let path = path(case);
    if std::env::var_os("UPDATE_RESULTS").is_some() {
        let text: String =
            said.iter().map(|(seed, text)| format!("seed {seed}\n\n{text}\n")).collect();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let count = kept.lines().filter(|line| line.trim_start().starts_with(verdict)).count();
    assert_eq!(count, said.len(), "{path:?} says {verdict} not once for each seed");
}
