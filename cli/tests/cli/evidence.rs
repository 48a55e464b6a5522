//! What tests saw and `results/` shows: `UPDATE_RESULTS=1` writes it anew.

use std::path::{Path, PathBuf};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/triage").join(format!("{name}.txt"))
}

/// The snapshot's folder is gone when anybody reads this.
fn without_folder(text: &str) -> String {
    const BEFORE: &str = "compared with ";
    let Some((head, rest)) = text.split_once(BEFORE) else { return text.to_owned() };
    let (path, after) = rest.split_once(',').unwrap_or((rest, ""));
    let name = path.rsplit('/').next().unwrap_or(path);
    format!("{head}{BEFORE}{name},{after}")
}

/// Keeps what triage said in each of the runs of a case, if it is wanted; what is kept must have the
/// same verdict that often.
pub(crate) fn keep(case: &str, verdict: &str, said: &[(u64, String)]) {
    let path = path(case);
    if std::env::var_os("UPDATE_RESULTS").is_some() {
        let told =
            |(seed, text): &(u64, String)| format!("seed {seed}\n\n{}\n", without_folder(text));
        let text: String = said.iter().map(told).collect();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let count = kept.lines().filter(|line| line.trim_start().starts_with(verdict)).count();
    assert_eq!(count, said.len(), "{path:?} says {verdict} not once for each seed");
}
