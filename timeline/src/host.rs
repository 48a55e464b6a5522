//! Facts about the host without which no absolute time means anything.

use std::fs;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the host was when the file was written. Unknown facts are empty or zero.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostFacts {
    /// Host name.
    pub name: String,
    /// Kernel release, as `uname -r` prints it.
    pub kernel: String,
    /// CPU model, as /proc/cpuinfo names it.
    pub cpu: String,
    /// Online CPUs.
    pub cpus: u32,
    /// Physical memory in bytes.
    pub memory_bytes: u64,
    /// The hypervisor's flag in /proc/cpuinfo is set: times are those of a guest.
    pub virtualised: bool,
    /// Clock source, for example `tsc`.
    pub clocksource: String,
    /// The active policy of /sys/kernel/mm/transparent_hugepage/enabled.
    pub transparent_hugepage: String,
    /// The cpufreq governor of CPU 0; empty where there is none (most guests).
    pub governor: String,
}

impl HostFacts {
    /// Reads the facts of this host from /proc and /sys.
    #[must_use]
    pub fn of_this_host() -> Self {
        let cpuinfo = read("/proc/cpuinfo");
        Self {
            name: read("/proc/sys/kernel/hostname"),
            kernel: read("/proc/sys/kernel/osrelease"),
            cpu: cpu_model(&cpuinfo),
            // Not those that this process may use: the host's.
            cpus: cpuinfo.lines().filter(|line| line.starts_with("processor")).count() as u32,
            memory_bytes: memory_bytes(&read("/proc/meminfo")),
            virtualised: cpuinfo.split_whitespace().any(|word| word == "hypervisor"),
            clocksource: read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
            transparent_hugepage: bracketed(&read("/sys/kernel/mm/transparent_hugepage/enabled")),
            governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        }
    }

    /// One line for people, to stand beside every absolute figure.
    #[must_use]
    pub fn line(&self) -> String {
        let guest = if self.virtualised { "virtual machine, " } else { "" };
        let gib = self.memory_bytes as f64 / f64::from(1 << 30);
        format!("{guest}{} x {}, {gib:.0} GiB, Linux {}", self.cpus, self.cpu, self.kernel)
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
}

fn cpu_model(cpuinfo: &str) -> String {
    cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))
        .and_then(|line| line.split_once(':'))
        .map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, model)| model.trim().to_owned())
}

fn memory_bytes(meminfo: &str) -> u64 {
    meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|kib| kib.parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}

/// The word in brackets of a sysfs choice such as `always [madvise] never`.
fn bracketed(choice: &str) -> String {
    choice
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'))
        .map_or_else(String::new, |(word, _)| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sysfs_choice_and_meminfo_are_read() {
        assert_eq!(bracketed("always [madvise] never"), "madvise");
        assert_eq!(bracketed(""), "");
        assert_eq!(memory_bytes("MemTotal:  1024 kB\nMemFree: 1 kB"), 1_048_576);
    }

    #[test]
    fn this_host_has_a_kernel_and_cpus() {
        let facts = HostFacts::of_this_host();
        assert!(facts.cpus > 0 && !facts.kernel.is_empty() && facts.memory_bytes > 0);
        assert!(facts.line().contains(&facts.kernel));
    }
}
