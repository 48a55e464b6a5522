//! Writes a timeline, one line at a time, so that a crash loses at most the last one.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::schema::{Footer, Header, Record};

/// An append-only writer of one timeline file.
#[derive(Debug)]
pub struct Writer {
    file: BufWriter<File>,
    path: PathBuf,
}

impl Writer {
    /// Creates the file (and its folder) and writes the header.
    ///
    /// # Errors
    /// The operating system's, with the path in its text.
    pub fn create(path: &Path, header: Header) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| at(folder, &error))?;
        }
        let file = File::create(path).map_err(|error| at(path, &error))?;
        let mut writer = Self { file: BufWriter::new(file), path: path.to_owned() };
        writer.append(&Record::Header(header))?;
        writer.flush()?;
        Ok(writer)
    }

    /// Appends one record. It reaches the file at the next [`Writer::flush`] or when the buffer
    /// is full.
    ///
    /// # Errors
    /// The operating system's (a full disk, for one), with the path in its text.
    pub fn append(&mut self, record: &Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(record).map_err(io::Error::other)?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(|error| at(&self.path, &error))
    }

    /// Hands everything appended so far to the operating system.
    ///
    /// # Errors
    /// The operating system's, with the path in its text.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.flush().map_err(|error| at(&self.path, &error))
    }

    /// Writes the footer and closes the file.
    ///
    /// # Errors
    /// The operating system's, with the path in its text.
    pub fn finish(mut self, footer: Footer) -> io::Result<()> {
        self.append(&Record::Footer(footer))?;
        self.flush()
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
