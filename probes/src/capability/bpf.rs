//! The hooks of the probes, each tried with a program that does nothing.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;

use super::{Finding, Grade};
use crate::btf::{Btf, TaskOffsets, VMLINUX};
use crate::procfs::field;

/// Bits of capabilities(7).
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// Commands, program and attach types of bpf(2).
const BPF_PROG_LOAD: u64 = 5;
const BPF_RAW_TRACEPOINT_OPEN: u64 = 17;
const PROG_KPROBE: u32 = 2;
const PROG_PERF_EVENT: u32 = 7;
const PROG_RAW_TRACEPOINT: u32 = 17;
const PROG_TRACING: u32 = 26;
const TRACE_FENTRY: u32 = 24;

/// `perf_event_attr` of PERF_ATTR_SIZE_VER5, with the fields that matter.
const PERF_ATTR_WORDS: usize = 14;
const PERF_TYPE_SOFTWARE: u32 = 1;
const PERF_SW_CPU_CLOCK: u64 = 0;
const PERF_IOC_SET_BPF: libc::Ioctl = 0x4004_2408;

/// `r0 = 0; exit`.
const NOTHING: [u64; 2] = [0xb7, 0x95];

const ROOT: &str = "run as root, or give CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE";

/// Whether this thread holds what loading tracing programs takes.
#[must_use]
pub fn may_load() -> bool {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let held =
        field(&status, "CapEff:").and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0);
    allows(held)
}

fn allows(held: u64) -> bool {
    let holds = |bit: u32| held >> bit & 1 == 1;
    holds(CAP_SYS_ADMIN) || (holds(CAP_BPF) && holds(CAP_PERFMON))
}

/// Everything the probes need or could use.
#[must_use]
pub fn examine() -> Vec<Finding> {
    let mut findings = vec![embedded(), privileges(), types(), lockdown(), paranoia()];
    if !may_load() {
        findings.push(Finding::bad("hooks", Grade::Poor, "not tried", ROOT));
        return findings;
    }
    findings.extend([
        hook(
            "raw tracepoints",
            raw_tracepoint(),
            "none of the probes works without: a kernel from 4.17 on",
        ),
        hook(
            "perf software events",
            software_event(),
            "sampling and fault times need CONFIG_PERF_EVENTS",
        ),
        hook(
            "uprobes",
            probe("uprobe"),
            "fork and fsync are timed by uprobes: CONFIG_UPROBE_EVENTS",
        ),
        optional("kprobes", probe("kprobe")),
        optional("fentry", fentry()),
    ]);
    findings
}

fn embedded() -> Finding {
    if cfg!(feature = "ebpf") {
        Finding::good("eBPF object", "embedded in this program")
    } else {
        let remedy = "cargo build --release --features probes";
        Finding::bad("eBPF object", Grade::Poor, "not embedded in this program", remedy).by(remedy)
    }
}

fn privileges() -> Finding {
    if may_load() {
        Finding::good("privileges", "may load BPF programs")
    } else {
        Finding::bad("privileges", Grade::Poor, "may not load BPF programs", ROOT)
    }
}

fn types() -> Finding {
    let name = "kernel types (BTF)";
    if !Path::new(VMLINUX).exists() {
        let remedy = "waits off the core, children and stretches on it are not seen: \
                      a kernel with CONFIG_DEBUG_INFO_BTF";
        return Finding::bad(name, Grade::Poor, "absent", remedy);
    }
    match TaskOffsets::of_this_kernel() {
        TaskOffsets { io_count: 0, .. } => {
            let remedy = "long commands are not sampled: CONFIG_TASK_IO_ACCOUNTING";
            Finding::bad(name, Grade::Fair, "present, without read and write counts", remedy)
        }
        _ => Finding::good(name, "present, with read and write counts"),
    }
}

fn lockdown() -> Finding {
    let text = fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
    let mode = text.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    match mode.map_or("none", |(mode, _)| mode) {
        "confidentiality" => {
            let remedy = "reading kernel memory is forbidden: boot with lockdown=integrity";
            Finding::bad("lockdown", Grade::Poor, "confidentiality", remedy)
        }
        mode => Finding::good("lockdown", mode),
    }
}

fn paranoia() -> Finding {
    let name = "perf_event_paranoid";
    let text = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap_or_default();
    let level = text.trim().to_owned();
    if may_load() || level.parse::<i32>().is_ok_and(|level| level < 0) {
        Finding::good(name, level)
    } else {
        Finding::bad(name, Grade::Fair, level, "only matters without root")
    }
}

fn hook(name: &'static str, tried: io::Result<()>, remedy: &str) -> Finding {
    match tried {
        Ok(()) => Finding::good(name, "work"),
        Err(error) => Finding::bad(name, Grade::Poor, format!("refused: {error}"), remedy),
    }
}

