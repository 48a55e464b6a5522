//! The kernel's own tracer on what one thread or one disk does: who is not the prober, and stops
//! nobody as strace does.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::shell;

/// From when to when, in nanoseconds of CLOCK_MONOTONIC.
pub(super) type Span = (u64, u64);

/// What is timed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Timed {
    /// A system call.
    Call(&'static str),
    /// Sleeps that no signal ends: mostly for a disk.
    Sleeps,
    /// Waits for a core, since a switch to another thread or since it was woken.
    Waits,
    /// Reclaim of memory on the thread's own time, less the waits for a core in it.
    Reclaims,
    /// Softirqs on top of the thread that no system call of its own brought.
    Softirqs,
    /// The time in which a block device (its numbers) had at least one request.
    Requests(u32, u32),
}

impl Timed {
    /// The events that say when it begins and ends, each with a filter.
    fn events(self, tid: u32) -> Vec<(String, String)> {
        let unfiltered = |names: &[&str]| -> Vec<(String, String)> {
            names.iter().map(|name| ((*name).to_owned(), String::new())).collect()
        };
        let switch = || {
            let either = format!("prev_pid=={tid} || next_pid=={tid}");
            ("sched/sched_switch".to_owned(), either)
        };
        match self {
            Self::Call(call) => ["enter", "exit"]
                .map(|side| (format!("syscalls/sys_{side}_{call}"), String::new()))
                .into(),
            Self::Sleeps => vec![switch()],
            Self::Waits => {
                vec![switch(), ("sched/sched_waking".to_owned(), format!("pid=={tid}"))]
            }
            Self::Reclaims => unfiltered(&[
                "vmscan/mm_vmscan_memcg_reclaim_begin",
                "vmscan/mm_vmscan_memcg_reclaim_end",
                "sched/sched_switch",
                "sched/sched_waking",
            ]),
            Self::Softirqs => unfiltered(&[
                "irq/softirq_entry",
                "irq/softirq_exit",
                "raw_syscalls/sys_enter",
                "raw_syscalls/sys_exit",
            ]),
            Self::Requests(major, minor) => ["issue", "complete"]
                .map(|what| {
                    // As the kernel keeps it: MINORBITS is 20.
                    (format!("block/block_rq_{what}"), format!("dev=={}", major << 20 | minor))
                })
                .into(),
        }
    }

    /// Whether its events are those of the thread itself; the others are filtered.
    const fn is_own(self) -> bool {
        matches!(self, Self::Call(_) | Self::Reclaims | Self::Softirqs)
    }

    fn spans_ns(self, trace: &str, tid: u32) -> Vec<Span> {
        let (out, back) = (format!(" prev_pid={tid} "), format!(" next_pid={tid} "));
        let switched = |line: &str| split(line, ": sched_switch:");
        let between = |begin: &str, end: &str| {
            paired_ns(trace, |line| split(line, begin), |line| split(line, end))
        };
        match self {
            Self::Call(call) => between(&format!(": sys_{call}("), &format!(": sys_{call} -> ")),
            Self::Reclaims => reclaims(trace, tid),
            Self::Softirqs => interrupting(trace),
            Self::Sleeps => {
                let deep = |line: &str| line.contains(&out) && line.contains(" prev_state=D");
                paired_ns(
                    trace,
                    |line| deep(line).then(|| switched(line)).flatten(),
                    |line| line.contains(&back).then(|| switched(line)).flatten(),
                )
            }
            Self::Waits => {
                let pushed = |line: &str| line.contains(&out) && line.contains(" prev_state=R");
                paired_ns(
                    trace,
                    |line| match pushed(line) {
                        true => switched(line),
                        false => split(line, ": sched_waking:"),
                    },
                    |line| line.contains(&back).then(|| switched(line)).flatten(),
                )
            }
            Self::Requests(..) => busy(trace),
        }
    }
}

/// An instance of tracefs, mounted for it alone; gone with the value.
pub(super) struct Tracer {
    mount: PathBuf,
    folder: PathBuf,
    timed: Timed,
    tid: u32,
}

impl Tracer {
    /// Times something of the thread with this id.
    pub(super) fn start(tid: u32, timed: Timed) -> anyhow::Result<Self> {
        let name = format!("stallion-tracing-{}", std::process::id());
        let mount = std::env::temp_dir().join(&name);
        fs::create_dir_all(&mount)?;
        let at = mount.display().to_string();
        shell::run(&["mount", "-t", "tracefs", "none", &at])?;
        let tracer = Self { folder: mount.join("instances").join(name), mount, timed, tid };
        fs::create_dir(&tracer.folder).context("an instance of tracefs")?;
        tracer.write("trace_clock", "mono")?;
        // A write for each of 15 000 answers a second, for some seconds.
        tracer.write("buffer_size_kb", "65536")?;
        if timed.is_own() {
            tracer.write("set_event_pid", &tid.to_string())?;
        }
        for (event, filter) in timed.events(tid) {
            if !filter.is_empty() {
                tracer.write(&format!("events/{event}/filter"), &filter)?;
            }
            tracer.write(&format!("events/{event}/enable"), "1")?;
        }
        Ok(tracer)
    }

