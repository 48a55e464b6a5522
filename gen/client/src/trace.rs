//! Recorded traffic: what is written down of a server's MONITOR, and what can be replayed.

pub mod format;

pub mod monitor;

pub mod cache;

mod build;

pub use build::{Builder, LeftOut, TraceError, TraceWord, parse};
