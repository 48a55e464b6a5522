//! Words that have no business in the project.
//!
//! Each is written in two parts, so that this file does not find itself.

use super::source::{File, Finding, Tree};

/// A word, and what to do about it. Letters are compared without their case.
const WORDS: [(&[&str], &str); 10] = [
    (&["/wo", "rk/"], "a path of one machine"),
    (&["/tmp", "/wt"], "a path of one machine"),
    (&["/tmp", "/target-"], "a path of one machine"),
    (&["/ro", "ot/."], "a path of one machine"),
    (&["cla", "ude"], "names a tool that wrote, not what was written"),
    (&["anthro", "pic"], "names a tool that wrote, not what was written"),
    (&["chat", "gpt"], "names a tool that wrote, not what was written"),
    (&["todo", "!("], "a promise: write it, or an issue"),
    (&["unimple", "mented!("], "a promise: write it, or an issue"),
    (&["FIX", "ME"], "a promise: write it, or an issue"),
];

const PUBLIC_REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let words: Vec<(String, &str)> =
        WORDS.iter().map(|(parts, why)| (parts.concat().to_lowercase(), *why)).collect();
    let mut findings = Vec::new();
    for file in &tree.files {
        for (number, line) in file.text.lines().enumerate() {
            let lower = line.to_lowercase();
            let found = words.iter().filter(|(word, _)| lower.contains(word.as_str()));
            findings.extend(
                found.map(|(word, why)| file.finding(number + 1, format!("`{word}`: {why}"))),
            );
        }
        findings.extend(foreign_registries(file));
    }
    findings
}

/// A lock file that names somebody's mirror builds only there.
fn foreign_registries(file: &File) -> impl Iterator<Item = Finding> {
    let is_lock = file.path.ends_with("Cargo.lock");
    let foreign = |line: &str| {
        line.strip_prefix("source = \"").is_some_and(|source| !source.starts_with(PUBLIC_REGISTRY))
    };
    let text = "a crate from elsewhere than the public registry".to_owned();
    file.text
        .lines()
        .enumerate()
        .filter(move |(_, line)| is_lock && foreign(line))
        .map(move |(number, _)| file.finding(number + 1, text.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::tree;

    #[test]
    fn every_word_is_found_in_any_case_and_this_file_is_clean() {
        for (parts, _) in WORDS {
            let word = parts.concat();
            for text in [word.to_uppercase(), format!("a\nb {word}")] {
                assert!(!check(&tree(&[("a.md", &text)])).is_empty(), "{word}");
            }
        }
        assert!(check(&tree(&[("words.rs", include_str!("words.rs"))])).is_empty());
    }

    #[test]
    fn a_lock_file_names_the_public_registry_only() {
        let good = format!("source = \"{PUBLIC_REGISTRY}\"");
        assert!(check(&tree(&[("Cargo.lock", &good)])).is_empty());
        let mirror = "\nsource = \"sparse+https://mirror.example/index/\"";
        assert_eq!(check(&tree(&[("Cargo.lock", mirror)]))[0].line, 2);
    }
}
