//! Every class of stall: what sees it, what else can, from which kernel on, and what is lost then.
//! `stallion doctor` shows it, `docs/book/src/probes.md` prints it, and a test holds the two together.

use stallion_timeline::StallClass;

/// One class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The class.
    pub class: StallClass,
    /// Its name in timelines.
    pub name: &'static str,
    /// The probe that tells it, by the stem of its files.
    pub probe: &'static str,
    /// What it hangs on.
    pub hook: &'static str,
    /// Linux from which on that is complete, major and minor.
    pub kernel: (u32, u32),
    /// Whether it needs the kernel's type information (BTF).
    pub types: bool,
    /// What is used where the hook is not to be had.
    pub fallback: &'static str,
    /// What is lost then.
    pub lost: &'static str,
}

/// The ring buffer through which all of them report (and bounded loops, 5.3, before it).
pub const FLOOR: (u32, u32) = (5, 8);

/// All classes in the order of the schema.
pub const TABLE: [Row; 21] = [
    Row {
        class: StallClass::Fork,
        name: "fork",
        probe: "fork",
        hook: "uprobe and uretprobe on libc `fork`, scoped to the process; raw_tp sched_process_fork and sched_process_exit",
        kernel: FLOOR,
        types: true,
        fallback: "uprobe on `redisFork`; then the sampler of `command`",
        lost: "without types the child's number; with the sampler 4 ms of precision",
    },
    Row {
        class: StallClass::CowFault,
        name: "cow_fault",
        probe: "page_fault",
        hook: "raw_tp page_fault_user and page_fault_kernel (x86), mm_page_alloc; ended by perf minor-faults of the thread",
        kernel: FLOOR,
        types: false,
        fallback: "none; the sampler shows long stretches in page faults",
        lost: "copies cannot be told from other work",
    },
    Row {
        class: StallClass::ZeroFault,
        name: "zero_fault",
        probe: "page_fault",
        hook: "as cow_fault",
        kernel: FLOOR,
        types: false,
        fallback: "none",
        lost: "all",
    },
    Row {
        class: StallClass::FileFault,
        name: "file_fault",
        probe: "page_fault",
        hook: "as cow_fault, ended by perf major-faults too; blocked ones by scheduler",
        kernel: FLOOR,
        types: false,
        fallback: "scheduler: the part off the core",
        lost: "faults that do not block",
    },
    Row {
        class: StallClass::HugePage,
        name: "huge_page",
        probe: "page_fault",
        hook: "as cow_fault; a split by raw_tp tlb_flush before any page was allocated",
        kernel: FLOOR,
        types: false,
        fallback: "without tlb_flush splits count as cow_fault",
        lost: "splits by name",
    },
    Row {
        class: StallClass::Fsync,
        name: "fsync",
        probe: "fsync",
        hook: "uprobe and uretprobe on libc `fsync` and `fdatasync`, scoped to the process",
        kernel: FLOOR,
        types: false,
        fallback: "the server's own symbols (static binary); then scheduler",
        lost: "the file's name and the part on the core; background threads",
    },
    Row {
        class: StallClass::AofWrite,
        name: "aof_write",
        probe: "scheduler",
        hook: "raw_tp sched_switch inside write to a .aof file; the sampler of command",
        kernel: (5, 15),
        types: true,
        fallback: "off_cpu, when the sleep is one that no signal ends",
        lost: "that it was the append-only file",
    },
    Row {
        class: StallClass::FsyncWait,
        name: "fsync_wait",
        probe: "scheduler",
        hook: "as aof_write, while the fsync probe sees a background fsync",
        kernel: (5, 15),
        types: true,
        fallback: "off_cpu with the background fsync in its detail",
        lost: "that it was the append-only file",
    },
    Row {
        class: StallClass::Syscall,
        name: "syscall",
        probe: "command",
        hook: "the tick or perf cpu-clock, two samples or more, all in one system call",
        kernel: (5, 15),
        types: true,
        fallback: "none",
        lost: "all; SLOWLOG may show the command",
    },
    Row {
        class: StallClass::RunQueue,
        name: "run_queue",
        probe: "scheduler",
        hook: "raw_tp sched_switch and sched_waking",
        kernel: FLOOR,
        types: true,
        fallback: "none needed without types",
        lost: "who took the core; before 5.18 all of the scheduler's classes",
    },
    Row {
        class: StallClass::Throttle,
        name: "throttle",
        probe: "scheduler",
        hook: "raw_tp sched_switch: runnable, with cfs_rq.throttle_count above 0, or switched to idle",
        kernel: FLOOR,
        types: true,
        fallback: "run_queue",
        lost: "the class: a throttle looks like a wait for the core",
    },
    Row {
        class: StallClass::OffCpu,
        name: "off_cpu",
        probe: "scheduler",
        hook: "raw_tp sched_switch with the system call's number (bpf_task_pt_regs)",
        kernel: (5, 15),
        types: true,
        fallback: "sleeps that no signal ends, without the call's name",
        lost: "other sleeps: they look like the event loop's own",
    },
    Row {
        class: StallClass::BlockIo,
        name: "block_io",
        probe: "block_io",
        hook: "raw_tp block_rq_issue and block_rq_complete, while a thread waits for a disk",
        kernel: FLOOR,
        types: true,
        fallback: "the same without types",
        lost: "the device's name and the bytes",
    },
    Row {
        class: StallClass::Reclaim,
        name: "reclaim",
        probe: "reclaim",
        hook: "raw_tp mm_vmscan_direct_reclaim, mm_vmscan_memcg_reclaim and mm_compaction begin and end; mark_victim",
        kernel: FLOOR,
        types: true,
        fallback: "those of them that the kernel has",
        lost: "from 6.9 on without types: the OOM killer's victims",
    },
    Row {
        class: StallClass::Stopped,
        name: "stopped",
        probe: "scheduler",
        hook: "raw_tp sched_switch with the state of a stopped thread (before 5.18 from the task); who sent the signal by raw_tp signal_generate",
        kernel: FLOOR,
        types: false,
        fallback: "none",
        lost: "before 5.18 without types: all",
    },
    Row {
        class: StallClass::Traced,
        name: "traced",
        probe: "scheduler",
        hook: "raw_tp sched_switch with the state of a traced thread; the tracer by task_struct.parent",
        kernel: FLOOR,
        types: true,
        fallback: "the same without types",
        lost: "the tracer's name",
    },
    Row {
        class: StallClass::Frozen,
        name: "frozen",
        probe: "scheduler",
        hook: "raw_tp sched_switch with the state of a frozen thread (cgroup v1), or task_struct.jobctl (v2)",
        kernel: (6, 1),
        types: true,
        fallback: "off_cpu or throttle",
        lost: "that it was the freezer",
    },
    Row {
        class: StallClass::Exited,
        name: "exited",
        probe: "scheduler",
        hook: "raw_tp sched_process_exit and signal_generate",
        kernel: FLOOR,
        types: true,
        fallback: "pidfd",
        lost: "how it ended",
    },
    Row {
        class: StallClass::Softirq,
        name: "softirq",
        probe: "softirq",
        hook: "raw_tp softirq_entry and softirq_exit; off unless --probes names it: 2 to 4 % of a shard over loopback",
        kernel: (5, 15),
        types: true,
        fallback: "single ones of 0.1 ms and more",
        lost: "the sum of short ones",
    },
    Row {
        class: StallClass::Network,
        name: "network",
        probe: "network",
        hook: "raw_tp tcp_retransmit_skb, tcp_receive_reset, tcp_send_reset; /proc/PID/net/tcp once a second",
        kernel: FLOOR,
        types: true,
        fallback: "/proc/PID/net/tcp",
        lost: "retransmits and resets; zero windows remain",
    },
    Row {
        class: StallClass::Command,
        name: "command",
        probe: "command",
        hook: "reads and writes (task_struct.ioac) from wake-up to sleep, and at raw_tp local_timer_entry (the tick, up to 4 ms) or else perf cpu-clock every 4 ms; uprobes on rare commands",
        kernel: (5, 15),
        types: true,
        fallback: "uprobes on rare commands",
        lost: "all other commands; SLOWLOG names them",
    },
];

