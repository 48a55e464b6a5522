//! Which crates of the load generator may ask the operating system for anything, by their manifests:
//! the engine and what it stands on are given the time, a seed and a ring.

use super::source::{File, Finding, Tree};

/// Crates that reach the operating system, or that only have sense with it.
const OS_CRATES: [&str; 12] = [
    "aya",
    "core_affinity",
    "io-uring",
    "libc",
    "nix",
    "rustls",
    "rustls-native-certs",
    "signal-hook",
    "socket2",
    "tokio",
    "tokio-postgres",
    "tokio-rustls",
];

/// Manifests, and the crates among [`OS_CRATES`] that each may depend on.
const ALLOWED: [(&str, &[&str]); 5] = [
    ("gen/tcp/Cargo.toml", &[]),
    ("gen/resp/Cargo.toml", &[]),
    ("gen/engine/Cargo.toml", &[]),
    (
        "gen/rings/Cargo.toml",
        &["core_affinity", "io-uring", "libc", "rustls", "rustls-native-certs", "socket2"],
    ),
    ("gen/null/Cargo.toml", &["core_affinity", "libc", "socket2"]),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, allowed) in ALLOWED {
        match tree.file(path) {
            Some(manifest) => findings.extend(check_manifest(manifest, allowed)),
            None => findings.push(missing(path)),
        }
    }
    findings
}

fn missing(path: &str) -> Finding {
    Finding { path: path.to_owned(), line: 0, text: "is missing".to_owned() }
}

/// Only `[dependencies]` counts: tests may use what they like.
fn check_manifest<'a>(
    manifest: &'a File,
    allowed: &'a [&str],
) -> impl Iterator<Item = Finding> + 'a {
    let mut within = false;
    manifest.text.lines().enumerate().filter_map(move |(number, line)| {
        let table = line.strip_prefix('[').map(|table| table.trim_end_matches(']'));
        if let Some(table) = table {
            within = table.ends_with("dependencies") && !table.starts_with("dev-");
        }
        let named = table
            .and_then(|table| table.strip_prefix("dependencies."))
            .or_else(|| within.then(|| line.split(['=', '.']).next()).flatten())?
            .trim();
        let forbidden = OS_CRATES.contains(&named) && !allowed.contains(&named);
        forbidden.then(|| {
            let text = format!("depends on `{named}`, which this crate must do without");
            manifest.finding(number + 1, text)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::tree;

    fn found(engine: &str) -> Vec<String> {
        let nothing = "[dependencies]\n";
        let files = [
            ("gen/tcp/Cargo.toml", nothing),
            ("gen/resp/Cargo.toml", nothing),
            ("gen/engine/Cargo.toml", engine),
            ("gen/rings/Cargo.toml", "[dependencies]\nlibc = \"0.2\"\n"),
            ("gen/null/Cargo.toml", nothing),
        ];
        check(&tree(&files)).into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn the_engine_depends_on_nothing_that_reaches_the_system() {
        assert!(
            found("[dependencies]\nserde = \"1\"\n[dev-dependencies]\nlibc = \"0.2\"\n").is_empty()
        );
        for wrong in [
            "[dependencies]\nlibc = { workspace = true }\n",
            "[dependencies]\ntokio.workspace = true\n",
            "[dependencies.nix]\nversion = \"1\"\n",
            "[target.'cfg(unix)'.dependencies]\nsocket2 = \"1\"\n",
        ] {
            assert_eq!(found(wrong).len(), 1, "{wrong}");
        }
    }

    #[test]
    fn a_manifest_that_is_not_there_is_no_permission() {
        assert_eq!(check(&tree(&[])).len(), ALLOWED.len());
    }
}
