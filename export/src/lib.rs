//! Timelines as the files that other tools open.
//!
//! A pure function from timelines to text or bytes: nothing here talks to a server or writes a
//! file. The modules in the order of their use:
//!
//! 1. [`source`]: which timeline is the client's, and which of its intervals count.
//! 2. [`hdr`]: an HdrHistogram interval log, written and read back.
//! 3. [`csv`]: a line for each interval.
//! 4. [`memtier`]: the object that memtier_benchmark writes with `--json-out-file`.
//! 5. [`perfetto`]: a trace for the Perfetto UI.
//! 6. [`tables`]: the same in columns, as Parquet.

pub mod source;

pub mod hdr;

pub mod csv;

pub mod memtier;

pub mod perfetto;

pub mod tables;

pub use source::ExportError;
