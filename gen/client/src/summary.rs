//! What a run came to: the object that `--json` prints and the timeline's footer keeps.

pub mod cluster;

pub mod mitigation;

pub mod ring;

pub mod store;

use std::collections::BTreeMap;

use serde::Serialize;
use stallion_timeline::{AtLeast, OpCounts, Redirects, SilenceOnAxis};

use crate::audit::link::LinkUse;
use crate::verdict::Verdict;
use stallion_engine::measure::histogram::Sum;
use stallion_engine::measure::interval::Counts;
use stallion_engine::measure::steady::Steadiness;
use stallion_rings::tls::TlsFacts;

use cluster::ClusterSummary;
use mitigation::MitigationSummary;
use ring::RingSummary;
use store::StoreSummary;

/// Percentiles of a duration in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Percentiles {
    /// Median.
    pub p50: f64,
    /// 90 %.
    pub p90: f64,
    /// 99 %.
    pub p99: f64,
    /// 99.9 %.
    pub p999: f64,
    /// 99.99 %.
    pub p9999: f64,
    /// The longest.
    pub max: f64,
    /// Those of them that are lower bounds, because requests that never got an answer lie among them.
    #[serde(skip_serializing_if = "AtLeast::is_empty")]
    pub at_least: AtLeast,
}

impl Percentiles {
    /// Reads them off a sum.
    #[must_use]
    pub fn of(sum: &Sum) -> Self {
        let histogram = sum.histogram();
        let at = |quantile| round3(histogram.value_at_quantile(quantile) as f64 / 1_000.0);
        if histogram.is_empty() {
            return Self::default();
        }
        let max = round3(histogram.max() as f64 / 1_000.0);
        Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            p9999: at(0.9999),
            max,
            at_least: AtLeast::default(),
        }
    }

    /// The same of a sum of which `unanswered` is the part that has no answer.
    #[must_use]
    pub fn with_unanswered(sum: &Sum, unanswered: &Sum) -> Self {
        let at_least = AtLeast::of(&sum.histogram(), &unanswered.histogram());
        Self { at_least, ..Self::of(sum) }
    }

    /// The same of a sum in which so many requests have no answer, wherever they are in it.
    #[must_use]
    pub fn with_any_unanswered(sum: &Sum, unanswered: u64) -> Self {
        let at_least = AtLeast::of_any(&sum.histogram(), unanswered);
        Self { at_least, ..Self::of(sum) }
    }

    /// Value in microseconds and whether it is a lower bound, in the order of the fields.
    #[must_use]
    pub fn figures(&self) -> [(f64, bool); 6] {
        let values = [self.p50, self.p90, self.p99, self.p999, self.p9999, self.max];
        std::array::from_fn(|index| (values[index], self.at_least.has(index)))
    }
}

fn round3(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// What the client itself used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Client {
    /// CPU time of the worker threads for each answered request, in nanoseconds.
    pub cpu_ns_per_op: f64,
    /// Busy share of the busiest worker thread while measuring, 0 to 1.
    pub busy_max: f64,
    /// Share of the time in which a worker thread was runnable and had no core.
    pub runqueue_share: f64,
    /// System calls for each answered request.
    pub syscalls_per_op: f64,
    /// Receives that had to be armed again.
    pub rearms: u64,
}

/// Where every request of the whole run (warm-up and drain included) ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Accounting {
    /// Intended.
    pub due: u64,
    /// Handed to the kernel.
    pub sent: u64,
    /// Answered without an error.
    pub answered: u64,
    /// Answered with an error.
    pub failed: u64,
    /// Given up.
    pub timeouts: u64,
    /// Lost with their connection.
    pub lost: u64,
    /// Intended and never sent.
    pub unsent: u64,
}

impl Accounting {
    /// From the counts of a whole run.
    #[must_use]
    pub const fn of(counts: Counts) -> Self {
        Self {
            due: counts.due,
            sent: counts.sent,
            answered: counts.answered - counts.failed,
            failed: counts.failed,
            timeouts: counts.timeouts,
            lost: counts.lost,
            unsent: counts.due.saturating_sub(counts.sent),
        }
    }

    /// Whether every request is accounted for.
    #[must_use]
    pub const fn closes(&self) -> bool {
        self.due == self.sent + self.unsent
            && self.sent == self.answered + self.failed + self.timeouts + self.lost
    }
}

/// A run in figures. Units are in the names.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    /// `open` or `closed`.
    pub model: &'static str,
    /// The server.
    pub target: String,
    /// The host that ran the client, in one line.
    pub host: String,
    /// Length of what was measured in seconds.
    pub duration_s: f64,
    /// Requests answered, those after the end of the schedule included.
    pub ops: u64,
    /// Of these, by command: answered without an error, hits and misses of reads, and errors.
    pub ops_by_command: BTreeMap<String, OpCounts>,
    /// Requests answered a second, while measuring.
    pub ops_per_sec: f64,
    /// Requests intended a second; 0 in the closed model.
    pub rate_asked: f64,
    /// Intended time to answer.
    pub response_us: Percentiles,
    /// Send to answer.
    pub service_us: Percentiles,
    /// Intended time to send.
    pub schedule_lag_us: Percentiles,
    /// The part of it in which a connection was free: the client's own lateness.
    pub own_lag_us: Percentiles,
    /// How long answers lay in the client's kernel before they were taken, by the kernel's own
    /// stamps on one connection of each core; none in the closed model, with `--io epoll` and on
    /// unix sockets.
    pub receive_delay_us: Option<Percentiles>,
    /// Reads that found something.
    pub hits: u64,
    /// Reads that found nothing.
    pub misses: u64,
    /// Errors by kind.
    pub errors: BTreeMap<String, u64>,
    /// Redirects.
    pub redirects: Redirects,
    /// Requests that never got an answer: given up, lost, or never sent. They are in the response times
    /// with what they had waited (`response_us.at_least`).
    pub unanswered: u64,
    /// Requests that were due and never sent.
    pub unsent: u64,
    /// When the server answered nothing though something was asked of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub silences: Vec<SilenceOnAxis>,
    /// Requests given up.
    pub timeouts: u64,
    /// Requests lost with their connection.
    pub lost: u64,
    /// Connections opened again, those of `--reconnect-every` included.
    pub reconnects: u64,
    /// How long those took from the beginning of the connect to the last answer of the hand-shake;
    /// none when there were none.
    pub connect_us: Option<Percentiles>,
    /// Busy share of the server's main thread while measuring, from INFO; none when it has not
    /// said so (before Redis 6.2, or too short a run).
    pub server_busy: Option<f64>,
    /// The network interface, and how much of it was used; none for a unix socket.
    pub link: Option<LinkUse>,
    /// What TLS came to; none without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsFacts>,
    /// Whether the run was the same from its beginning to its end.
    pub steadiness: Steadiness,
    /// By node and slot; none with a single server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterSummary>,
    /// What was done for hot keys, what it saved, and what it cost; none without --mitigation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mitigation: Option<MitigationSummary>,
    /// How the client shared out the requests itself; none without --topology ring.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring: Option<RingSummary>,
    /// What the store behind the cache had to do; none without --store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreSummary>,
    /// The client's own costs.
    pub client: Client,
    /// The whole run's sums.
    pub accounting: Accounting,
    /// Whether to believe it.
    pub verdict: Verdict,
}
