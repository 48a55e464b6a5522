//! Loads the kernel side for one process and attaches what the host allows.
//!
//! Every hook hangs on a file descriptor of this process (BPF links and perf events, nothing is
//! pinned), so the kernel detaches all of it when the process ends, by SIGKILL too.
#![cfg(feature = "ebpf")]

use std::fs;
use std::num::NonZeroU32;
use std::path::PathBuf;

use aya::maps::{PerCpuArray, RingBuf};
use aya::programs::perf_event::{PerfEventConfig, PerfEventScope, SamplePolicy, SoftwareEvent};
use aya::programs::uprobe::UProbeScope;
use aya::programs::{PerfEvent, Program, RawTracePoint, UProbe};
use aya::{Ebpf, EbpfLoader};
use stallion_probes_common::command::SAMPLE_PERIOD_NS;
use stallion_timeline::{ProbeState, ProbeStatus};

use crate::error::ProbeError;
use crate::offsets::Offsets;
use crate::server::Server;
use crate::stalls::command::RARE;
use crate::syscalls;

/// The kernel side, built by `cargo xtask ebpf`.
static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("STALLION_EBPF_OBJECT"));

/// Stalls shorter than this are summed in windows of 1 ms, and windows with less are dropped: a
/// tenth of the shortest latency that a report calls slow.
const FLOOR_NS: u64 = 100_000;

/// The attached probes. Dropping it detaches them.
pub struct Attached {
    /// State of each probe, for the header.
    pub states: Vec<ProbeState>,
    /// Events from the kernel.
    pub events: RingBuf<aya::maps::MapData>,
    lost: PerCpuArray<aya::maps::MapData, u64>,
    _ebpf: Ebpf,
}

impl Attached {
    /// Events that found the ring buffer full, since the attaching.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.get(&0, 0).map_or(0, |by_cpu| by_cpu.iter().sum())
    }
}

/// What the hooks of one process need to know.
struct Scope {
    pid: u32,
    libc: Option<PathBuf>,
    program: PathBuf,
    offsets: Offsets,
}

/// One probe: its name is the stem of its files.
struct Probe {
    name: &'static str,
    hook: &'static str,
    /// What an attached one lacks here; empty when it lacks nothing.
    attach: fn(&mut Ebpf, &Scope) -> Result<String, String>,
}

const PROBES: [Probe; 6] = [
    Probe { name: "fork", hook: "uprobe libc fork, raw_tp sched_process_fork/exit", attach: fork },
    Probe {
        name: "page_fault",
        hook: "raw_tp page_fault_user/kernel, mm_page_alloc, perf minor/major-faults",
        attach: page_fault,
    },
    Probe { name: "fsync", hook: "uprobe libc fsync, fdatasync", attach: fsync },
    Probe {
        name: "block_io",
        hook: "raw_tp block_rq_issue/complete, while a thread waits for a disk",
        attach: block_io,
    },
    Probe { name: "scheduler", hook: "raw_tp sched_switch, sched_waking", attach: scheduler },
    Probe {
        name: "command",
        hook: "perf cpu-clock 1 kHz of the main thread, uprobes on rare commands",
        attach: command,
    },
];

/// Loads and attaches everything for one server.
///
/// # Errors
/// [`ProbeError`] when nothing can be loaded, or not one probe attached. A probe that fails by
/// itself is a state, no error.
pub fn attach(server: &Server, threshold_ns: u64) -> Result<Attached, ProbeError> {
    let scope = Scope {
        pid: server.pid,
        libc: server.symbols.file(is_libc),
        program: PathBuf::from(format!("/proc/{}/exe", server.pid)),
        offsets: Offsets::of_this_kernel(),
    };
    let mut ebpf = load(&scope, threshold_ns)?;
    let states: Vec<ProbeState> =
        PROBES.iter().map(|probe| state(probe, (probe.attach)(&mut ebpf, &scope))).collect();
    if states.iter().all(|state| state.status != ProbeStatus::Active) {
        let reason = states.first().map_or("", |state| state.reason.as_str());
        return Err(ProbeError::NothingAttached(reason.to_owned()));
    }
    let missing = |name: &str| ProbeError::Load(format!("the object has no map {name}"));
    let events = ebpf.take_map("EVENTS").ok_or_else(|| missing("EVENTS"))?;
    let lost = ebpf.take_map("LOST").ok_or_else(|| missing("LOST"))?;
    Ok(Attached {
        states,
        events: RingBuf::try_from(events).map_err(|error| ProbeError::Load(words(&error)))?,
        lost: PerCpuArray::try_from(lost).map_err(|error| ProbeError::Load(words(&error)))?,
        _ebpf: ebpf,
    })
}

