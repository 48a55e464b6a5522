//! RESP: the commands of a run as bytes, and what servers reply. No operating system.
//!
//! The modules in the order of their use; each uses only those above it.

pub mod units;

pub mod limits;

pub mod sizes;

pub mod values;

pub mod command;

pub mod op;

pub mod trace;

mod line;

pub mod reply;

pub mod pushed;

pub mod fast_reply;

pub mod tree;

mod template;

pub mod encoder;

pub mod expect;

pub mod redirect;
