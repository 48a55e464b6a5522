//! io_uring, feature by feature, as the engine wants it.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::{Finding, Grade};

/// Flags of io_uring_setup(2).
const SETUP_SINGLE_ISSUER: u32 = 1 << 12;
const SETUP_DEFER_TASKRUN: u32 = 1 << 13;
const SETUP_COOP_TASKRUN: u32 = 1 << 8;

/// Commands of io_uring_register(2), and what they take.
const REGISTER_PROBE: u32 = 8;
const REGISTER_PBUF_RING: u32 = 22;
const PBUF_RING_MMAP: u64 = 1;
const PBUF_RING_INCREMENTAL: u64 = 2;

/// The zero-copy send came with Linux 6.0, as multishot receive did.
const OP_SEND_ZC: usize = 47;
const OPS: usize = 64;

const FALLBACK: &str = "use --io epoll, which costs more CPU per request";

/// Everything the client could use of it.
#[must_use]
pub fn examine() -> Vec<Finding> {
    let mut findings = vec![switch()];
    match ring(0) {
        Ok(ring) => findings.extend(features(&ring)),
        Err(error) => {
            findings.push(Finding::bad(
                "io_uring",
                Grade::Poor,
                format!("refused: {error}"),
                FALLBACK,
            ));
        }
    }
    findings
}

fn switch() -> Finding {
    let name = "io_uring_disabled";
    match fs::read_to_string("/proc/sys/kernel/io_uring_disabled").unwrap_or_default().trim() {
        "" => Finding::good(name, "no such switch (before Linux 6.6)"),
        "0" => Finding::good(name, "0"),
        value => {
            let command = "sysctl -w kernel.io_uring_disabled=0";
            Finding::bad(name, Grade::Poor, value, command).by(command)
        }
    }
}

fn features(ring: &OwnedFd) -> Vec<Finding> {
    let owner = SETUP_SINGLE_ISSUER | SETUP_COOP_TASKRUN;
    let newer = |what: &str, version: &str| {
        format!("{what} costs more CPU without it: a kernel from {version} on")
    };
    vec![
        Finding::good("io_uring", "works"),
        tried("single_issuer", self::ring(owner).is_ok(), &newer("a request", "6.0")),
        tried(
            "defer_taskrun",
            self::ring(owner | SETUP_DEFER_TASKRUN).is_ok(),
            &newer("a request", "6.1"),
        ),
        tried("multishot receive", has_op(ring, OP_SEND_ZC), &newer("a receive", "6.0")),
        tried("provided buffer rings", buffers(ring, PBUF_RING_MMAP), &newer("a receive", "5.19")),
        tried(
            "incremental buffers",
            buffers(ring, PBUF_RING_MMAP | PBUF_RING_INCREMENTAL),
            &newer("a small receive", "6.12"),
        ),
    ]
}

fn tried(name: &'static str, works: bool, remedy: &str) -> Finding {
    if works {
        Finding::good(name, "works")
    } else {
        Finding::bad(name, Grade::Fair, "absent", remedy)
    }
}

fn ring(flags: u32) -> io::Result<OwnedFd> {
    let mut parameters = [0u32; 30];
    parameters[2] = flags;
    // SAFETY: `io_uring_params` is 120 bytes, which the kernel reads and writes.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 4, parameters.as_mut_ptr()) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the system call has just made it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

fn has_op(ring: &OwnedFd, op: usize) -> bool {
    // A head of 16 bytes, whose first is the last operation known; then 8 bytes for each.
    let mut probe = [0u64; 2 + OPS];
    register(ring, REGISTER_PROBE, &mut probe, OPS as u32)
        && probe[0].to_ne_bytes()[0] as usize >= op
}

fn buffers(ring: &OwnedFd, flags: u64) -> bool {
    // `io_uring_buf_reg`: address, entries, group and flags, then reserved words.
    let entries = 8;
    let group = flags;
    let mut registration = [0, entries | group << 32 | flags << 48, 0, 0, 0];
    register(ring, REGISTER_PBUF_RING, &mut registration, 1)
}

fn register(ring: &OwnedFd, command: u32, argument: &mut [u64], count: u32) -> bool {
    // SAFETY: the argument is as large as the command says, and the kernel keeps no pointer to it.
    let result = unsafe {
        libc::syscall(
            libc::SYS_io_uring_register,
            ring.as_raw_fd(),
            command,
            argument.as_mut_ptr(),
            count,
        )
    };
    result >= 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_feature_is_judged() {
        let findings = examine();
        assert!(findings.len() >= 2, "{findings:?}");
        for finding in findings {
            assert!(finding.grade == Grade::Good || !finding.remedy.is_empty(), "{finding:?}");
        }
    }
}
