//! ARCHITECTURE.md names every top-level folder, and every crate that is depended on.

use std::collections::BTreeSet;

use super::source::{File, Finding, Tree};

const PAGE: &str = "ARCHITECTURE.md";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(page) = tree.file(PAGE) else {
        return vec![missing()];
    };
    let folders = folders(tree)
        .into_iter()
        .filter(|folder| !page.text.contains(&format!("{folder}/")))
        .map(|folder| format!("does not name the folder {folder}/"));
    let crates = dependencies(tree)
        .into_iter()
        .filter(|name| !names_crate(&page.text, name))
        .map(|name| format!("does not name the dependency `{name}`: say what it is there for"));
    folders.chain(crates).map(|text| page.finding(0, text)).collect()
}

fn missing() -> Finding {
    Finding { path: PAGE.to_owned(), line: 0, text: "is missing".to_owned() }
}

/// Folders with a dot are the tools' own, and named for them.
fn folders(tree: &Tree) -> BTreeSet<&str> {
    tree.files
        .iter()
        .filter_map(|file| Some(file.path.split_once('/')?.0))
        .filter(|folder| !folder.starts_with('.'))
        .collect()
}

fn dependencies(tree: &Tree) -> BTreeSet<&str> {
    tree.files
        .iter()
        .filter(|file| file.path.ends_with("Cargo.toml"))
        .flat_map(dependencies_of)
        .filter(|name| !name.starts_with("stallion"))
        .collect()
}

/// The names in the tables `[dependencies]`, `[dev-dependencies]` and so on. The workspace's
/// own table is left out: it lists, and does not depend.
fn dependencies_of(file: &File) -> Vec<&str> {
    let mut within = false;
    let mut names = Vec::new();
    for line in file.text.lines() {
        if let Some(table) = line.strip_prefix('[') {
            let table = table.trim_end_matches(']');
            within = table.ends_with("dependencies") && !table.starts_with("workspace");
            if let Some((_, name)) = table.split_once("dependencies.") {
                names.push(name);
            }
        } else if within
            && let Some((name, _)) = line.split_once(['=', '.'])
            && !name.trim_start().starts_with('#')
        {
            names.push(name.trim());
        }
    }
    names
}

/// As a word of its own: `toml` is not named by `tomlish`.
fn names_crate(text: &str, name: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !before.is_some_and(part_of_word) && !after.is_some_and(part_of_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::tree;

    const MANIFEST: &str = "\
[package]
name = \"gen\"
[dependencies]
# why
toml = { workspace = true }
serde.workspace = true
stallion-timeline = { path = \"x\" }
[dev-dependencies]
proptest = \"1\"
[features]
other = []
";

    fn found(page: &str) -> Vec<String> {
        let files = [("ARCHITECTURE.md", page), ("gen/Cargo.toml", MANIFEST), (".ci/run", "")];
        check(&tree(&files)).into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn folders_and_dependencies_are_named() {
        assert!(found("gen/ stands on toml, `serde` and proptest.").is_empty());
        let found = found("tomlish");
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found[0].contains("gen/"));
    }

    #[test]
    fn the_page_must_be_there() {
        assert_eq!(check(&tree(&[("gen/Cargo.toml", MANIFEST)])), [missing()]);
    }
}
