//! Loads the kernel side for one process and attaches what the host allows.
//!
//! Every hook hangs on a file descriptor of this process (BPF links and perf events, nothing is
//! pinned), so the kernel detaches all of it when the process ends, by SIGKILL too.
#![cfg(feature = "ebpf")]

use std::path::PathBuf;

use aya::maps::{PerCpuArray, RingBuf};
use aya::{Ebpf, EbpfLoader};
use stallion_probes_common::network::NETWORK_KINDS;
use stallion_timeline::{ProbeState, ProbeStatus};

use crate::choice::Choice;
use crate::error::ProbeError;
use crate::offsets::{Offsets, Without};
use crate::server::Server;
use crate::syscalls;

mod hooks;

mod probes;

use hooks::words;
use probes::{Attaching, PROBES, Probe, Scope};

/// The kernel side, built by `cargo xtask ebpf`.
static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("STALLION_EBPF_OBJECT"));

/// Stalls shorter than this are summed in windows of 1 ms, and windows with less are dropped: a
/// tenth of the shortest latency that a report calls slow.
const FLOOR_NS: u64 = 100_000;

/// Ports of a server that the kernel side knows: its own, TLS, the cluster bus, and as many again.
const PORTS: usize = 8;

/// The attached probes. Dropping it detaches them.
pub struct Attached {
    /// State of each probe, for the header.
    pub states: Vec<ProbeState>,
    /// Events from the kernel.
    pub events: RingBuf<aya::maps::MapData>,
    lost: PerCpuArray<aya::maps::MapData, u64>,
    network: PerCpuArray<aya::maps::MapData, u64>,
    _ebpf: Ebpf,
}

impl Attached {
    /// Events that found the ring buffer full, since the attaching.
    #[must_use]
    pub fn lost(&self) -> u64 {
        sum(&self.lost, 0)
    }

    /// Retransmits and resets since the attaching, by kind.
    #[must_use]
    pub fn network(&self) -> [u64; NETWORK_KINDS] {
        std::array::from_fn(|kind| sum(&self.network, kind as u32))
    }
}

fn sum(counts: &PerCpuArray<aya::maps::MapData, u64>, index: u32) -> u64 {
    counts.get(&index, 0).map_or(0, |by_cpu| by_cpu.iter().sum())
}

/// What the plan wants of the probes.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The shortest stretch on the CPU that counts as a stall.
    pub threshold_ns: u64,
    /// Which probes.
    pub probes: Choice,
    /// What to do without.
    pub without: Without,
}

/// Loads and attaches everything for one server.
///
/// # Errors
/// [`ProbeError`] when nothing can be loaded, or not one probe attached. A probe that fails by
/// itself is a state, no error.
pub fn attach(server: &Server, wanted: Wanted) -> Result<Attached, ProbeError> {
    let mut scope = Scope {
        pid: server.pid,
        libc: server.symbols.file(is_libc).filter(|_| !wanted.without.libc),
        program: PathBuf::from(format!("/proc/{}/exe", server.pid)),
        offsets: if wanted.without.types { Offsets::default() } else { Offsets::of_this_kernel() },
        ports: server.ports.clone(),
    };
    scope.offsets.state_is_argument &= !wanted.without.state;
    if !wanted.probes.includes("command") {
        // Without it the kernel side follows no stretches.
        scope.offsets.task.io_count = 0;
    }
    let mut ebpf = load(&scope, wanted.threshold_ns)?;
    let states: Vec<ProbeState> = PROBES
        .iter()
        .map(|probe| state(probe, chosen(probe, wanted.probes, &mut ebpf, &scope)))
        .collect();
    if states.iter().all(|state| state.status != ProbeStatus::Active) {
        let reason = states.first().map_or("", |state| state.reason.as_str());
        return Err(ProbeError::NothingAttached(reason.to_owned()));
    }
    let missing = |name: &str| ProbeError::Load(format!("the object has no map {name}"));
    let events = ebpf.take_map("EVENTS").ok_or_else(|| missing("EVENTS"))?;
    let mut counts = |name: &str| {
        let map = ebpf.take_map(name).ok_or_else(|| missing(name))?;
        PerCpuArray::try_from(map).map_err(|error| ProbeError::Load(words(&error)))
    };
    let lost = counts("LOST")?;
    let network = counts("NETWORK_TOTALS")?;
    Ok(Attached {
        states,
        events: RingBuf::try_from(events).map_err(|error| ProbeError::Load(words(&error)))?,
        lost,
        network,
        _ebpf: ebpf,
    })
}

