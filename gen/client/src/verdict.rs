//! Whether a run may be believed, and what bounded it. A pure function of its figures.

use serde::Serialize;
use stallion_timeline::SilenceOnAxis;

use stallion_engine::measure::steady::Steadiness;

mod reasons;

use reasons::{generator_reasons, missed_reason};

/// What bounded a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// Nothing: the rate that was asked was reached.
    #[default]
    Schedule,
    /// The server's event loop.
    Server,
    /// The link between client and server.
    Network,
    /// The load generator.
    Generator,
    /// The number of connections and their pipelines.
    Concurrency,
    /// It cannot be told.
    Unknown,
}

/// Whether to believe a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Its numbers are the server's, at the rate that was asked.
    pub valid: bool,
    /// What bounded it.
    pub bound: Bound,
    /// Why it is invalid; empty when valid.
    pub reasons: Vec<String>,
    /// What a careful reader should know although it is valid.
    pub warnings: Vec<String>,
}

/// The figures that a verdict is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Evidence {
    /// The open model.
    pub open: bool,
    /// Requests intended while measuring.
    pub due: u64,
    /// Of these, never sent.
    pub unsent: u64,
    /// Requests of the measured time that never got an answer, those that were never sent included.
    pub unanswered: u64,
    /// The longest stretch in which the server answered nothing though something was asked of it.
    pub silence: Option<SilenceOnAxis>,
    /// Requests answered.
    pub answered: u64,
    /// Of these, with an error.
    pub failed: u64,
    /// 99th percentile of the client's own lateness.
    pub own_lag_p99_ns: u64,
    /// 99th percentile of the time that answers lay in the client's kernel; 0 when unknown.
    pub receive_delay_p99_ns: u64,
    /// 99th percentile of the response time.
    pub response_p99_ns: u64,
    /// Busy share of the busiest worker thread, 0 to 1.
    pub busy_max: f64,
    /// It spins, so that being busy says nothing of its own.
    pub spinning: bool,
    /// Share of the time in which a worker thread was runnable and had no core.
    pub runqueue_share: f64,
    /// Busy share of the server's main thread, if known.
    pub server_busy: Option<f64>,
    /// The server is the null server: the client itself is what is measured.
    pub null_server: bool,
    /// Length of what was measured in seconds.
    pub duration_s: f64,
    /// Share of the CPU time of the host that the hypervisor took.
    pub steal_share: f64,
    /// Every request is accounted for.
    pub accounted: bool,
    /// Share of the link's capacity that the fuller direction used, if it is known.
    pub link_share: Option<f64>,
    /// How steady the run was.
    pub steadiness: Steadiness,
    /// Slow requests, intervals or timeline lines that were dropped.
    pub dropped: u64,
}

/// A worker thread this busy has nothing left: measured against the null server, throughput
/// stops growing from 0.95 on.
const SATURATED: f64 = 0.95;

/// A link this full is what bounds a run: of a gigabit of Ethernet with TCP timestamps 94 % is
/// payload, and the counters of an interface whose card cuts segments leave out their headers.
const LINK_IS_FULL: f64 = 0.90;

/// Answers of whole seconds that differ by more than this are no steady throughput.
const SWINGS: f64 = 0.10;

/// A median response time that grows to this multiple is that of a queue that grows.
const DRIFTS: f64 = 1.5;

/// Waiting for a core for more of the time than this bends every latency.
const STARVED: f64 = 0.10;

/// Own lateness below this is the timer's and the host's, not a bottleneck (`uring.md`: the
/// 99th percentile of a bare timer loop is 0.05 to 0.7 ms here).
const OWN_LAG_FLOOR_NS: u64 = 1_000_000;

/// A main thread this busy lets requests wait behind other requests: the figure is a mean over the run.
const BUSY: f64 = 0.85;

/// In the open model a busy client is a bottleneck when its own lateness makes up more than this of
/// the response time, both at their 99th percentile.
const OWN_SHARE: f64 = 0.25;

/// Share of the requests that may be missing from an open-model run.
const MISSED: f64 = 0.01;

