//! Stallion's load generator: thread per core, io_uring, open model.
//!
//! The modules in the order in which a request meets them; each uses only those above it.

pub mod units;

pub mod limits;

pub mod tls;

pub mod workload;

pub mod resp;

pub mod trace;

pub mod cluster;

pub mod strategy;

pub mod store;

pub mod measure;

pub mod shard;

pub mod null;

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
