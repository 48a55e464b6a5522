//! Stacks of real servers. One test program, so that it links once.

#![expect(clippy::unwrap_used, reason = "what a test needs must be there")]

mod common;

mod stack;