    fn write(&self, file: &str, text: &str) -> anyhow::Result<()> {
        let path = self.folder.join(file);
        fs::write(&path, text).with_context(|| path.display().to_string())
    }

    /// The time between two instants that what is timed took, as far as it was of this length or
    /// longer.
    pub(super) fn within_ns(&self, window: Span, least_ns: u64) -> anyhow::Result<u64> {
        let text = fs::read_to_string(self.folder.join("trace"))?;
        let long = |span: &Span| span.1.saturating_sub(span.0) >= least_ns;
        let part = |(start, end): Span| end.min(window.1).saturating_sub(start.max(window.0));
        Ok(self.timed.spans_ns(&text, self.tid).into_iter().filter(long).map(part).sum())
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        for (event, _) in self.timed.events(self.tid) {
            let _ = self.write(&format!("events/{event}/enable"), "0");
        }
        let _ = fs::remove_dir(&self.folder);
        let _ = shell::output_quietly(&["umount", &self.mount.display().to_string()]);
        let _ = fs::remove_dir(&self.mount);
    }
}

/// Spans between lines at which something begins and ends, as one thread makes them. Such lines
/// are `redis-server-7 [000] ..... 12.000100: sys_write(fd: 8, …)` and `…: sys_write -> 0x64`.
fn paired_ns(
    trace: &str,
    begins: impl Fn(&str) -> Option<u64>,
    ends: impl Fn(&str) -> Option<u64>,
) -> Vec<Span> {
    let mut begun_ns = None;
    let mut spans = Vec::new();
    for line in trace.lines().filter(|line| !line.starts_with('#')) {
        if let Some(now_ns) = begins(line) {
            begun_ns = Some(now_ns);
        } else if let Some(now_ns) = ends(line)
            && let Some(begun_ns) = begun_ns.take()
        {
            // The buffers of several CPUs are merged, not always in order.
            spans.push((begun_ns, now_ns.max(begun_ns)));
        }
    }
    spans
}

/// Reclaim from its begin to its end, without the time in which the thread was ready to go on.
fn reclaims(trace: &str, tid: u32) -> Vec<Span> {
    let (out, back) = (format!(" prev_pid={tid} "), format!(" next_pid={tid} "));
    let woken = format!(" pid={tid} ");
    let mut inside = false;
    let mut begun_ns = None;
    let mut spans = Vec::new();
    for line in trace.lines().filter(|line| !line.starts_with('#')) {
        let begins = split(line, ": mm_vmscan_memcg_reclaim_begin:");
        let ends = split(line, ": mm_vmscan_memcg_reclaim_end:");
        inside = (inside || begins.is_some()) && ends.is_none();
        let switched = split(line, ": sched_switch:");
        let pushed = switched.filter(|_| line.contains(&out) && line.contains(" prev_state=R"));
        let waking = split(line, ": sched_waking:").filter(|_| line.contains(&woken));
        let returned = switched.filter(|_| inside && line.contains(&back));
        if let Some(now_ns) = ends.or(pushed).or(waking) {
            let begun = begun_ns.take();
            spans.extend(begun.map(|begun_ns| (begun_ns, now_ns.max(begun_ns))));
        } else if let Some(now_ns) = begins.or(returned) {
            begun_ns = begun_ns.or(Some(now_ns));
        }
    }
    spans
}

/// Softirqs outside of system calls.
fn interrupting(trace: &str) -> Vec<Span> {
    let mut inside = false;
    let mut begun_ns = None;
    let mut spans = Vec::new();
    for line in trace.lines().filter(|line| !line.starts_with('#')) {
        if line.contains(": sys_enter:") {
            inside = true;
        } else if line.contains(": sys_exit:") {
            inside = false;
        } else if let Some(now_ns) = split(line, ": softirq_entry:") {
            begun_ns = (!inside).then_some(now_ns);
        } else if let Some(now_ns) = split(line, ": softirq_exit:")
            && let Some(begun_ns) = begun_ns.take()
        {
            spans.push((begun_ns, now_ns.max(begun_ns)));
        }
    }
    spans
}

/// When at least one request was on its way.
fn busy(trace: &str) -> Vec<Span> {
    let mut on_the_way = 0_u32;
    let mut since_ns = 0;
    let mut spans = Vec::new();
    for line in trace.lines().filter(|line| !line.starts_with('#')) {
        if let Some(now_ns) = split(line, ": block_rq_issue:") {
            if on_the_way == 0 {
                since_ns = now_ns;
            }
            on_the_way += 1;
        } else if let Some(now_ns) = split(line, ": block_rq_complete:") {
            if on_the_way == 1 {
                spans.push((since_ns, now_ns.max(since_ns)));
            }
            on_the_way = on_the_way.saturating_sub(1);
        }
    }
    spans
}

/// The time of a line that has a text in it.
fn split(line: &str, text: &str) -> Option<u64> {
    stamp_ns(line.split_once(text)?.0)
}