impl Row {
    /// `5.18`.
    #[must_use]
    pub fn kernel_text(&self) -> String {
        format!("{}.{}", self.kernel.0, self.kernel.1)
    }

    /// Whether a kernel of this version, with or without type information, has all of it.
    #[must_use]
    pub fn is_whole(&self, kernel: (u32, u32), types: bool) -> bool {
        kernel >= self.kernel && (types || !self.types)
    }
}

/// Major and minor number of a kernel's release, for example of `6.18.44-arch1`.
#[must_use]
pub fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// The table as Markdown.
#[must_use]
pub fn markdown() -> String {
    let head = "| class | probe | hook | from Linux | BTF | otherwise | lost then |\n\
                | --- | --- | --- | --- | --- | --- | --- |\n";
    let rows = TABLE.iter().map(|row| {
        format!(
            "| `{}` | {} | {} | {} | {} | {} | {} |\n",
            row.name,
            row.probe,
            row.hook,
            row.kernel_text(),
            if row.types { "yes" } else { "no" },
            row.fallback,
            row.lost
        )
    });
    std::iter::once(head.to_owned()).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::class_name;

    #[test]
    fn every_class_has_its_row_under_its_own_name() {
        for row in TABLE {
            assert_eq!(class_name(row.class), row.name);
            assert!(row.kernel >= FLOOR, "{}", row.name);
        }
        let names: std::collections::BTreeSet<&str> = TABLE.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), TABLE.len());
        // The schema lists as many classes; a new one is missing here otherwise.
        let schema = stallion_timeline::schema::json_schema();
        for name in names {
            assert!(schema.contains(&format!("\"{name}\"")), "{name}");
        }
    }

    #[test]
    fn releases_have_versions_and_rows_know_theirs() {
        assert_eq!(version("6.18.44-fc-v669"), Some((6, 18)));
        assert_eq!(version("5.8-rc1"), Some((5, 8)));
        assert_eq!(version("x"), None);
        let throttle = TABLE.iter().find(|row| row.name == "throttle").unwrap();
        assert!(throttle.is_whole((6, 1), true));
        assert!(!throttle.is_whole((6, 1), false) && !throttle.is_whole((5, 4), true));
    }

    #[test]
    fn the_document_shows_this_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/book/src/probes.md");
        let text = std::fs::read_to_string(path).unwrap();
        let (begin, end) = ("<!-- table -->\n", "<!-- end of table -->");
        let (head, rest) = text.split_once(begin).unwrap();
        let (shown, tail) = rest.split_once(end).unwrap();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, format!("{head}{begin}{}{end}{tail}", markdown())).unwrap();
        } else {
            assert_eq!(shown, markdown(), "UPDATE_DOCS=1 writes it anew");
        }
    }
}
