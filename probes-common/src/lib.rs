//! What crosses the border between the kernel side (`probes/ebpf`) and the user side (`probes`):
//! one file per stall, with the struct that travels and the pure logic that fills it.
//!
//! Nothing here touches the kernel or the standard library, so the logic that runs inside BPF
//! programs (windows of small stalls, stretches on the CPU) is tested as ordinary code.
//!
//! Every event on the ring buffer starts with a [`Span`], whose `kind` says which struct it is.
#![no_std]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

pub mod span;

pub mod window;

pub mod scheduler;

pub mod fork;

pub mod exit;

pub mod page_fault;

pub mod fsync;

pub mod block_io;

pub mod reclaim;

pub mod softirq;

pub mod network;

pub mod command;

pub use span::{Kind, Span};
pub use window::Window;
