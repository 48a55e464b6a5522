//! Ways to stall a server on purpose, each with a measure of its own of how long that lasted: the
//! server's word, the kernel's counters, a tracer, or the schedule.

use super::induced::Inducer;
use super::{cores, disks, own};

/// Stalls of a server without persistence.
pub(super) const PLAIN: &[Inducer] = &[
    // The child begins on its parent's core, and sometimes takes it before fork returns.
    Inducer {
        name: "BGSAVE's fork",
        expected: &["fork", "run_queue"],
        truth: "latest_fork_usec",
        act: own::fork,
    },
    Inducer { name: "SIGSTOP", expected: &["stopped"], truth: "the schedule", act: cores::stop },
    Inducer {
        name: "DEBUG SLEEP",
        expected: &["off_cpu", "command"],
        truth: "SLOWLOG",
        act: own::debug_sleep,
    },
    Inducer { name: "a Lua loop", expected: &["command"], truth: "SLOWLOG", act: own::lua },
    Inducer { name: "KEYS", expected: &["command"], truth: "SLOWLOG", act: own::keys },
    Inducer {
        name: "SETRANGE of 256 MB",
        expected: &["zero_fault", "command", "syscall"],
        truth: "SLOWLOG",
        act: own::set_range,
    },
    Inducer { name: "DEL of 1.5 GB", expected: &["syscall"], truth: "ftrace", act: own::free },
    Inducer {
        name: "Lua writes after a fork",
        expected: &["cow_fault", "command"],
        truth: "SLOWLOG",
        act: own::writes_after_fork,
    },
    Inducer {
        name: "a hog on the core",
        expected: &["run_queue"],
        truth: "ftrace",
        act: cores::hog,
    },
    Inducer { name: "CPU quota", expected: &["throttle"], truth: "cpu.stat", act: cores::throttle },
    Inducer {
        name: "the client stopped",
        expected: &["client"],
        truth: "the schedule",
        act: cores::stop_client,
    },
    Inducer {
        name: "KEYS under SIGSTOP",
        expected: &["stopped", "command"],
        truth: "the schedule and SLOWLOG",
        act: cores::keys_stopped,
    },
    Inducer {
        name: "a Lua loop beside a hog",
        expected: &["run_queue", "command"],
        truth: "SLOWLOG",
        act: cores::lua_hogged,
    },
];

/// Stalls of a server whose heap lies on huge pages.
pub(super) const HUGE: &[Inducer] = &[Inducer {
    name: "Lua writes after a fork, huge pages",
    expected: &["huge_page", "cow_fault", "command"],
    truth: "SLOWLOG",
    act: own::writes_after_fork,
}];

/// Stalls of a server that leaves syncing to the kernel.
pub(super) const NO_SYNC: &[Inducer] = &[
    Inducer {
        name: "write to a page on its way to a slow disk",
        expected: &["aof_write"],
        truth: "ftrace",
        act: disks::page_being_written,
    },
    Inducer {
        name: "its program pushed out of memory, slow disk",
        // Of a sleep that is over, waking up is the rest.
        expected: &["file_fault", "run_queue"],
        truth: "ftrace",
        act: disks::paged_out,
    },
    Inducer {
        name: "writes at a memory limit",
        expected: &["reclaim"],
        truth: "ftrace",
        act: disks::memory_limit,
    },
];

/// Stalls of a server that syncs each write.
pub(super) const ALWAYS: &[Inducer] = &[Inducer {
    name: "fdatasync on a slow disk",
    expected: &["fsync"],
    truth: "ftrace",
    act: disks::slow_disk,
}];

/// Stalls of a server that syncs in the background.
pub(super) const EVERYSEC: &[Inducer] = &[Inducer {
    name: "write behind a background fsync",
    expected: &["fsync_wait", "aof_write"],
    truth: "ftrace",
    act: disks::blocked_write,
}];

/// Where the server is not to blame, and nothing may be said of it.
pub(super) const RELAYED: &[Inducer] = &[Inducer {
    name: "a link that holds answers back",
    expected: &["unexplained"],
    truth: "no time of the server",
    act: cores::held_back,
}];

/// Stalls of a server that is watched with the dear probes, too.
pub(super) const DEAR: &[Inducer] = &[Inducer {
    name: "packets on its core during a Lua loop",
    expected: &["softirq"],
    truth: "ftrace",
    act: cores::packets,
}];
