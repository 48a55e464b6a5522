//! A table as a Parquet file: required columns of counts, figures and texts, not compressed.

use std::fmt::Display;
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::Table;
use crate::source::ExportError;

/// How a column reads its value from a row.
pub(super) enum Cell<R> {
    /// A count, or a time in nanoseconds; unsigned.
    Count(fn(&R) -> u64),
    /// A figure.
    Real(fn(&R) -> f64),
    /// A text.
    Text(fn(&R) -> String),
}

/// Writes rows by columns.
pub(super) fn table<R>(
    name: &'static str,
    columns: &[(&str, Cell<R>)],
    rows: &[R],
) -> Result<Table, ExportError> {
    let bytes = write(name, columns, rows).map_err(|reason| refused(&reason))?;
    Ok(Table { name, bytes, rows: rows.len() })
}

fn refused(reason: &dyn Display) -> ExportError {
    ExportError::Format { format: "Parquet", reason: reason.to_string() }
}

fn write<R>(
    name: &str,
    columns: &[(&str, Cell<R>)],
    rows: &[R],
) -> parquet::errors::Result<Vec<u8>> {
    let fields: Vec<String> = columns
        .iter()
        .map(|(name, cell)| match cell {
            Cell::Count(_) => format!("REQUIRED INT64 {name} (INTEGER(64,false));"),
            Cell::Real(_) => format!("REQUIRED DOUBLE {name};"),
            Cell::Text(_) => format!("REQUIRED BYTE_ARRAY {name} (STRING);"),
        })
        .collect();
    let schema = parse_message_type(&format!("message {name} {{ {} }}", fields.join(" ")))?;
    let properties = Arc::new(WriterProperties::builder().build());
    let mut file = SerializedFileWriter::new(Vec::new(), Arc::new(schema), properties)?;
    let mut group = file.next_row_group()?;
    for (_, cell) in columns {
        let Some(mut column) = group.next_column()? else { break };
        match cell {
            Cell::Count(read) => {
                // Parquet keeps unsigned numbers in the bits of signed ones.
                let values: Vec<i64> = rows.iter().map(|row| read(row) as i64).collect();
                column.typed::<Int64Type>().write_batch(&values, None, None)?;
            }
            Cell::Real(read) => {
                let values: Vec<f64> = rows.iter().map(read).collect();
                column.typed::<DoubleType>().write_batch(&values, None, None)?;
            }
            Cell::Text(read) => {
                let values: Vec<ByteArray> =
                    rows.iter().map(|row| read(row).into_bytes().into()).collect();
                column.typed::<ByteArrayType>().write_batch(&values, None, None)?;
            }
        }
        column.close()?;
    }
    group.close()?;
    file.into_inner()
}
