//! Watches one redis-server (or valkey-server) from the kernel's side and turns what it sees into
//! the stalls of a timeline.
//!
//! A stall walks `probes/ebpf/x.rs -> probes-common/x.rs -> stalls/x.rs -> timeline`. The modules
//! stand in the order of their use: each uses only those above it.
//!
//! Without the feature `ebpf` everything but the attaching is here, and [`watch::watch`] says how
//! to get the rest.

pub mod error;

pub mod btf;

pub mod offsets;

pub mod procfs;

pub mod symbols;

pub mod resolve;

pub mod server;

pub mod syscalls;

pub mod stalls;

pub mod bounds;

pub mod sockets;

pub mod summary;

pub mod choice;

pub mod table;

pub mod capability;

pub mod attach;

pub mod drain;

pub mod watch;

pub use choice::Choice;
pub use error::ProbeError;
pub use offsets::Without;
pub use resolve::Target;
pub use watch::{Notice, Plan, watch};
