//! Settings of the host that bend a measurement or stall a shard.

use std::fs;
use std::process::Command;
use std::time::Duration;

use stallion_timeline::HostFacts;

use super::{Finding, Grade};

/// What getrlimit calls a resource, which C libraries disagree about.
#[cfg(target_env = "gnu")]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
type Resource = libc::c_int;

/// Descriptors that 10 000 connections and some files need.
const FILES: u64 = 10_240;
/// Memory that registered buffers may lock before the limit starts to matter.
const LOCKED_BYTES: u64 = 8 << 20;
/// Redis's own advice for its listen queue.
const BACKLOG: u64 = 512;
/// More than this share of stolen time makes tails untrustworthy.
const STEAL: f64 = 0.01;

/// Everything worth a line.
#[must_use]
pub fn examine() -> Vec<Finding> {
    let facts = HostFacts::of_this_host();
    vec![
        processors(facts.cpus),
        siblings(),
        nodes(),
        governor(&facts.governor),
        clock(&facts.clocksource),
        steal(),
        files(),
        locked(),
        backlog(),
        overcommit(),
        huge_pages(&facts.transparent_hugepage),
        server(),
    ]
}

fn read(path: &str) -> String {
    fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
}

fn processors(count: u32) -> Finding {
    let name = "CPUs";
    if count >= 3 {
        Finding::good(name, count.to_string())
    } else {
        let remedy = "server, client and the rest share cores: figures are relative, not absolute";
        Finding::bad(name, Grade::Fair, count.to_string(), remedy)
    }
}

fn siblings() -> Finding {
    let name = "SMT siblings";
    let text = read("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list");
    if text.contains([',', '-']) {
        let remedy = "pin server and client to different cores, not to siblings (--cores)";
        Finding::bad(name, Grade::Fair, format!("CPU 0 shares its core: {text}"), remedy)
    } else {
        Finding::good(name, "none")
    }
}

fn nodes() -> Finding {
    let name = "NUMA";
    match read("/sys/devices/system/node/online").as_str() {
        "" | "0" => Finding::good(name, "one node"),
        nodes => {
            let remedy = "keep server and client on one node: numactl --cpunodebind --membind";
            Finding::bad(name, Grade::Fair, format!("nodes {nodes}"), remedy)
        }
    }
}

fn governor(governor: &str) -> Finding {
    let name = "CPU governor";
    match governor {
        "" => Finding::good(name, "none (fixed by the host, as in most guests)"),
        "performance" => Finding::good(name, governor),
        other => {
            let command = "cpupower frequency-set -g performance";
            Finding::bad(name, Grade::Fair, other, command).by(command)
        }
    }
}

fn clock(source: &str) -> Finding {
    let name = "clock source";
    if ["tsc", "kvm-clock", "arch_sys_counter"].contains(&source) {
        Finding::good(name, source)
    } else {
        let remedy = "reading the time is a system call here: boot with clocksource=tsc";
        Finding::bad(name, Grade::Fair, source, remedy)
    }
}

fn steal() -> Finding {
    let name = "stolen time";
    let before = cpu_times(&read("/proc/stat"));
    std::thread::sleep(Duration::from_millis(200));
    let share = steal_share(before, cpu_times(&read("/proc/stat")));
    let found = format!("{:.1} % in 0.2 s", share * 100.0);
    if share <= STEAL {
        Finding::good(name, found)
    } else {
        let remedy = "the hypervisor runs others on these cores: tails are theirs, too";
        Finding::bad(name, Grade::Fair, found, remedy)
    }
}

/// Stolen and all ticks from the first line of /proc/stat.
fn cpu_times(stat: &str) -> (u64, u64) {
    let line = stat.lines().next().unwrap_or_default();
    let ticks: Vec<u64> =
        line.split_whitespace().skip(1).filter_map(|tick| tick.parse().ok()).collect();
    // Guest time, after the eighth, is counted in user time already.
    (ticks.get(7).copied().unwrap_or(0), ticks.iter().take(8).sum())
}

fn steal_share(before: (u64, u64), after: (u64, u64)) -> f64 {
    let all = after.1.saturating_sub(before.1).max(1);
    after.0.saturating_sub(before.0) as f64 / all as f64
}

