//! What each probe hangs on, and what it says when a part of that is not to be had.

use std::fs;
use std::path::PathBuf;

use aya::Ebpf;
use aya::programs::perf_event::SoftwareEvent;
use stallion_probes_common::command::SAMPLE_PERIOD_NS;

use super::hooks::{perf_event, raw_tracepoint, raw_tracepoint_by, uprobe};
use crate::offsets::Offsets;
use crate::stalls::command::RARE;

/// Why a probe that reads kernel structs sees less, or nothing.
const NO_TYPES: &str = "the kernel shows no types (CONFIG_DEBUG_INFO_BTF)";

/// Why a system call has no name.
const NO_REGISTERS: &str = "no registers to read (Linux 5.15 with CONFIG_DEBUG_INFO_BTF)";

/// Why fork and fsync are seen by other means.
const NO_LIBC: &str = "the server maps no libc (a static binary?)";

/// Why softirqs are not watched unless somebody asks.
const SOFTIRQ_OFF: &str = "off: its two hooks run for every packet that is sent over loopback, and took 2 to 4 % of a \
     loaded shard's CPU; --probes default,softirq attaches them";

/// How an attempt ended that did not fail.
pub(super) enum Attaching {
    /// Attached; what it lacks on this host, empty for nothing.
    Active(String),
    /// Not wanted, and why.
    Disabled(String),
}

impl Attaching {
    /// Attached with all its hooks.
    pub(super) const WHOLE: Self = Self::Active(String::new());
}

/// What the hooks of one process need to know.
pub(super) struct Scope {
    pub(super) pid: u32,
    pub(super) libc: Option<PathBuf>,
    pub(super) program: PathBuf,
    pub(super) offsets: Offsets,
    pub(super) ports: Vec<u16>,
}

/// One probe: its name is the stem of its files.
pub(super) struct Probe {
    pub(super) name: &'static str,
    pub(super) hook: &'static str,
    pub(super) attach: fn(&mut Ebpf, &Scope) -> Result<Attaching, String>,
    /// Why it is attached only when it is asked for.
    pub(super) dear: Option<&'static str>,
}

pub(super) const PROBES: [Probe; 9] = [
    Probe {
        name: "fork",
        hook: "uprobe libc fork, raw_tp sched_process_fork/exit",
        attach: fork,
        dear: None,
    },
    Probe {
        name: "page_fault",
        hook: "raw_tp page_fault_user/kernel, mm_page_alloc, tlb_flush, perf minor/major-faults",
        attach: page_fault,
        dear: None,
    },
    Probe { name: "fsync", hook: "uprobe libc fsync, fdatasync", attach: fsync, dear: None },
    Probe {
        name: "block_io",
        hook: "raw_tp block_rq_issue/complete, while a thread waits for a disk",
        attach: block_io,
        dear: None,
    },
    Probe {
        name: "scheduler",
        hook: "raw_tp sched_switch, sched_waking, signal_generate, sched_process_exit",
        attach: scheduler,
        dear: None,
    },
    Probe {
        name: "command",
        hook: "raw_tp local_timer_entry (the tick) or perf cpu-clock, task_struct.ioac, uprobes on rare commands",
        attach: command,
        dear: None,
    },
    Probe {
        name: "reclaim",
        hook: "raw_tp direct, memcg reclaim and compaction begin/end, mark_victim",
        attach: reclaim,
        dear: None,
    },
    Probe {
        name: "softirq",
        hook: "raw_tp softirq_entry/exit on the main thread",
        attach: softirq,
        dear: Some(SOFTIRQ_OFF),
    },
    Probe {
        name: "network",
        hook: "raw_tp tcp_retransmit_skb, tcp_receive_reset, tcp_send_reset; /proc/PID/net/tcp",
        attach: network,
        dear: None,
    },
];

fn fork(ebpf: &mut Ebpf, scope: &Scope) -> Result<Attaching, String> {
    raw_tracepoint(ebpf, "sched_process_fork")?;
    raw_tracepoint(ebpf, "sched_process_exit")?;
    // Where there is no libc to hook, the server's own function around it does.
    let (file, function) = match (&scope.libc, scope.exported(&["redisFork"]).first()) {
        (Some(libc), _) => (libc, "fork"),
        (None, Some(function)) => (&scope.program, *function),
        (None, None) => return Err(format!("{NO_LIBC}: the sampler tells forks to 4 ms")),
    };
    uprobe(ebpf, "fork_enter", file, &[function], scope.pid)?;
    uprobe(ebpf, "fork_return", file, &[function], scope.pid)?;
    let mut lacks = scope.types_lack("the child's number and children alive are not told");
    if scope.libc.is_none() {
        lacks.push(format!("{NO_LIBC}: timed by redisFork"));
    }
    Ok(Attaching::Active(lacks.join("; ")))
}

