//! Stallion's engine: one worker per core, open model. It is given the time, a seed and a [`ring::Ring`],
//! and does not touch the operating system.
//!
//! The modules in the order of their use; each uses only those above it.

pub mod units;

pub mod limits;

pub mod workload;

pub mod cluster;

pub mod mitigation;

pub mod store;

pub mod measure;

pub mod ring;

pub mod worker;