fn optional(name: &'static str, tried: io::Result<()>) -> Finding {
    match tried {
        Ok(()) => Finding::good(name, "work (not needed)"),
        Err(error) => Finding::good(name, format!("refused, not needed ({error})")),
    }
}

fn raw_tracepoint() -> io::Result<()> {
    let program = load(PROG_RAW_TRACEPOINT, 0, 0)?;
    let name = c"sched_process_fork";
    let attributes = [name.as_ptr() as u64, program.as_raw_fd() as u64];
    bpf(BPF_RAW_TRACEPOINT_OPEN, &attributes).map(drop)
}

fn software_event() -> io::Result<()> {
    let program = load(PROG_PERF_EVENT, 0, 0)?;
    let event = perf_event(PERF_TYPE_SOFTWARE, PERF_SW_CPU_CLOCK, [0; 2])?;
    set_bpf(&event, &program)
}

/// A uprobe on this program's own libc, or a kprobe on a function that every kernel has.
fn probe(device: &str) -> io::Result<()> {
    let kind = fs::read_to_string(format!("/sys/bus/event_source/devices/{device}/type"))?;
    let kind = kind.trim().parse().map_err(io::Error::other)?;
    let program = load(PROG_KPROBE, 0, 0)?;
    let path = c"/proc/self/exe";
    let function = c"do_exit";
    let place = if device == "uprobe" {
        // Offset 0 is the ELF header, which is never executed.
        [path.as_ptr() as u64, 0]
    } else {
        [function.as_ptr() as u64, 0]
    };
    let event = perf_event(kind, 0, place)?;
    set_bpf(&event, &program)
}

fn fentry() -> io::Result<()> {
    let id = Btf::read(Path::new(VMLINUX))
        .and_then(|btf| btf.function("do_exit"))
        .ok_or_else(|| io::Error::other("no kernel types"))?;
    let program = load(PROG_TRACING, TRACE_FENTRY, id)?;
    let attributes = [0, program.as_raw_fd() as u64];
    bpf(BPF_RAW_TRACEPOINT_OPEN, &attributes).map(drop)
}

/// Loads the program that does nothing.
fn load(kind: u32, attach_type: u32, btf_id: u32) -> io::Result<OwnedFd> {
    let license = c"Dual MIT/GPL";
    let mut attributes = [0u64; 18];
    attributes[0] = u64::from(kind) | (NOTHING.len() as u64) << 32;
    attributes[1] = NOTHING.as_ptr() as u64;
    attributes[2] = license.as_ptr() as u64;
    attributes[8] = u64::from(attach_type) << 32;
    attributes[13] = u64::from(btf_id) << 32;
    bpf(BPF_PROG_LOAD, &attributes)
}

fn bpf(command: u64, attributes: &[u64]) -> io::Result<OwnedFd> {
    // SAFETY: the kernel reads as many bytes as it is told and keeps no pointer.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, command, attributes.as_ptr(), size_of_val(attributes))
    };
    owned(result)
}

/// Opens an event of this thread; `place` is the pair of words that probes use.
fn perf_event(kind: u32, config: u64, place: [u64; 2]) -> io::Result<OwnedFd> {
    let mut attributes = [0u64; PERF_ATTR_WORDS];
    attributes[0] = u64::from(kind) | (size_of_val(&attributes) as u64) << 32;
    attributes[1] = config;
    attributes[2] = 1_000_000_000; // period
    attributes[5] = 1; // disabled
    attributes[7] = place[0];
    attributes[8] = place[1];
    // SAFETY: as in `bpf`.
    let result =
        unsafe { libc::syscall(libc::SYS_perf_event_open, attributes.as_ptr(), 0, -1, -1, 8) };
    owned(result)
}

fn set_bpf(event: &OwnedFd, program: &OwnedFd) -> io::Result<()> {
    // SAFETY: two descriptors that are open.
    let result = unsafe { libc::ioctl(event.as_raw_fd(), PERF_IOC_SET_BPF, program.as_raw_fd()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the system call has just made it.
    Ok(unsafe { OwnedFd::from_raw_fd(result as i32) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_or_both_capabilities_are_enough() {
        assert!(allows(u64::MAX));
        assert!(allows(1 << CAP_SYS_ADMIN));
        assert!(allows(1 << CAP_BPF | 1 << CAP_PERFMON));
        assert!(!allows(1 << CAP_BPF));
        assert!(!allows(0));
    }

    #[test]
    fn what_cannot_be_tried_is_said_with_its_remedy() {
        for finding in examine() {
            assert!(!finding.found.is_empty(), "{finding:?}");
            assert!(finding.grade == Grade::Good || !finding.remedy.is_empty(), "{finding:?}");
        }
    }
}
