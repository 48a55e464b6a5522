//! The lab against real servers. One test program, so that it links once.

#![expect(clippy::unwrap_used, reason = "what a test needs must be there")]

mod common;

mod scenario;

mod stack;

mod chaos;

mod patterns;

mod limits;

mod run;

mod finding;
