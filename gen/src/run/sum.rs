//! From a run's sums to its summary and verdict.

use stallion_timeline::HostFacts;

use crate::plan::{Plan, Rate};
use crate::record::totals::Totals;
use crate::shard::ring::WaitPolicy;
use crate::summary::{Accounting, Client, Percentiles, Redirects, Summary};
use crate::verdict::{Evidence, judge};
use crate::workload::arrivals::Schedule;

/// The host's CPU time and the part that the hypervisor took, in ticks.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Steal {
    all: u64,
    stolen: u64,
}

impl Steal {
    pub(super) fn now() -> Self {
        let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let ticks: Vec<u64> = text
            .lines()
            .next()
            .into_iter()
            .flat_map(|line| line.split_whitespace().skip(1))
            .filter_map(|word| word.parse().ok())
            .collect();
        // user nice system idle iowait irq softirq steal (proc_stat(5)).
        Self { all: ticks.iter().take(8).sum(), stolen: ticks.get(7).copied().unwrap_or(0) }
    }

    /// The share since `self` was read.
    pub(super) fn share(self) -> f64 {
        let now = Self::now();
        now.stolen.saturating_sub(self.stolen) as f64
            / now.all.saturating_sub(self.all).max(1) as f64
    }
}

/// What bears on a run besides its own figures.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around {
    /// Share of the host's CPU time that the hypervisor took.
    pub(super) steal_share: f64,
    /// The server says that it is the null server.
    pub(super) null_server: bool,
    /// The timeline broke off.
    pub(super) timeline_cut: bool,
}

pub(super) fn up(plan: &Plan, schedule: &Schedule, totals: &Totals, around: &Around) -> Summary {
    let open = schedule.is_open();
    let measured = &totals.measured;
    let (counts, all) = (measured.counts, totals.all);
    let accounting = Accounting::of(all);
    let duration_s = totals.span_ns() as f64 / 1e9;
    let response = Percentiles::of(measured.response_of(open));
    let errors = measured.errors_by_name();
    let error = |name: &str| errors.get(name).copied().unwrap_or(0);
    let redirects =
        Redirects { moved: error("MOVED"), ask: error("ASK"), tryagain: error("TRYAGAIN") };
    let verdict = judge(&Evidence {
        open,
        due: all.due,
        unsent: accounting.unsent,
        answered: counts.answered,
        failed: counts.failed,
        own_lag_p99_ns: measured.own_lag.value_at_quantile(0.99),
        response_p99_ns: measured.response_of(open).value_at_quantile(0.99),
        busy_max: totals.busy_max(),
        spinning: plan.wait == WaitPolicy::Spin,
        runqueue_share: totals.runqueue_share(),
        server_busy: totals.server_busy(),
        duration_s,
        steal_share: around.steal_share,
        null_server: around.null_server,
        accounted: accounting.closes(),
        dropped: u64::from(around.timeline_cut),
    });
    let per_op = |sum: u64| (sum as f64 / counts.answered.max(1) as f64 * 10.0).round() / 10.0;
    Summary {
        model: if open { "open" } else { "closed" },
        target: plan.target.to_string(),
        host: HostFacts::of_this_host().line(),
        duration_s,
        ops: counts.answered,
        ops_per_sec: (totals.answered_in_time as f64 / duration_s.max(1e-9)).round(),
        rate_asked: match plan.rate {
            Rate::Steady(rate) => rate as f64,
            Rate::Max => 0.0,
            _ => counts.due as f64 / duration_s.max(1e-9),
        },
        response_us: response,
        service_us: Percentiles::of(&measured.service),
        schedule_lag_us: Percentiles::of(&measured.lag),
        own_lag_us: Percentiles::of(&measured.own_lag),
        hits: measured.commands.iter().map(|command| command.hits).sum(),
        misses: measured.commands.iter().map(|command| command.misses).sum(),
        redirects,
        unsent: accounting.unsent,
        timeouts: counts.timeouts,
        lost: counts.lost,
        reconnects: measured.reconnects,
        errors,
        server_busy: totals.server_busy(),
        client: Client {
            cpu_ns_per_op: per_op(measured.cpu_ns),
            busy_max: totals.busy_max(),
            runqueue_share: totals.runqueue_share(),
            syscalls_per_op: measured.syscalls as f64 / counts.answered.max(1) as f64,
            rearms: measured.rearms,
        },
        accounting,
        verdict,
    }
}