fn limit(resource: Resource) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a valid struct for the kernel to fill.
    unsafe { libc::getrlimit(resource, &raw mut limit) };
    limit.rlim_cur
}

fn files() -> Finding {
    let name = "file limit";
    match limit(libc::RLIMIT_NOFILE) {
        enough if enough >= FILES => Finding::good(name, enough.to_string()),
        few => {
            let remedy = format!("ulimit -n {FILES}, before more than {few} connections");
            Finding::bad(name, Grade::Fair, few.to_string(), remedy)
                .by(format!("ulimit -n {FILES}"))
        }
    }
}

fn locked() -> Finding {
    let name = "locked memory";
    match limit(libc::RLIMIT_MEMLOCK) {
        libc::RLIM_INFINITY => Finding::good(name, "unlimited"),
        bytes if bytes >= LOCKED_BYTES => Finding::good(name, format!("{} MiB", bytes >> 20)),
        bytes => {
            let found = format!("{} KiB", bytes >> 10);
            let command = "ulimit -l unlimited";
            Finding::bad(name, Grade::Fair, found, command).by(command)
        }
    }
}

fn backlog() -> Finding {
    let name = "somaxconn";
    let text = read("/proc/sys/net/core/somaxconn");
    if text.parse::<u64>().is_ok_and(|length| length >= BACKLOG) {
        Finding::good(name, text)
    } else {
        let command = "sysctl -w net.core.somaxconn=1024";
        Finding::bad(name, Grade::Fair, text, command).by(command)
    }
}

fn overcommit() -> Finding {
    let name = "overcommit_memory";
    match read("/proc/sys/vm/overcommit_memory").as_str() {
        "1" => Finding::good(name, "1"),
        other => {
            let remedy = "BGSAVE of a large heap may fail: sysctl -w vm.overcommit_memory=1";
            Finding::bad(name, Grade::Fair, other, remedy).by("sysctl -w vm.overcommit_memory=1")
        }
    }
}

fn huge_pages(policy: &str) -> Finding {
    let name = "transparent huge pages";
    match policy {
        "always" => {
            let remedy = "writes after a fork split huge pages: \
                          echo madvise > /sys/kernel/mm/transparent_hugepage/enabled";
            Finding::bad(name, Grade::Fair, policy, remedy)
                .by("echo madvise > /sys/kernel/mm/transparent_hugepage/enabled")
        }
        "" => Finding::good(name, "not in this kernel"),
        other => Finding::good(name, other),
    }
}

fn server() -> Finding {
    let name = "server program";
    for program in ["redis-server", "valkey-server"] {
        if let Ok(output) = Command::new(program).arg("--version").output() {
            let text = String::from_utf8_lossy(&output.stdout);
            let version: Vec<&str> = text.split_whitespace().take(3).collect();
            return Finding::good(name, version.join(" "));
        }
    }
    let remedy = "only needed for `stallion lab`: apt-get install redis-server";
    Finding::bad(name, Grade::Fair, "neither redis-server nor valkey-server", remedy)
        .by("apt-get install --yes redis-server")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stolen_time_is_a_share_of_all_ticks() {
        let before = cpu_times("cpu  100 0 100 700 0 0 0 100 50 0\ncpu0 1");
        assert_eq!(before, (100, 1000));
        let after = cpu_times("cpu  150 0 100 740 0 0 0 110 60 0");
        assert!((steal_share(before, after) - 0.1).abs() < 1e-9);
        assert!(steal_share(before, before).abs() < 1e-9);
        assert_eq!(cpu_times(""), (0, 0));
    }

    #[test]
    fn bad_settings_have_a_remedy() {
        assert_eq!(huge_pages("always").grade, Grade::Fair);
        assert_eq!(huge_pages("madvise").grade, Grade::Good);
        assert!(governor("powersave").remedy.contains("performance"));
        assert_eq!(clock("hpet").grade, Grade::Fair);
        for finding in examine() {
            assert!(finding.grade == Grade::Good || !finding.remedy.is_empty(), "{finding:?}");
        }
    }
}
