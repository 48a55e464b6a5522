//! The files of the project, read and parsed once.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::Context as _;

use crate::shell;

/// Something to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) path: String,
    /// Counted from 1; 0 is the file as a whole.
    pub(super) line: usize,
    pub(super) text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.text),
            line => write!(f, "{}:{line}: {}", self.path, self.text),
        }
    }
}

/// One text file.
pub(super) struct File {
    /// From the workspace's folder.
    pub(super) path: String,
    pub(super) text: String,
    /// Only of Rust files.
    pub(super) syntax: Option<syn::File>,
}

impl File {
    pub(super) fn new(path: &str, text: &str) -> Result<Self, Finding> {
        let syntax = match path.ends_with(".rs") {
            true => Some(syn::parse_file(text).map_err(|error| Finding {
                path: path.to_owned(),
                line: error.span().start().line,
                text: format!("is no Rust: {error}"),
            })?),
            false => None,
        };
        Ok(Self { path: path.to_owned(), text: text.to_owned(), syntax })
    }

    pub(super) fn finding(&self, line: usize, text: String) -> Finding {
        Finding { path: self.path.clone(), line, text }
    }

    /// Integration tests, benches and examples: the whole file is there to test.
    pub(super) fn is_test(&self) -> bool {
        self.path.split('/').any(|part| ["tests", "benches", "examples"].contains(&part))
    }
}

/// Every text file that is, or may be, committed.
pub(super) struct Tree {
    pub(super) files: Vec<File>,
    pub(super) broken: Vec<Finding>,
}

impl Tree {
    pub(super) fn read(root: &Path) -> anyhow::Result<Self> {
        let list =
            shell::output(&["git", "ls-files", "--cached", "--others", "--exclude-standard"])
                .context("tidy looks at the files that git knows")?;
        let mut tree = Self { files: Vec::new(), broken: Vec::new() };
        for path in list.lines() {
            // What is no text, or was deleted and not yet committed, has no rules.
            let Ok(text) = fs::read_to_string(root.join(path)) else {
                continue;
            };
            match File::new(path, &text) {
                Ok(file) => tree.files.push(file),
                Err(finding) => tree.broken.push(finding),
            }
        }
        Ok(tree)
    }

    pub(super) fn rust(&self) -> impl Iterator<Item = (&File, &syn::File)> {
        self.files.iter().filter_map(|file| Some((file, file.syntax.as_ref()?)))
    }

    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}

/// A tree for the tests of the checks.
#[cfg(test)]
pub(super) fn tree(files: &[(&str, &str)]) -> Tree {
    let files = files.iter().map(|(path, text)| File::new(path, text).unwrap()).collect();
    Tree { files, broken: Vec::new() }
}
