//! How many servers, how much memory, how many connections: from what is needed and from what was
//! measured, each line with its formula and with the measurement behind it.
//!
//! A pure function. The modules in the order of their use:
//!
//! 1. [`need`]: what is asked for, and what of it makes no sense.
//! 2. [`measured`]: rates with their latencies, forks and snapshots, from files of `stallion ceiling`
//!    and `stallion lab`.
//! 3. [`entry`]: the bytes that one key and its value take.
//! 4. [`shard`]: what one shard carries and holds.
//! 5. [`plan`]: the lines.
//! 6. [`render`], as Markdown.

pub mod need;

pub mod measured;

pub mod entry;

pub mod shard;

pub mod plan;

pub mod render;

pub use measured::Measured;
pub use need::{Need, Objective, WorkingSet};
pub use plan::{Line, Plan, PlanError, plan};