fn load(scope: &Scope, threshold_ns: u64) -> Result<Ebpf, ProbeError> {
    raise_memlock_limit();
    let mut ports = [0_u16; PORTS];
    ports.iter_mut().zip(&scope.ports).for_each(|(place, port)| *place = *port);
    EbpfLoader::new()
        .override_global("TGID", &scope.pid, true)
        .override_global("FLOOR_NS", &FLOOR_NS.min(threshold_ns), true)
        .override_global("STRETCH_NS", &threshold_ns, true)
        .override_global("PID_OFFSET", &scope.offsets.task.pid, true)
        .override_global("TGID_OFFSET", &scope.offsets.task.tgid, true)
        .override_global("COMM_OFFSET", &scope.offsets.task.comm, true)
        .override_global("IO_COUNT_OFFSET", &scope.offsets.task.io_count, true)
        .override_global("REQUEST_OFFSETS", &scope.offsets.request, true)
        .override_global("SOCKET_OFFSETS", &scope.offsets.socket, true)
        .override_global("PORTS", &ports, true)
        .override_global("NET_NAMESPACE", &net_namespace(scope.pid), true)
        .override_global("THROTTLE_OFFSETS", &scope.offsets.throttle, true)
        .override_global("TASK_FIELDS", &scope.offsets.task_fields, true)
        .override_global("STATE_OFFSET", &scope.offsets.state, true)
        .override_global("REGISTERS", &u32::from(scope.offsets.registers), true)
        .override_global("IDLE_SYSCALLS", &syscalls::IDLE, true)
        .load(OBJECT)
        .map_err(|error| ProbeError::Load(words(&error)))
}

/// Inode of a process's network namespace; 0 when it cannot be told.
fn net_namespace(pid: u32) -> u32 {
    let link = std::fs::read_link(format!("/proc/{pid}/ns/net")).unwrap_or_default();
    let text = link.to_string_lossy();
    let inode = text.strip_prefix("net:[").and_then(|rest| rest.strip_suffix(']'));
    inode.and_then(|inode| inode.parse().ok()).unwrap_or(0)
}

/// BPF memory counted against this limit before Linux 5.11.
fn raise_memlock_limit() {
    let limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: a valid struct; a refusal shows when the maps are created.
    unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) };
}

/// Attaches a probe if it was chosen.
fn chosen(
    probe: &Probe,
    choice: Choice,
    ebpf: &mut Ebpf,
    scope: &Scope,
) -> Result<Attaching, String> {
    if choice.includes(probe.name) {
        return (probe.attach)(ebpf, scope);
    }
    Ok(Attaching::Disabled(probe.dear.unwrap_or("not among --probes").to_owned()))
}

fn state(probe: &Probe, result: Result<Attaching, String>) -> ProbeState {
    let (status, reason) = match result {
        Ok(Attaching::Active(lacks)) => (ProbeStatus::Active, lacks),
        Ok(Attaching::Disabled(why)) => (ProbeStatus::Disabled, why),
        Err(reason) => (ProbeStatus::Failed, reason),
    };
    ProbeState { name: probe.name.to_owned(), hook: probe.hook.to_owned(), status, reason }
}

fn is_libc(name: &str) -> bool {
    name.starts_with("libc.so") || name.starts_with("libc-2") || name.starts_with("ld-musl")
}
