//! The kernel's own tracer on one system call of one thread, or on its sleeps: who is not the prober,
//! and stops nobody as strace does.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::shell;

/// What is timed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Timed {
    /// A system call.
    Call(&'static str),
    /// Sleeps that no signal ends: mostly for a disk.
    Sleeps,
}

impl Timed {
    /// The events that say when it begins and ends.
    fn events(self) -> Vec<String> {
        match self {
            Self::Call(call) => {
                ["enter", "exit"].map(|side| format!("syscalls/sys_{side}_{call}")).into()
            }
            Self::Sleeps => vec!["sched/sched_switch".to_owned()],
        }
    }

    fn durations_ns(self, trace: &str, tid: u32) -> Vec<u64> {
        match self {
            Self::Call(call) => {
                let (begin, end) = (format!(": sys_{call}("), format!(": sys_{call} -> "));
                paired_ns(trace, |line| split(line, &begin), |line| split(line, &end))
            }
            Self::Sleeps => {
                let (out, back) = (format!(" prev_pid={tid} "), format!(" next_pid={tid} "));
                let deep = |line: &str| line.contains(&out) && line.contains(" prev_state=D");
                paired_ns(
                    trace,
                    |line| deep(line).then(|| split(line, ": sched_switch:")).flatten(),
                    |line| line.contains(&back).then(|| split(line, ": sched_switch:")).flatten(),
                )
            }
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
        if matches!(timed, Timed::Call(_)) {
            tracer.write("set_event_pid", &tid.to_string())?;
        }
        for event in timed.events() {
            tracer.write(&format!("events/{event}/enable"), "1")?;
        }
        Ok(tracer)
    }

    fn write(&self, file: &str, text: &str) -> anyhow::Result<()> {
        let path = self.folder.join(file);
        fs::write(&path, text).with_context(|| path.display().to_string())
    }

    /// Ends it, with the sum of all durations of this length or longer.
    pub(super) fn long_ns(self, least_ns: u64) -> anyhow::Result<u64> {
        let text = fs::read_to_string(self.folder.join("trace"))?;
        let all = self.timed.durations_ns(&text, self.tid).into_iter();
        Ok(all.filter(|duration_ns| *duration_ns >= least_ns).sum())
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        for event in self.timed.events() {
            let _ = self.write(&format!("events/{event}/enable"), "0");
        }
        let _ = fs::remove_dir(&self.folder);
        let _ = shell::output_quietly(&["umount", &self.mount.display().to_string()]);
        let _ = fs::remove_dir(&self.mount);
    }
}

/// Durations between lines at which something begins and ends, as one thread makes them. Such lines
/// are `redis-server-7 [000] ..... 12.000100: sys_write(fd: 8, …)` and `…: sys_write -> 0x64`.
fn paired_ns(
    trace: &str,
    begins: impl Fn(&str) -> Option<u64>,
    ends: impl Fn(&str) -> Option<u64>,
) -> Vec<u64> {
    let mut begun_ns = None;
    let mut durations = Vec::new();
    for line in trace.lines().filter(|line| !line.starts_with('#')) {
        if let Some(now_ns) = begins(line) {
            begun_ns = Some(now_ns);
        } else if let Some(now_ns) = ends(line)
            && let Some(begun_ns) = begun_ns.take()
        {
            // The buffers of several CPUs are merged, not always in order.
            durations.push(now_ns.saturating_sub(begun_ns));
        }
    }
    durations
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

    #[test]
    fn enters_and_exits_are_paired() {
        let text = "# tracer: nop\n\
            redis-server-7 [000] ..... 12.000100: sys_fdatasync(fd: 8)\n\
            redis-server-7 [000] ..... 12.411100: sys_fdatasync -> 0x0\n\
            redis-server-7 [000] ..... 13.000000: sys_fdatasync(fd: 8)\n";
        assert_eq!(Timed::Call("fdatasync").durations_ns(text, 7), [411_000_000]);
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
        assert_eq!(Timed::Sleeps.durations_ns(&text.concat(), 7), [200_000]);
    }
}