/// Judges a run.
#[must_use]
pub fn judge(evidence: &Evidence) -> Verdict {
    let server = evidence.server_busy.is_some_and(|busy| busy >= SATURATED);
    let client = is_client_full(evidence) && !server;
    let missed = evidence.unsent as f64 / (evidence.due.max(1)) as f64;
    let rate_missed = evidence.open && missed > MISSED;
    // A server that answers nothing is the first thing to know, whatever the client did meanwhile.
    let silent = rate_missed && evidence.silence.is_some();
    let mut reasons = generator_reasons(evidence, client);
    // Against the null server a client that is full is what was to be measured.
    let full = Full {
        generator: (!reasons.is_empty() || client) && !silent,
        server: server || silent,
        link: evidence.link_share.is_some_and(|share| share >= LINK_IS_FULL),
    };
    if rate_missed && !full.generator {
        reasons.insert(0, missed_reason(evidence, missed, full.link));
    }
    if evidence.answered == 0 {
        reasons.push("nothing was answered: see the errors, time-outs and losses".to_owned());
    }
    if evidence.failed * 2 > evidence.answered {
        reasons.push(format!(
            "refused: {:.0} % of the answers were errors, so these are the times of refusals: see \
             the errors and what to do about each",
            evidence.failed as f64 * 100.0 / evidence.answered as f64
        ));
    }
    if !evidence.accounted {
        reasons
            .push("the sums do not close: this is a bug of stallion, please report it".to_owned());
    }
    let bound = bound_of(evidence, rate_missed, full);
    Verdict { valid: reasons.is_empty(), bound, reasons, warnings: warnings(evidence) }
}

/// Whether a client core had nothing left. In the open model a busy core sends what is due in larger
/// batches, and that it falls behind shows in its own lateness.
fn is_client_full(evidence: &Evidence) -> bool {
    let busy = evidence.busy_max >= SATURATED && !evidence.spinning;
    let own_ns = evidence.own_lag_p99_ns.max(evidence.receive_delay_p99_ns);
    let own_share = own_ns as f64 / evidence.response_p99_ns.max(1) as f64;
    busy && (!evidence.open || own_share > OWN_SHARE)
}

/// What had nothing left.
#[derive(Debug, Clone, Copy)]
struct Full {
    generator: bool,
    server: bool,
    link: bool,
}

const fn bound_of(evidence: &Evidence, rate_missed: bool, full: Full) -> Bound {
    match full {
        Full { generator: true, .. } => Bound::Generator,
        _ if evidence.open && !rate_missed => Bound::Schedule,
        Full { server: true, .. } => Bound::Server,
        Full { link: true, .. } => Bound::Network,
        _ if evidence.server_busy.is_some() => Bound::Concurrency,
        _ => Bound::Unknown,
    }
}

fn warnings(evidence: &Evidence) -> Vec<String> {
    let mut warnings = Vec::new();
    if evidence.null_server {
        warnings.push(null_server(evidence.server_busy));
    }
    if evidence.failed * 100 > evidence.answered {
        warnings.push(format!(
            "{:.1} % of the answers were errors: latency and throughput include them",
            evidence.failed as f64 * 100.0 / evidence.answered.max(1) as f64
        ));
    }
    if evidence.duration_s < 5.0 {
        warnings.push(format!(
            "{:.1} s is short: high percentiles of a run under 5 s are chance",
            evidence.duration_s
        ));
    }
    if evidence.steal_share > 0.02 {
        warnings.push(format!(
            "the hypervisor took {:.0} % of this host's CPU time: tails include it",
            evidence.steal_share * 100.0
        ));
    }
    if evidence.open && evidence.busy_max >= SATURATED && !evidence.spinning {
        warnings.push(format!(
            "a client core was {:.0} % busy: up to {:.0} us of the p99 response time are its own \
             lateness; add --cores",
            evidence.busy_max * 100.0,
            evidence.own_lag_p99_ns as f64 / 1e3
        ));
    }
    warnings.extend(unsteady(evidence));
    if evidence.dropped > 0 {
        warnings.push(format!("{} records were dropped on the way to the file", evidence.dropped));
    }
    warnings
}

/// In the open model the rate is the schedule's own, so that only the response time tells.
fn unsteady(evidence: &Evidence) -> Option<String> {
    let Steadiness { swing, first_p50_us, last_p50_us } = evidence.steadiness;
    if !evidence.open && swing > SWINGS {
        return Some(format!(
            "the throughput of whole seconds differed by {:.0} % (standard deviation): its mean is \
             not that of a steady state",
            swing * 100.0
        ));
    }
    (evidence.steadiness.drift() > DRIFTS).then(|| {
        format!(
            "the median response time grew from {first_p50_us:.0} to {last_p50_us:.0} us from the \
             first third to the last: not a steady state; a queue grows, or --warmup is too short"
        )
    })
}

fn null_server(busy: Option<f64>) -> String {
    match busy {
        Some(busy) if busy >= SATURATED => format!(
            "the null server was {:.0} % busy and bounded this run: the client can do more; give the \
             server more cores (--null-cores, or `stallion null --cores`)",
            busy * 100.0
        ),
        _ => "the server was the null server: these figures are the client's own".to_owned(),
    }
}

#[cfg(test)]
mod tests;
