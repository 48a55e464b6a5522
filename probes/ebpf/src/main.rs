//! The kernel side: one file per stall, all of it scoped to one process by constants that the
//! loader writes (`shared::TGID` …), so the filter of every hook is one comparison.
//!
//! Compiled by `cargo xtask ebpf` into `probes/object`, embedded by the feature `ebpf` of
//! `stallion-probes`.
#![no_std]
#![no_main]

mod shared;

mod threads;

mod signal;

mod command;

mod block_io;

mod scheduler;

mod fork;

mod page_fault;

mod fsync;

mod reclaim;

mod softirq;

mod network;

#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    loop {}
}
