//! What is known of the watched process: its threads' roles, its files, its functions.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs;

use stallion_probes_common::Span;
use stallion_probes_common::block_io::Disk;
use stallion_probes_common::network::NETWORK_KINDS;
use stallion_probes_common::scheduler::Wait;
use stallion_timeline::ThreadRole;

use crate::procfs::{listeners, socket_inode};
use crate::symbols::Symbols;

/// Disk events that are kept for the call around them, which is told after them.
const DISKS_KEPT: usize = 32;

/// Waits of I/O threads that are kept for the stretch of the main thread around them.
const IO_WAITS_KEPT: usize = 64;

/// What one device did within a stretch of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskUse {
    /// Major and minor number.
    pub device: u32,
    /// Time with a request in it.
    pub busy_ns: u64,
    /// Requests completed.
    pub requests: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The longest of them.
    pub slowest_ns: u64,
}

/// One watched server.
#[derive(Debug)]
pub struct Server {
    /// Its process id as the host numbers it.
    pub pid: u32,
    /// Names for its addresses.
    pub symbols: Symbols,
    /// Thread names by id, as far as they were asked for.
    threads: HashMap<u32, String>,
    /// When a stack was read last, and the command on it, from its [`Stack`] event.
    ///
    /// [`Stack`]: stallion_probes_common::command::Stack
    pub command_on_stack: Option<(u64, String)>,
    /// The stop, trace or freeze that has begun and not ended, as its first event told it.
    pub halt: Option<Wait>,
    /// The newest waits of I/O threads for a core: start, end, and in words.
    io_waits: VecDeque<(u64, u64, String)>,
    /// Whether the kernel's OOM killer has chosen it.
    pub chosen_by_oom_killer: bool,
    /// Probes that are attached, by name: what one of them times exactly, the others leave out.
    pub active: Vec<String>,
    /// Start and end of the last stall of the main thread's own doing that a uprobe timed.
    last_exact: (u64, u64),
    /// The newest events of disks.
    disks: VecDeque<Disk>,
    /// Ports on which it listens.
    pub ports: Vec<u16>,
    /// The port that names it; 0 when it listens on none.
    pub port: u16,
    /// Retransmits and resets that were told, by kind.
    pub network_told: [u64; NETWORK_KINDS],
}

impl Server {
    /// Reads what does not change while the process lives.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        let ports = listening_ports(pid);
        Self {
            pid,
            port: ports.first().copied().unwrap_or(0),
            ports,
            symbols: Symbols::of(pid),
            threads: HashMap::new(),
            command_on_stack: None,
            halt: None,
            io_waits: VecDeque::new(),
            chosen_by_oom_killer: false,
            active: Vec::new(),
            last_exact: (0, 0),
            disks: VecDeque::new(),
            network_told: [0; NETWORK_KINDS],
        }
    }

    /// Name of one of its threads, for example `bio_aof`; empty when it is gone.
    pub fn thread_name(&mut self, tid: u32) -> &str {
        let pid = self.pid;
        self.threads.entry(tid).or_insert_with(|| {
            fs::read_to_string(format!("/proc/{pid}/task/{tid}/comm"))
                .map(|name| name.trim().to_owned())
                .unwrap_or_default()
        })
    }

    /// Whether a probe is attached.
    #[must_use]
    pub fn watches(&self, probe: &str) -> bool {
        self.active.iter().any(|name| name == probe)
    }

    /// Remembers a stall with exact bounds.
    pub fn note_exact(&mut self, span: &Span) {
        self.last_exact = (span.start_ns, span.end_ns);
    }

    /// Whether a stretch that the sampler found is the stall that a uprobe has just told, with
    /// better bounds: it covers more than half of it.
    #[must_use]
    pub fn is_told(&self, stretch: &Span) -> bool {
        let (start_ns, end_ns) = self.last_exact;
        let common_ns = end_ns.min(stretch.end_ns).saturating_sub(start_ns.max(stretch.start_ns));
        common_ns.saturating_mul(2) > stretch.busy_ns
    }

    /// Remembers that an I/O thread had no core.
    pub fn note_io_wait(&mut self, span: &Span, holder: &str) {
        if self.io_waits.len() == IO_WAITS_KEPT {
            self.io_waits.pop_front();
        }
        let name = self.thread_name(span.tid).to_owned();
        self.io_waits.push_back((span.start_ns, span.end_ns, format!("{name}: {holder}")));
    }

    /// The I/O thread that had no core for more than half of a stretch of the main thread, and who
    /// had that core: `io_thd_1: sh (4242) had the core`.
    #[must_use]
    pub fn io_thread_without_core(&self, stretch: &Span) -> Option<&str> {
        let common_ns = |start: u64, end: u64| {
            end.min(stretch.end_ns).saturating_sub(start.max(stretch.start_ns))
        };
        let all_ns = self.io_waits.iter().map(|(start, end, _)| common_ns(*start, *end));
        let all_ns = all_ns.fold(0_u64, u64::saturating_add);
        let longest = self.io_waits.iter().max_by_key(|(start, end, _)| common_ns(*start, *end))?;
        (all_ns.saturating_mul(2) > stretch.end_ns.saturating_sub(stretch.start_ns))
            .then_some(&*longest.2)
    }

    /// Remembers what a disk did, for the call that waited for it.
    pub fn note_disk(&mut self, event: &Disk) {
        if self.disks.len() == DISKS_KEPT {
            self.disks.pop_front();
        }
        self.disks.push_back(*event);
    }

    /// What a device did within a wait: `preferred`, or the busiest one where that did nothing.
    /// A background thread's wait is told in parts when the main thread waits meanwhile, but
    /// never the other way round.
    #[must_use]
    pub fn disk_within(
        &self,
        start_ns: u64,
        end_ns: u64,
        tid: u32,
        preferred: Option<u32>,
    ) -> Option<DiskUse> {
        let mut uses: Vec<DiskUse> = Vec::new();
        for event in &self.disks {
            let span = &event.span;
            let foreign = tid == self.pid && span.tid != tid;
            if foreign || span.end_ns <= start_ns || span.start_ns >= end_ns {
                continue;
            }
            let at = uses.iter().position(|known| known.device == event.device);
            let index = at.unwrap_or_else(|| {
                uses.push(DiskUse { device: event.device, ..DiskUse::default() });
                uses.len() - 1
            });
            let known = &mut uses[index];
            known.busy_ns = known.busy_ns.saturating_add(span.busy_ns);
            known.requests = known.requests.saturating_add(span.count);
            known.bytes = known.bytes.saturating_add(event.bytes);
            known.slowest_ns = known.slowest_ns.max(event.slowest_ns);
        }
        let of_file = uses.iter().find(|known| Some(known.device) == preferred).copied();
        of_file.or_else(|| uses.into_iter().max_by_key(|known| known.busy_ns))
    }

    /// The role of a thread.
    pub fn role(&mut self, tid: u32) -> ThreadRole {
        let is_main = tid == self.pid;
        role(is_main, self.thread_name(tid))
    }

    /// The file behind a descriptor, empty when it is closed by now.
    #[must_use]
    pub fn file(&self, fd: u64) -> String {
        fs::read_link(format!("/proc/{}/fd/{fd}", self.pid))
            .map(|path| path.to_string_lossy().into_owned())
            .unwrap_or_default()
    }

    /// Resident memory in bytes; 0 when the process is gone.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        crate::procfs::field(&status, "VmRSS:")
            .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
            .unwrap_or(0)
            * 1024
    }
}

