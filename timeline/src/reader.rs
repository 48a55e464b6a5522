//! Reads a timeline whole, and says plainly what is wrong with one that is not.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::schema::{Footer, Header, Record, SCHEMA_VERSION};

/// Why a timeline could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The operating system refused the file.
    #[error("cannot read {path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: std::io::Error,
    },
    /// The first line is no header.
    #[error(
        "{path} is not a stallion timeline: its first line is no header ({reason}); \
         give a .jsonl file written by `stallion drive`, `probe`, `chaos` or `load`"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What the parser found.
        reason: String,
    },
    /// The header names a later schema. Every earlier one is read: fields that it lacks have defaults.
    #[error(
        "{path} has schema {found}, and this program reads schemas 1 to {SCHEMA_VERSION}; \
         read it with the stallion that wrote it ({tool})"
    )]
    Schema {
        /// The file.
        path: PathBuf,
        /// The version it names.
        found: u64,
        /// The tool it names.
        tool: String,
    },
    /// A line in the middle is broken.
    #[error("{path} line {line}: {reason}; the lines before it are intact")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What the parser found.
        reason: String,
    },
}

/// One timeline in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    /// The first line.
    pub header: Header,
    /// Everything between header and footer, in the order of the file.
    pub records: Vec<Record>,
    /// The last line; none means that the run was cut off.
    pub footer: Option<Footer>,
    /// The last line broke off in its middle (its text is dropped).
    pub torn: bool,
}

impl Timeline {
    /// Reads a file. A missing footer or a last line that breaks off is no error: see
    /// [`Timeline::truncated`].
    ///
    /// # Errors
    /// [`ReadError`] when the file cannot be read, is something else, has another schema, or has
    /// a broken line before its last.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let file = File::open(path).map_err(|error| io_error(path, error))?;
        let mut lines = Lines { reader: BufReader::new(file), path, number: 0 };
        let header = read_header(path, lines.next_line()?.as_deref().unwrap_or(b""))?;
        let mut timeline = Self { header, records: Vec::new(), footer: None, torn: false };
        while let Some(line) = lines.next_line()? {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            match serde_json::from_slice::<Record>(&line) {
                Ok(Record::Footer(footer)) => timeline.footer = Some(footer),
                Ok(record) => timeline.records.push(record),
                Err(_) if !line.ends_with(b"\n") => timeline.torn = true,
                Err(error) => {
                    return Err(ReadError::Line {
                        path: path.to_owned(),
                        line: lines.number,
                        reason: error.to_string(),
                    });
                }
            }
        }
        Ok(timeline)
    }

    /// Whether the run was cut off before its end.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.footer.is_none()
    }
}

struct Lines<'a> {
    reader: BufReader<File>,
    path: &'a Path,
    number: usize,
}

impl Lines<'_> {
    /// The next line with its end; none at the end of the file.
    fn next_line(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        let mut line = Vec::new();
        let length =
            self.reader.read_until(b'\n', &mut line).map_err(|error| io_error(self.path, error))?;
        self.number += 1;
        Ok((length > 0).then_some(line))
    }
}

fn io_error(path: &Path, error: std::io::Error) -> ReadError {
    ReadError::Io { path: path.to_owned(), error }
}

/// The header is checked for its schema before it is decoded: another version may differ in form.
fn read_header(path: &Path, line: &[u8]) -> Result<Header, ReadError> {
    let foreign = |reason: String| ReadError::Foreign { path: path.to_owned(), reason };
    let value: serde_json::Value =
        serde_json::from_slice(line).map_err(|error| foreign(error.to_string()))?;
    if value["record"] != "header" {
        return Err(foreign("no \"record\":\"header\"".to_owned()));
    }
    let found = value["schema"].as_u64().unwrap_or(0);
    if !(1..=u64::from(SCHEMA_VERSION)).contains(&found) {
        let tool = value["tool"].as_str().unwrap_or("unknown").to_owned();
        return Err(ReadError::Schema { path: path.to_owned(), found, tool });
    }
    serde_json::from_value(value).map_err(|error| foreign(error.to_string()))
}
