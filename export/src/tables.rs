//! Timelines in columns, as Parquet: what DuckDB, pandas, polars and Spark read.

mod parquet;

mod rows;

use crate::source::{ExportError, Named, client, shift_ns};

use rows::Rows;

/// A file of one table.
#[derive(Debug)]
pub struct Table {
    /// Its name, for example `intervals`.
    pub name: &'static str,
    /// The Parquet file.
    pub bytes: Vec<u8>,
    /// How many rows it has.
    pub rows: usize,
}

/// All tables of some timelines, also those without rows, so that a query never lacks a table. Times
/// are nanoseconds on the clock of the client (of the first timeline, if there is not exactly one);
/// `at_s` counts from the begin of what is measured.
///
/// # Errors
/// [`ExportError`] when there is no timeline, or a histogram is broken.
pub fn write(named: &[Named]) -> Result<Vec<Table>, ExportError> {
    let timelines: Vec<_> = named.iter().map(|named| named.timeline.clone()).collect();
    let first = timelines.first().ok_or(ExportError::NoClient)?;
    let reference = client(&timelines).unwrap_or(first);
    let mut rows = Rows::new(crate::source::origin_ns(reference));
    for Named { name, timeline } in named {
        rows.timeline(name, timeline, shift_ns(timeline, reference))?;
    }
    rows.tables()
}
