//! The kernel's own tracer on one system call of one thread: who is not the prober, and stops nobody
//! as strace does.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::shell;

/// An instance of tracefs, mounted for it alone; gone with the value.
pub(super) struct Tracer {
    mount: PathBuf,
    folder: PathBuf,
    call: &'static str,
}

impl Tracer {
    /// Traces `call` of the thread with this id.
    pub(super) fn start(tid: u32, call: &'static str) -> anyhow::Result<Self> {
        let name = format!("stallion-tracing-{}", std::process::id());
        let mount = std::env::temp_dir().join(&name);
        fs::create_dir_all(&mount)?;
        let at = mount.display().to_string();
        shell::run(&["mount", "-t", "tracefs", "none", &at])?;
        let tracer = Self { folder: mount.join("instances").join(name), mount, call };
        fs::create_dir(&tracer.folder).context("an instance of tracefs")?;
        tracer.write("trace_clock", "mono")?;
        // A write for each of 15 000 answers a second, for some seconds.
        tracer.write("buffer_size_kb", "65536")?;
        tracer.write("set_event_pid", &tid.to_string())?;
        for side in ["enter", "exit"] {
            tracer.write(&format!("events/syscalls/sys_{side}_{call}/enable"), "1")?;
        }
        Ok(tracer)
    }

    fn write(&self, file: &str, text: &str) -> anyhow::Result<()> {
        let path = self.folder.join(file);
        fs::write(&path, text).with_context(|| path.display().to_string())
    }

    /// Ends it, with the sum of the durations of all calls that took so long or longer.
    pub(super) fn long_ns(self, least_ns: u64) -> anyhow::Result<u64> {
        let text = fs::read_to_string(self.folder.join("trace"))?;
        let all = durations_ns(&text, self.call).into_iter();
        Ok(all.filter(|duration_ns| *duration_ns >= least_ns).sum())
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        for side in ["enter", "exit"] {
            let _ = self.write(&format!("events/syscalls/sys_{side}_{}/enable", self.call), "0");
        }
        let _ = fs::remove_dir(&self.folder);
        let _ = shell::output_quietly(&["umount", &self.mount.display().to_string()]);
        let _ = fs::remove_dir(&self.mount);
    }
}

/// Lines such as `redis-server-7 [000] ..... 12.000100: sys_write(fd: 8, …)` and
/// `…: sys_write -> 0x64`, one after the other as one thread makes them.
fn durations_ns(trace: &str, call: &str) -> Vec<u64> {
    let (enter, exit) = (format!(": sys_{call}("), format!(": sys_{call} -> "));
    let mut begun_ns = None;
    let mut durations = Vec::new();
    for line in trace.lines().filter(|line| !line.starts_with('#')) {
        if let Some((head, _)) = line.split_once(&enter) {
            begun_ns = stamp_ns(head);
        } else if let Some((head, _)) = line.split_once(&exit)
            && let Some((begun_ns, ended_ns)) = begun_ns.take().zip(stamp_ns(head))
        {
            durations.push(ended_ns - begun_ns);
        }
    }
    durations
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
        assert_eq!(durations_ns(text, "fdatasync"), [411_000_000]);
    }
}