fn page_fault(ebpf: &mut Ebpf, scope: &Scope) -> Result<Attaching, String> {
    for name in ["page_fault_user", "page_fault_kernel", "mm_page_alloc"] {
        raw_tracepoint(ebpf, name)?;
    }
    perf_event(ebpf, "minor_fault", SoftwareEvent::PageFaultsMin, 1, scope.pid)?;
    perf_event(ebpf, "major_fault", SoftwareEvent::PageFaultsMaj, 1, scope.pid)?;
    // Not every architecture has it.
    Ok(match raw_tracepoint(ebpf, "tlb_flush") {
        Ok(()) => Attaching::WHOLE,
        Err(error) => Attaching::Active(format!("splits of huge pages count as copies: {error}")),
    })
}

fn fsync(ebpf: &mut Ebpf, scope: &Scope) -> Result<Attaching, String> {
    let functions = ["fsync", "fdatasync"];
    let own = scope.exported(&functions);
    let (file, functions) = match &scope.libc {
        Some(libc) => (libc, functions.as_slice()),
        None if own.is_empty() => {
            return Err(format!("{NO_LIBC}: of fsync only the part off the core is told"));
        }
        None => (&scope.program, own.as_slice()),
    };
    uprobe(ebpf, "sync_enter", file, functions, scope.pid)?;
    uprobe(ebpf, "sync_return", file, functions, scope.pid)?;
    Ok(Attaching::WHOLE)
}

fn block_io(ebpf: &mut Ebpf, scope: &Scope) -> Result<Attaching, String> {
    for name in ["block_rq_complete", "block_rq_issue"] {
        if scope.offsets.request_after_queue {
            raw_tracepoint_by(ebpf, &format!("{name}_of_queue"), name)?;
        } else {
            raw_tracepoint(ebpf, name)?;
        }
    }
    Ok(Attaching::Active(scope.types_lack("devices and bytes are not told").join("; ")))
}

fn scheduler(ebpf: &mut Ebpf, scope: &Scope) -> Result<Attaching, String> {
    raw_tracepoint(ebpf, "sched_waking")?;
    if scope.offsets.state_is_argument {
        raw_tracepoint(ebpf, "sched_switch")?;
    } else {
        raw_tracepoint_by(ebpf, "sched_switch_by_task", "sched_switch")?;
    }
    let mut lacks =
        scope.types_lack("a throttle counts as a wait for the core, whose holder is not named");
    if scope.offsets.task_fields[0] != 0 {
        raw_tracepoint(ebpf, "signal_generate")?;
        raw_tracepoint_by(ebpf, "server_exit", "sched_process_exit")?;
    }
    if !scope.offsets.registers {
        lacks.push(format!("{NO_REGISTERS}: of blocking only sleeps that no signal ends are told"));
    }
    Ok(Attaching::Active(lacks.join("; ")))
}

fn command(ebpf: &mut Ebpf, scope: &Scope) -> Result<Attaching, String> {
    // A server without these symbols keeps the sampler.
    let exported = scope.exported(&RARE);
    uprobe(ebpf, "command_enter", &scope.program, &exported, scope.pid)?;
    uprobe(ebpf, "command_return", &scope.program, &exported, scope.pid)?;
    if scope.offsets.task.io_count != 0 {
        // The tick comes anyway, and a timer of its own is dear in a virtual machine.
        if !ticks_often() || raw_tracepoint(ebpf, "local_timer_entry").is_err() {
            perf_event(ebpf, "cpu_clock", SoftwareEvent::CpuClock, SAMPLE_PERIOD_NS, scope.pid)?;
        }
        return Ok(Attaching::WHOLE);
    }
    let why = "the kernel shows no task_struct.ioac in its BTF (CONFIG_TASK_IO_ACCOUNTING, \
         CONFIG_DEBUG_INFO_BTF)";
    if exported.is_empty() {
        return Err(format!("{why}, and the server exports no commands; SLOWLOG names slow ones"));
    }
    let only = "only rare commands (KEYS, DEBUG, FLUSHALL …) are timed; SLOWLOG names the others";
    Ok(Attaching::Active(format!("{why}: {only}")))
}