/// The last word before the call: seconds with six digits behind the point.
fn stamp_ns(head: &str) -> Option<u64> {
    let (seconds, micros) = head.split_whitespace().last()?.split_once('.')?;
    Some(seconds.parse::<u64>().ok()? * 1_000_000_000 + micros.parse::<u64>().ok()? * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(timed: Timed, trace: &str) -> Vec<u64> {
        timed.spans_ns(trace, 7).into_iter().map(|(start, end)| end - start).collect()
    }

    #[test]
    fn a_wait_for_a_core_is_no_part_of_a_reclaim() {
        let switch = |at: &str, prev: &str, next: &str| {
            format!(
                "a-7 [000] d.... {at}: sched_switch: prev_comm=a prev_pid={prev} ==> next_pid={next} next_prio=1\n"
            )
        };
        let text = [
            "a-7 [000] d.... 1.000000: mm_vmscan_memcg_reclaim_begin: order=0\n".to_owned(),
            switch("1.000100", "7 prev_state=R+", "9"),
            switch("1.004000", "9 prev_state=S", "7"),
            switch("1.004200", "7 prev_state=D", "9"),
            "c-8 [001] d.... 1.005200: sched_waking: comm=a pid=7 prio=120\n".to_owned(),
            switch("1.006000", "9 prev_state=S", "7"),
            "a-7 [000] d.... 1.006300: mm_vmscan_memcg_reclaim_end: nr_reclaimed=9\n".to_owned(),
        ];
        assert_eq!(lengths(Timed::Reclaims, &text.concat()), [100_000, 1_200_000, 300_000]);
    }

    #[test]
    fn softirqs_in_the_threads_own_calls_are_its_own() {
        let text = "\
            a-7 [000] d.... 1.000000: sys_enter: NR 1 (8, 0, 0, 0, 0, 0)\n\
            a-7 [000] d.s.. 1.000010: softirq_entry: vec=3 [action=NET_RX]\n\
            a-7 [000] d.s.. 1.000020: softirq_exit: vec=3 [action=NET_RX]\n\
            a-7 [000] d.... 1.000030: sys_exit: NR 1 = 5\n\
            a-7 [000] d.s.. 1.000040: softirq_entry: vec=3 [action=NET_RX]\n\
            a-7 [000] d.s.. 1.000090: softirq_exit: vec=3 [action=NET_RX]\n";
        assert_eq!(lengths(Timed::Softirqs, text), [50_000]);
    }

    #[test]
    fn enters_and_exits_are_paired() {
        let text = "# tracer: nop\n\
            redis-server-7 [000] ..... 12.000100: sys_fdatasync(fd: 8)\n\
            redis-server-7 [000] ..... 12.411100: sys_fdatasync -> 0x0\n\
            redis-server-7 [000] ..... 13.000000: sys_fdatasync(fd: 8)\n";
        assert_eq!(lengths(Timed::Call("fdatasync"), text), [411_000_000]);
    }

    #[test]
    fn deep_sleeps_are_told_from_others() {
        let switch = |at: &str, prev: &str, state: &str, next: &str| {
            format!(
                "x-1 [000] d.... {at}: sched_switch: prev_comm=a prev_pid={prev} prev_prio=120 \
                 prev_state={state} ==> next_comm=b next_pid={next} next_prio=120\n"
            )
        };
        let text = [
            switch("1.000000", "7", "D", "0"),
            switch("1.000200", "0", "R", "7"),
            switch("2.000000", "7", "S", "0"),
            switch("2.500000", "0", "R", "7"),
        ];
        assert_eq!(lengths(Timed::Sleeps, &text.concat()), [200_000]);
        let waking = "x-1 [001] d.... 3.000000: sched_waking: comm=a pid=7 prio=120 target_cpu=0\n";
        let waits = [
            switch("1.000000", "7", "R+", "9"),
            switch("1.004000", "9", "R", "7"),
            switch("2.000000", "7", "S", "9"),
            waking.to_owned(),
            switch("3.000500", "9", "R", "7"),
        ];
        assert_eq!(lengths(Timed::Waits, &waits.concat()), [4_000_000, 500_000]);
    }

    #[test]
    fn a_device_is_busy_from_its_first_request_to_its_last() {
        let text = "\
            a-7 [000] d.... 1.000000: block_rq_issue: 7,1 WS 4096 () 8 + 8 [a]\n\
            a-7 [000] d.... 1.001000: block_rq_issue: 7,1 WS 4096 () 16 + 8 [a]\n\
            b-8 [000] d.... 1.002000: block_rq_complete: 7,1 WS () 8 + 8 [0]\n\
            b-8 [000] d.... 1.005000: block_rq_complete: 7,1 WS () 16 + 8 [0]\n\
            b-8 [000] d.... 1.006000: block_rq_complete: 7,1 WS () 24 + 8 [0]\n";
        assert_eq!(lengths(Timed::Requests(7, 1), text), [5_000_000]);
    }
}
