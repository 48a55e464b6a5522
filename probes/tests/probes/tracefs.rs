//! The kernel's own count of softirqs on top of a thread, by an instance of tracefs.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;

/// Counts while it lives; its mount and its instance go with it.
pub(crate) struct SoftirqCount {
    mount: PathBuf,
    instance: PathBuf,
}

impl SoftirqCount {
    /// None where the host has no tracefs for us.
    pub(crate) fn start(tid: u32) -> Option<Self> {
        let name = format!("stallion-softirqs-{}", std::process::id());
        let mount = std::env::temp_dir().join(&name);
        fs::create_dir_all(&mount).ok()?;
        let mounted = Command::new("mount").args(["-t", "tracefs", "none"]).arg(&mount).status();
        let count = Self { instance: mount.join("instances").join(name), mount };
        if !mounted.is_ok_and(|status| status.success()) {
            return None;
        }
        count.enable(tid).ok()?;
        Some(count)
    }

    fn enable(&self, tid: u32) -> io::Result<()> {
        fs::create_dir(&self.instance)?;
        fs::write(self.instance.join("buffer_size_kb"), "4096")?;
        fs::write(self.instance.join("set_event_pid"), tid.to_string())?;
        fs::write(self.instance.join("events/irq/softirq_entry/enable"), "1")
    }

    pub(crate) fn count(&self) -> usize {
        let trace = fs::read_to_string(self.instance.join("trace")).unwrap_or_default();
        trace.lines().filter(|line| line.contains(": softirq_entry:")).count()
    }
}

impl Drop for SoftirqCount {
    fn drop(&mut self) {
        let _ = fs::write(self.instance.join("events/irq/softirq_entry/enable"), "0");
        let _ = fs::remove_dir(&self.instance);
        let _ = Command::new("umount").arg(&self.mount).status();
        let _ = fs::remove_dir(&self.mount);
    }
}