fn load(scope: &Scope, threshold_ns: u64) -> Result<Ebpf, ProbeError> {
    raise_memlock_limit();
    EbpfLoader::new()
        .override_global("TGID", &scope.pid, true)
        .override_global("FLOOR_NS", &FLOOR_NS.min(threshold_ns), true)
        .override_global("STRETCH_NS", &threshold_ns, true)
        .override_global("PID_OFFSET", &scope.offsets.task.pid, true)
        .override_global("TGID_OFFSET", &scope.offsets.task.tgid, true)
        .override_global("COMM_OFFSET", &scope.offsets.task.comm, true)
        .override_global("IO_COUNT_OFFSET", &scope.offsets.task.io_count, true)
        .override_global("REQUEST_OFFSETS", &scope.offsets.request, true)
        .override_global("IDLE_SYSCALLS", &syscalls::IDLE, true)
        .load(OBJECT)
        .map_err(|error| ProbeError::Load(words(&error)))
}

/// BPF memory counted against this limit before Linux 5.11.
fn raise_memlock_limit() {
    let limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: a valid struct; a refusal shows when the maps are created.
    unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) };
}

fn state(probe: &Probe, result: Result<String, String>) -> ProbeState {
    let (status, reason) = match result {
        Ok(lacks) => (ProbeStatus::Active, lacks),
        Err(reason) => (ProbeStatus::Failed, reason),
    };
    ProbeState { name: probe.name.to_owned(), hook: probe.hook.to_owned(), status, reason }
}

fn fork(ebpf: &mut Ebpf, scope: &Scope) -> Result<String, String> {
    raw_tracepoint(ebpf, "sched_process_fork")?;
    raw_tracepoint(ebpf, "sched_process_exit")?;
    let libc = scope.libc()?;
    uprobe(ebpf, "fork_enter", &libc, &["fork"], scope.pid)?;
    uprobe(ebpf, "fork_return", &libc, &["fork"], scope.pid)?;
    Ok(String::new())
}

fn page_fault(ebpf: &mut Ebpf, scope: &Scope) -> Result<String, String> {
    for name in ["page_fault_user", "page_fault_kernel", "mm_page_alloc"] {
        raw_tracepoint(ebpf, name)?;
    }
    perf_event(ebpf, "minor_fault", SoftwareEvent::PageFaultsMin, 1, scope.pid)?;
    perf_event(ebpf, "major_fault", SoftwareEvent::PageFaultsMaj, 1, scope.pid)?;
    Ok(String::new())
}

fn fsync(ebpf: &mut Ebpf, scope: &Scope) -> Result<String, String> {
    let libc = scope.libc()?;
    uprobe(ebpf, "sync_enter", &libc, &["fsync", "fdatasync"], scope.pid)?;
    uprobe(ebpf, "sync_return", &libc, &["fsync", "fdatasync"], scope.pid)?;
    Ok(String::new())
}

fn block_io(ebpf: &mut Ebpf, scope: &Scope) -> Result<String, String> {
    for name in ["block_rq_complete", "block_rq_issue"] {
        if scope.offsets.request_after_queue {
            raw_tracepoint_by(ebpf, &format!("{name}_of_queue"), name)?;
        } else {
            raw_tracepoint(ebpf, name)?;
        }
    }
    Ok(scope.lacks_types("devices and bytes are not told"))
}

