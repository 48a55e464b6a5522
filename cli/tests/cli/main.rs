//! `stallion drive` and `load` as a user meets them: bad input, bad servers, bad moments.
//!
//! Every fault must end in a clear message with a remedy and in the exit code that the README
//! promises, and must lose nothing that was measured before it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what a test needs must be there")]

mod harness;

#[path = "../../../gen/rings/tests/tls/mod.rs"]
mod certificates;

mod evidence;

mod usage;

mod starved;

mod replay;

mod start;

mod faults;

mod churn;

mod commands;

mod compare;

mod contract;

mod formats;

mod howto;

mod load;

mod cluster;

mod several;

mod metrics;

mod mitigation;

mod addresses;

mod aside;

mod postgres;

mod proxies;

mod triage;

mod plan;

mod tls;

mod stopped;

mod tui;
