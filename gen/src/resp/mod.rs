//! The wire: operations to bytes, bytes to replies. No I/O, no allocation after start.

mod line;

pub mod reply;

pub mod pushed;

pub mod usual;

pub mod tree;

mod template;

pub mod command;

pub mod expect;