fn scheduler(ebpf: &mut Ebpf, _scope: &Scope) -> Result<String, String> {
    raw_tracepoint(ebpf, "sched_waking")?;
    raw_tracepoint(ebpf, "sched_switch")?;
    Ok(String::new())
}

fn command(ebpf: &mut Ebpf, scope: &Scope) -> Result<String, String> {
    if scope.offsets.task.io_count == 0 {
        return Err("the kernel shows no task_struct.ioac in its BTF (CONFIG_TASK_IO_ACCOUNTING, \
             CONFIG_DEBUG_INFO_BTF); SLOWLOG still names slow commands"
            .to_owned());
    }
    perf_event(ebpf, "cpu_clock", SoftwareEvent::CpuClock, SAMPLE_PERIOD_NS, scope.pid)?;
    // A server without these symbols keeps the sampler, whose bounds are right to a millisecond.
    let exported: Vec<&str> =
        RARE.into_iter().filter(|name| crate::symbols::exports(&scope.program, name)).collect();
    uprobe(ebpf, "command_enter", &scope.program, &exported, scope.pid)?;
    uprobe(ebpf, "command_return", &scope.program, &exported, scope.pid)?;
    Ok(String::new())
}

impl Scope {
    /// What is lost without the kernel's type information; empty with it.
    fn lacks_types(&self, loss: &str) -> String {
        match self.offsets.task.pid {
            0 => format!("the kernel shows no types (CONFIG_DEBUG_INFO_BTF): {loss}"),
            _ => String::new(),
        }
    }

    fn libc(&self) -> Result<PathBuf, String> {
        self.libc.clone().ok_or_else(|| {
            "the server maps no libc (a static binary?): its fork and fsync cannot be probed"
                .to_owned()
        })
    }
}

fn is_libc(name: &str) -> bool {
    name.starts_with("libc.so") || name.starts_with("libc-2") || name.starts_with("ld-musl")
}

fn raw_tracepoint(ebpf: &mut Ebpf, name: &str) -> Result<(), String> {
    raw_tracepoint_by(ebpf, name, name)
}

fn raw_tracepoint_by(ebpf: &mut Ebpf, by: &str, name: &str) -> Result<(), String> {
    let program: &mut RawTracePoint = program(ebpf, by)?;
    program.load().map_err(|error| words(&error))?;
    program.attach(name).map_err(|error| format!("{name}: {}", words(&error)))?;
    Ok(())
}

fn uprobe(
    ebpf: &mut Ebpf,
    name: &str,
    file: &PathBuf,
    functions: &[&str],
    pid: u32,
) -> Result<(), String> {
    let scope = UProbeScope::OneProcess(NonZeroU32::new(pid).ok_or("process 0 is no server")?);
    let program: &mut UProbe = program(ebpf, name)?;
    program.load().map_err(|error| words(&error))?;
    for function in functions {
        program
            .attach(*function, file, scope)
            .map_err(|error| format!("{function}: {}", words(&error)))?;
    }
    Ok(())
}

fn perf_event(
    ebpf: &mut Ebpf,
    name: &str,
    event: SoftwareEvent,
    period: u64,
    tid: u32,
) -> Result<(), String> {
    let program: &mut PerfEvent = program(ebpf, name)?;
    program.load().map_err(|error| words(&error))?;
    program
        .attach(
            PerfEventConfig::Software(event),
            PerfEventScope::OneProcess { pid: tid, cpu: None },
            SamplePolicy::Period(period),
            false,
        )
        .map_err(|error| words(&error))?;
    Ok(())
}

fn program<'a, P>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut P, String>
where
    &'a mut P: TryFrom<&'a mut Program>,
{
    ebpf.program_mut(name)
        .and_then(|program| program.try_into().ok())
        .ok_or_else(|| format!("the object has no program {name}: run `cargo xtask ebpf`"))
}

/// An error with its causes in one line; of a verifier's log the last words only.
fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    if std::env::var_os("STALLION_VERIFIER_LOG").is_some() {
        let _ = fs::write("/dev/stderr", &text);
    }
    match lines.as_slice() {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first, .., last] => format!("{first} … {last}"),
    }
}
