//! Stallion's load generator as a whole: from what was asked to what was measured.
//!
//! The modules in the order of their use; each uses only those above it.

pub mod trace;

pub mod plan;

pub mod control;

pub mod audit;

pub mod verdict;

pub mod summary;

pub mod slo;

pub mod record;

pub mod run;

pub mod fill;

pub mod ceiling;