/// The TCP ports on which a process listens in its own network namespace.
fn listening_ports(pid: u32) -> Vec<u16> {
    let Ok(folder) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return Vec::new();
    };
    let inodes: HashSet<u64> = folder
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| socket_inode(link.to_str()?))
        .collect();
    let mut ports: Vec<u16> = ["tcp", "tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(format!("/proc/{pid}/net/{table}")).ok())
        .flat_map(|text| listeners(&text))
        .filter(|(_, inode)| inodes.contains(inode))
        .map(|(port, _)| port)
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// Whether a file is a part of the append-only log (`appendonly.aof`, `….incr.aof`).
#[must_use]
pub fn is_append_only_file(path: &str) -> bool {
    path.trim_end_matches(" (deleted)").ends_with(".aof")
}

/// Redis names its threads `bio_*`, `io_thd_*`; jemalloc its own `jemalloc_bg_thd`. A thread that
/// is none of the process's is a forked child.
fn role(is_main: bool, name: &str) -> ThreadRole {
    if is_main {
        ThreadRole::Main
    } else if name.is_empty() {
        ThreadRole::Child
    } else {
        ThreadRole::Background
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stallion_probes_common::Kind;

    #[test]
    fn roles_follow_id_and_name() {
        assert_eq!(role(true, "redis-server"), ThreadRole::Main);
        assert_eq!(role(false, "bio_aof"), ThreadRole::Background);
        assert_eq!(role(false, "jemalloc_bg_thd"), ThreadRole::Background);
        assert_eq!(role(false, ""), ThreadRole::Child);
    }

    #[test]
    fn a_stretch_around_an_exact_stall_is_told_already() {
        let span = |start_ns, end_ns| Span::single(Kind::Stretch, 1, start_ns, end_ns);
        let mut server = Server::of(1);
        assert!(!server.is_told(&span(100, 200)));
        server.note_exact(&span(110, 190));
        assert!(server.is_told(&span(100, 200)));
        assert!(!server.is_told(&span(150, 400)), "more happened than that");
        assert!(!server.is_told(&span(200, 300)));
    }

    #[test]
    fn a_stretch_in_which_an_io_thread_had_no_core_is_explained_by_it() {
        let span = |start_ns, end_ns| Span::single(Kind::Wait, 1, start_ns, end_ns);
        let mut server = Server::of(1);
        assert_eq!(server.io_thread_without_core(&span(0, 100)), None);
        server.note_io_wait(&span(20, 50), "sh (7) had the core");
        assert_eq!(server.io_thread_without_core(&span(0, 100)), None, "not most of it");
        server.note_io_wait(&span(55, 90), "sh (7) had the core");
        let told = server.io_thread_without_core(&span(0, 100)).unwrap();
        assert!(told.ends_with("sh (7) had the core"), "{told}");
    }

    #[test]
    fn append_only_files_of_old_and_new_layouts() {
        assert!(is_append_only_file("/var/lib/redis/appendonly.aof"));
        assert!(is_append_only_file("/d/appendonlydir/appendonly.aof.1.incr.aof"));
        assert!(is_append_only_file("/d/x.incr.aof (deleted)"));
        assert!(!is_append_only_file("/var/log/redis.log"));
        assert!(!is_append_only_file("socket:[1]"));
    }

    #[test]
    fn this_process_has_memory_and_a_main_thread() {
        let mut server = Server::of(std::process::id());
        assert!(server.resident_bytes() > 0);
        assert_eq!(server.role(std::process::id()), ThreadRole::Main);
    }
}
