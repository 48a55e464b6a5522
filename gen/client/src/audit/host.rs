//! What the host does to a measurement, as a careful colleague would say it: clocks that change
//! their speed, a neighbour on the same core, pages of two megabytes, time that was stolen.

use std::collections::BTreeMap;
use std::fs;

use stallion_timeline::HostFacts;

/// A sibling hardware thread this busy takes execution units from the client's core.
const NEIGHBOUR_IS_BUSY: f64 = 0.10;

/// The host's CPU times, read at the start of a run.
#[derive(Debug, Clone, Default)]
pub struct Before {
    cpus: BTreeMap<String, Ticks>,
}

/// Ticks of /proc/stat.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Ticks {
    all: u64,
    idle: u64,
    stolen: u64,
}

impl Ticks {
    const fn since(self, before: Self) -> Self {
        Self {
            all: self.all.saturating_sub(before.all),
            idle: self.idle.saturating_sub(before.idle),
            stolen: self.stolen.saturating_sub(before.stolen),
        }
    }
}

/// What the host did during a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct During {
    /// Share of its CPU time that the hypervisor took.
    pub steal_share: f64,
    /// In words.
    pub warnings: Vec<String>,
}

impl Before {
    /// Reads the times now.
    #[must_use]
    pub fn now() -> Self {
        Self { cpus: ticks(&fs::read_to_string("/proc/stat").unwrap_or_default()) }
    }

    /// What happened since. `cores` are the client's own CPUs; `server_is_local` says that what
    /// the host does, it does to the server, too.
    #[must_use]
    pub fn end(&self, cores: &[usize], server_is_local: bool) -> During {
        let now = Self::now();
        let spent = |name: &str| {
            let ticks = now.cpus.get(name).copied().unwrap_or_default();
            ticks.since(self.cpus.get(name).copied().unwrap_or_default())
        };
        let whole = spent("cpu");
        let mut warnings = settings(&HostFacts::of_this_host(), server_is_local);
        for &core in cores {
            for neighbour in siblings(core).into_iter().filter(|cpu| !cores.contains(cpu)) {
                let ticks = spent(&format!("cpu{neighbour}"));
                let busy = 1.0 - ticks.idle as f64 / ticks.all.max(1) as f64;
                if ticks.all > 0 && busy > NEIGHBOUR_IS_BUSY {
                    warnings.push(format!(
                        "CPU {neighbour} is the hardware sibling of the client's CPU {core} and was \
                         {:.0} % busy: they share one core's units; pin elsewhere (--cores)",
                        busy * 100.0
                    ));
                }
            }
        }
        During { steal_share: whole.stolen as f64 / whole.all.max(1) as f64, warnings }
    }
}

/// Settings that bend latencies.
fn settings(host: &HostFacts, server_is_local: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    if !["", "performance"].contains(&host.governor.as_str()) {
        warnings.push(format!(
            "the clock's governor is {}: a core that has slept starts slowly; `cpupower \
             frequency-set -g performance` on both hosts",
            host.governor
        ));
    }
    if !host.virtualised && turbo_is_on() {
        warnings.push(
            "turbo is on: a core's speed hangs on its neighbours' load, so runs differ by it"
                .to_owned(),
        );
    }
    if server_is_local && host.transparent_hugepage == "always" {
        warnings.push(
            "transparent huge pages are on always: after a fork the server copies and splits pages of \
             2 MiB; Redis advises `madvise`"
                .to_owned(),
        );
    }
    warnings
}

/// Intel's driver says no_turbo, the others boost.
fn turbo_is_on() -> bool {
    let says =
        |path: &str, word: &str| fs::read_to_string(path).is_ok_and(|text| text.trim() == word);
    says("/sys/devices/system/cpu/intel_pstate/no_turbo", "0")
        || says("/sys/devices/system/cpu/cpufreq/boost", "1")
}

/// Hardware threads of the same core.
fn siblings(cpu: usize) -> Vec<usize> {
    let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
    let list = fs::read_to_string(path).unwrap_or_default();
    cpu_list(list.trim()).into_iter().filter(|sibling| *sibling != cpu).collect()
}

/// A kernel CPU list such as `0,4-5`.
fn cpu_list(text: &str) -> Vec<usize> {
    text.split(',')
        .filter_map(|part| {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            Some(from.parse::<usize>().ok()?..=to.parse::<usize>().ok()?)
        })
        .flatten()
        .collect()
}

/// Times by name (`cpu` for all, `cpu0` …): user nice system idle iowait irq softirq steal
/// (proc_stat(5)).
fn ticks(stat: &str) -> BTreeMap<String, Ticks> {
    stat.lines()
        .filter(|line| line.starts_with("cpu"))
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next()?.to_owned();
            let times: Vec<u64> = words.filter_map(|word| word.parse().ok()).collect();
            let at = |index: usize| times.get(index).copied().unwrap_or(0);
            let all = times.iter().take(8).sum();
            Some((name, Ticks { all, idle: at(3) + at(4), stolen: at(7) }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_lists_are_read() {
        let stat = "cpu  10 0 10 70 5 0 0 5\ncpu0 1 2 3 4 5 6 7 8\nintr 1\n";
        let ticks = ticks(stat);
        assert_eq!(ticks["cpu"], Ticks { all: 100, idle: 75, stolen: 5 });
        assert_eq!(ticks.len(), 2);
        assert_eq!(cpu_list("0,4-6"), [0, 4, 5, 6]);
        assert!(cpu_list("").is_empty());
    }

    #[test]
    fn settings_that_bend_latencies_are_named() {
        let calm = HostFacts {
            governor: "performance".to_owned(),
            virtualised: true,
            transparent_hugepage: "madvise".to_owned(),
            ..HostFacts::of_this_host()
        };
        assert!(settings(&calm, true).is_empty());
        let wild = HostFacts {
            governor: "powersave".to_owned(),
            transparent_hugepage: "always".to_owned(),
            ..calm
        };
        assert_eq!(settings(&wild, true).len(), 2);
        assert_eq!(settings(&wild, false).len(), 1);
    }
}
