//! Tests of the whole path from files to report, as one program.
#![expect(clippy::unwrap_used, reason = "a test that cannot read or write its files must fail")]

mod queue;

mod synthetic;

mod scenarios;

mod cases;

mod files;

mod properties;

mod golden;

mod silent;
