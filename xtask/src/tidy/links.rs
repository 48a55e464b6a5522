//! Every relative link of a document leads to a file that is there, and to a heading of it.

use std::path::{Component, Path, PathBuf};

use super::source::{File, Finding, Tree};
use crate::shell;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let documents = tree.files.iter().filter(|file| file.path.ends_with(".md"));
    documents.flat_map(|file| check_file(tree, file)).collect()
}

fn check_file(tree: &Tree, file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut is_code = false;
    for (index, line) in file.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        let targets = if is_code { Vec::new() } else { targets(line) };
        let broken = targets.into_iter().filter_map(|target| broken(tree, file, target));
        findings.extend(broken.map(|text| file.finding(index + 1, text)));
    }
    findings
}

/// The targets of the links in a line.
fn targets(line: &str) -> Vec<&str> {
    let starts = line.match_indices("](").map(|(at, mark)| at + mark.len());
    starts.filter_map(|start| line[start..].split([')', ' ']).next()).collect()
}

/// What is wrong with a link, if something is. Links to other hosts are not looked at.
fn broken(tree: &Tree, file: &File, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, heading) = target.split_once('#').map_or((target, None), |(p, h)| (p, Some(h)));
    let place = match path {
        "" => PathBuf::from(&file.path),
        _ => resolved(Path::new(&file.path).parent()?, path),
    };
    if !shell::root().join(&place).exists() && tree.file(&place.to_string_lossy()).is_none() {
        return Some(format!("links to {}, which does not exist", place.display()));
    }
    let heading = heading?;
    let document = tree.file(&place.to_string_lossy()).filter(|_| is_document(&place))?;
    let found = document
        .text
        .lines()
        .filter(|line| line.starts_with('#'))
        .any(|line| slug(line) == heading);
    (!found).then(|| format!("links to #{heading}, and {} has no such heading", place.display()))
}

fn is_document(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "md")
}

/// `path` as seen from `folder`, without `..`.
fn resolved(folder: &Path, path: &str) -> PathBuf {
    let mut whole = PathBuf::new();
    for part in folder.join(path).components() {
        match part {
            Component::ParentDir => {
                whole.pop();
            }
            part => whole.push(part),
        }
    }
    whole
}

/// The anchor that a heading gets.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        let file = |(path, text): &(&str, &str)| File::new(path, text).ok().unwrap();
        Tree { files: files.iter().map(file).collect(), broken: Vec::new() }
    }

    #[test]
    fn a_link_needs_its_file_and_its_heading() {
        let page =
            "# A page\n\n## What it costs, now\n[here](#what-it-costs-now) [other](../b.md#b)";
        let tree =
            tree(&[("docs/a.md", page), ("b.md", "# B\n[gone](docs/c.md) [a](docs/a.md#no)")]);
        let told: Vec<String> = check(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "b.md:2: links to docs/c.md, which does not exist",
                "b.md:2: links to #no, and docs/a.md has no such heading",
            ]
        );
    }

    #[test]
    fn code_and_other_hosts_are_left_alone() {
        let page = "```\n[x](nothing)\n```\n[site](https://example.org/x)";
        assert!(check(&tree(&[("a.md", page)])).is_empty());
    }
}
