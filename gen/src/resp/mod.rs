//! The wire: operations to bytes, bytes to replies. No I/O, no allocation after start.

pub mod command;

pub mod reply;

pub mod tree;
