//! The wire: operations to bytes, bytes to replies. No I/O, no allocation after start.

mod template;

pub mod command;

pub mod reply;

pub mod expect;

pub mod tree;