/// Whether the scheduler's tick comes often enough on every busy core to sample by it.
fn ticks_often() -> bool {
    let mut tick = libc::timespec { tv_sec: 1, tv_nsec: 0 };
    // SAFETY: `tick` is a valid timespec. This clock advances once a tick.
    unsafe { libc::clock_getres(libc::CLOCK_MONOTONIC_COARSE, &raw mut tick) };
    let often = tick.tv_sec == 0 && tick.tv_nsec.unsigned_abs() <= SAMPLE_PERIOD_NS;
    // On such cores a thread that is alone has no ticks.
    let tickless = fs::read_to_string("/sys/devices/system/cpu/nohz_full").unwrap_or_default();
    often && matches!(tickless.trim(), "" | "(null)")
}

fn reclaim(ebpf: &mut Ebpf, scope: &Scope) -> Result<Attaching, String> {
    let stages = ["mm_vmscan_direct_reclaim", "mm_vmscan_memcg_reclaim", "mm_compaction"];
    let mut missing = Vec::new();
    for stage in stages {
        // A kernel without memory cgroups or compaction lacks their tracepoints.
        let both = raw_tracepoint(ebpf, &format!("{stage}_end"))
            .and_then(|()| raw_tracepoint(ebpf, &format!("{stage}_begin")));
        if let Err(error) = both {
            missing.push(error);
        }
    }
    if missing.len() == stages.len() {
        return Err(missing.swap_remove(0));
    }
    if let Err(error) = raw_tracepoint(ebpf, "mark_victim") {
        missing.push(error);
    }
    match missing.as_slice() {
        [] => {
            let lacks = scope.types_lack("victims of the OOM killer are not told");
            Ok(Attaching::Active(lacks.join("; ")))
        }
        missing => Ok(Attaching::Active(format!("not watched: {}", missing.join("; ")))),
    }
}

fn softirq(ebpf: &mut Ebpf, scope: &Scope) -> Result<Attaching, String> {
    raw_tracepoint(ebpf, "softirq_exit")?;
    raw_tracepoint(ebpf, "softirq_entry")?;
    Ok(match scope.offsets.registers {
        true => Attaching::WHOLE,
        false => Attaching::Active(format!("{NO_REGISTERS}: only those of 0.1 ms are told")),
    })
}

fn network(ebpf: &mut Ebpf, scope: &Scope) -> Result<Attaching, String> {
    if scope.ports.is_empty() {
        return Err("the server listens on no TCP port".to_owned());
    }
    if scope.offsets.socket[0] == 0 {
        let lack = format!("{NO_TYPES}: only zero windows are told");
        return Ok(Attaching::Active(lack));
    }
    let mut missing = Vec::new();
    // `tcp_send_reset` and `tcp_receive_reset` are younger than `tcp_retransmit_skb`.
    for name in ["tcp_retransmit_skb", "tcp_receive_reset", "tcp_send_reset"] {
        if let Err(error) = raw_tracepoint(ebpf, name) {
            missing.push(error);
        }
    }
    match missing.as_slice() {
        [] => Ok(Attaching::WHOLE),
        missing => Ok(Attaching::Active(format!("not watched: {}", missing.join("; ")))),
    }
}

impl Scope {
    /// What is lost without the kernel's type information, if it is absent.
    fn types_lack(&self, loss: &str) -> Vec<String> {
        let absent = self.offsets.task.pid == 0;
        absent.then(|| format!("{NO_TYPES}: {loss}")).into_iter().collect()
    }

    /// Those of `names` that the server itself defines.
    fn exported<'a>(&self, names: &[&'a str]) -> Vec<&'a str> {
        crate::symbols::exported(&self.program, names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice::{Choice, NAMES};

    #[test]
    fn the_names_that_can_be_chosen_are_those_of_the_probes() {
        assert_eq!(PROBES.map(|probe| probe.name), NAMES);
        for probe in PROBES {
            assert_eq!(
                probe.dear.is_none(),
                Choice::default().includes(probe.name),
                "{}",
                probe.name
            );
        }
    }
}
