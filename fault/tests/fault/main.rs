//! Faults against real servers. One test program, so that it links once.

#![expect(clippy::unwrap_used, reason = "what a test needs must be there")]

#[path = "../../../stack/tests/stack/common.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod common;

mod faults;

mod patterns;

mod limits;
