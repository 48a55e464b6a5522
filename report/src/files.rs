//! Which timelines to read and where a report goes.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::analysis::Analysis;
use crate::render;

/// A form of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `report.html`, self-contained.
    Html,
    /// `report.md`.
    Markdown,
    /// `report.json`.
    Json,
}

impl Format {
    /// The file's name.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Html => "report.html",
            Self::Markdown => "report.md",
            Self::Json => "report.json",
        }
    }

    fn render(self, analysis: &Analysis) -> String {
        match self {
            Self::Html => render::html::render(analysis),
            Self::Markdown => render::markdown::render(analysis),
            Self::Json => render::json::render(analysis),
        }
    }
}

/// Why files could not be found or written.
#[derive(Debug, Error)]
pub enum FileError {
    /// A folder cannot be listed, or a path does not exist.
    #[error("cannot read {path}: {error}")]
    Input {
        /// The path.
        path: PathBuf,
        /// The reason.
        error: io::Error,
    },
    /// A folder holds no timeline.
    #[error("{0} holds no .jsonl file; name the folder that a run was written to")]
    NoTimeline(PathBuf),
    /// A report cannot be written.
    #[error(
        "cannot write {path}: {error}; nothing half-written was left, and --out names another folder"
    )]
    Output {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: io::Error,
    },
}

/// Files stay as they are; a folder becomes all its `.jsonl` files, by name. A file that is
/// named twice is read once.
///
/// # Errors
/// [`FileError`] when a path does not exist or a folder holds no timeline.
pub fn timelines(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, FileError> {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for input in inputs {
        let failed = |error| FileError::Input { path: input.clone(), error };
        let found = if fs::metadata(input).map_err(failed)?.is_dir() {
            inside(input).map_err(failed)?
        } else {
            vec![input.clone()]
        };
        if found.is_empty() {
            return Err(FileError::NoTimeline(input.clone()));
        }
        for file in found {
            if seen.insert(file.canonicalize().map_err(failed)?) {
                files.push(file);
            }
        }
    }
    Ok(files)
}

fn inside(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Where reports go when nobody says: beside the first timeline.
#[must_use]
pub fn default_folder(inputs: &[PathBuf]) -> PathBuf {
    let first = inputs.first().map_or(Path::new("."), PathBuf::as_path);
    if first.is_dir() {
        return first.to_owned();
    }
    let parent = first.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or(Path::new(".")).to_owned()
}

/// Writes the wanted forms into a folder, which is created, and returns their paths.
///
/// # Errors
/// [`FileError::Output`]; a file appears whole or not at all.
pub fn write(
    analysis: &Analysis,
    folder: &Path,
    formats: &[Format],
) -> Result<Vec<PathBuf>, FileError> {
    fs::create_dir_all(folder)
        .map_err(|error| FileError::Output { path: folder.to_owned(), error })?;
    let mut written = Vec::new();
    for format in formats {
        let path = folder.join(format.file_name());
        write_whole(&path, &format.render(analysis))
            .map_err(|error| FileError::Output { path: path.clone(), error })?;
        written.push(path);
    }
    Ok(written)
}

/// Writes beside the target and renames, so that nobody ever reads half a report.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let result = fs::File::create(&part)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&part, path));
    if result.is_err() {
        let _ = fs::remove_file(&part);
    }
    result
}
