//! What disturbs servers on purpose, recorded with its begin and end.
//!
//! One file for each [`Fault`], with its arguments; [`FAULTS`] is the list of them, and the only one. A
//! fault leaves the server as it found it, also when it is interrupted or fails half-way. A *task*
//! disturbs in order to measure.

mod arguments;

mod error;

mod endpoint;

mod fault;

pub mod log;

mod child_job;

mod bgsave;

mod aof_rewrite;

mod bigkey;

mod bigkey_cure;

mod expiry_storm;

mod pause;

mod fsync_policy;

mod reshard;

mod kill_primary;

mod failover;

mod add_node;

mod restart;

mod long_script;

mod contend;

mod try_commands;

mod replica_lag;

mod tracked_writes;

mod lose_primary;

mod isolation;

mod maxmemory;

mod replica_cut;

mod client_flood;

mod cpu_hog;

mod defrag;

mod entry_forms;

mod memory_footprint;

mod acknowledged;

mod guard_rail;

mod link;

mod net_delay;

mod net_loss;

mod partition;

mod catalogue;

pub use catalogue::{FAULTS, Injection, Kind, find};
pub use endpoint::Endpoint;
pub use error::FaultError;
pub use fault::{Detail, Fault};
pub use log::Log;
