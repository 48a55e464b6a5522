//! The probes on a real redis-server: every kind of stall is provoked, and seen.
#![cfg(feature = "ebpf")]

mod harness;

mod tracefs;

mod own_doing;

mod disk;

mod memory;

mod cpu;

mod network;

mod shards;

mod poorer;

mod halts;
mod limits;

mod threads;
