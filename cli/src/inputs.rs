//! Runs that are read again: timelines, folders of them, and HdrHistogram logs of other tools.

use std::path::{Path, PathBuf};

use stallion_export::hdr;
use stallion_export::source::Named;
use stallion_report::files::timelines;
use stallion_timeline::{ReadError, Timeline};

use crate::exit::Failure;

/// Reads all that is named. A file that begins with neither a timeline's header nor a line of an
/// HdrHistogram log is refused as no timeline.
pub(crate) fn read(inputs: &[PathBuf]) -> Result<Vec<Named>, Failure> {
    let files = timelines(inputs).map_err(Failure::usage)?;
    files.iter().map(|path| one(path)).collect()
}

fn one(path: &Path) -> Result<Named, Failure> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let timeline = match Timeline::read(path) {
        Err(ReadError::Foreign { reason, path: again }) => match log_in(path) {
            Some(text) => hdr::read(&text, &name)
                .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?,
            None => return Err(Failure::usage(ReadError::Foreign { reason, path: again })),
        },
        read => read.map_err(Failure::usage)?,
    };
    if timeline.truncated() {
        eprintln!("note: {} was cut off; what it holds until then is whole", path.display());
    }
    Ok(Named { name, timeline })
}

/// The text of a file that looks like an HdrHistogram log: its first line is a comment, its legend,
/// or an interval.
fn log_in(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let first = text.lines().next()?;
    let is_interval = || first.split(',').count() >= 4 && first.contains("HIST");
    (first.starts_with('#') || first.starts_with("\"StartTimestamp\"") || is_interval())
        .then_some(text)
}
