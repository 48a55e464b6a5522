//! Where the running kernel keeps the fields that the probes read, from its type information.

use std::path::Path;

use crate::btf::{Btf, TaskOffsets, VMLINUX};

/// What to do without, although this host has it: rehearses a poorer one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Without {
    /// The kernel's type information (BTF).
    pub types: bool,
    /// The functions of libc (a static binary).
    pub libc: bool,
    /// The state of a thread among the arguments of `sched_switch` (before Linux 5.18).
    pub state: bool,
}

/// All that the kernel side is told of the kernel's structs; 0 stands for unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offsets {
    /// Of a task.
    pub task: TaskOffsets,
    /// 1 more than those of `request.{__data_len, start_time_ns, rq_disk, q}`,
    /// `request_queue.disk` and `gendisk.{major, first_minor}`: some are at 0.
    pub request: [u32; 7],
    /// 1 more than those of `sock_common.{skc_num, skc_dport, skc_family, skc_daddr, skc_v6_daddr,
    /// skc_net}`, `net.ns.inum` and `inet_sock.inet_sport`.
    pub socket: [u32; 8],
    /// 1 more than those of `task_struct.se.cfs_rq` and `cfs_rq.throttle_count`.
    pub throttle: [u32; 2],
    /// 1 more than those of `task_struct.{signal, thread_node, parent, jobctl, exit_code}` and
    /// `signal_struct.thread_head`.
    pub task_fields: [u32; 6],
    /// 1 more than that of `task_struct.__state`, `state` before Linux 5.14.
    pub state: u32,
    /// Whether `sched_switch` has the state among its arguments (Linux 5.18); assumed without
    /// types.
    pub state_is_argument: bool,
    /// Whether programs may read the registers with which a thread entered the kernel.
    pub registers: bool,
    /// Whether the queue stands before the request among the arguments of `block_rq_issue`.
    pub request_after_queue: bool,
}

impl Offsets {
    /// Those of the running kernel; all unknown when it shows no types.
    #[must_use]
    pub fn of_this_kernel() -> Self {
        Btf::read(Path::new(VMLINUX)).map_or_else(Self::default, |btf| Self::from(&btf))
    }
}

impl Default for Offsets {
    fn default() -> Self {
        Self {
            task: TaskOffsets::default(),
            request: [0; 7],
            socket: [0; 8],
            throttle: [0; 2],
            task_fields: [0; 6],
            state: 0,
            state_is_argument: true,
            registers: false,
            request_after_queue: false,
        }
    }
}

impl From<&Btf> for Offsets {
    fn from(btf: &Btf) -> Self {
        let after = |name: &str, path: &[&str]| btf.offset(name, path).map_or(0, |at| at + 1);
        Self {
            task: TaskOffsets::from(btf),
            request: [
                after("request", &["__data_len"]),
                after("request", &["start_time_ns"]),
                after("request", &["rq_disk"]),
                after("request", &["q"]),
                after("request_queue", &["disk"]),
                after("gendisk", &["major"]),
                after("gendisk", &["first_minor"]),
            ],
            socket: [
                after("sock_common", &["skc_num"]),
                after("sock_common", &["skc_dport"]),
                after("sock_common", &["skc_family"]),
                after("sock_common", &["skc_daddr"]),
                after("sock_common", &["skc_v6_daddr"]),
                after("sock_common", &["skc_net", "net"]),
                after("net", &["ns", "inum"]),
                after("inet_sock", &["inet_sport"]),
            ],
            throttle: [
                after("task_struct", &["se", "cfs_rq"]),
                after("cfs_rq", &["throttle_count"]),
            ],
            task_fields: [
                after("task_struct", &["signal"]),
                after("task_struct", &["thread_node"]),
                after("task_struct", &["parent"]),
                after("task_struct", &["jobctl"]),
                after("task_struct", &["exit_code"]),
                after("signal_struct", &["thread_head"]),
            ],
            state: after("task_struct", &["__state"]).max(after("task_struct", &["state"])),
            state_is_argument: btf.parameters("btf_trace_sched_switch") != Some(4),
            registers: btf.function("bpf_task_pt_regs").is_some(),
            // The tracepoint's own first argument is not counted; before Linux 5.11 the queue
            // stood before the request.
            request_after_queue: btf.parameters("btf_trace_block_rq_issue") == Some(3),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_kernel_has_requests_of_disks() {
        if Path::new(VMLINUX).exists() {
            let offsets = Offsets::of_this_kernel();
            assert!(offsets.task_fields.iter().all(|after| *after > 0), "{offsets:?}");
            assert!(offsets.socket.iter().all(|after| *after > 0), "{offsets:?}");
            assert!(offsets.request[0] > 0 && offsets.request[5] > 0, "{offsets:?}");
        }
        assert_eq!(Offsets::default().request, [0; 7]);
    }
}
