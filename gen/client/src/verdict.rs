//! Whether a run may be believed, and what bounded it. A pure function of its figures.

use serde::Serialize;

use stallion_engine::measure::steady::Steadiness;

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
    let mut reasons = generator_reasons(evidence, client);
    // Against the null server a client that is full is what was to be measured.
    let full = Full {
        generator: !reasons.is_empty() || client,
        server,
        link: evidence.link_share.is_some_and(|share| share >= LINK_IS_FULL),
    };
    let missed = evidence.unsent as f64 / (evidence.due.max(1)) as f64;
    let rate_missed = evidence.open && missed > MISSED;
    if rate_missed && !full.generator {
        reasons.push(missed_reason(evidence, missed, full.link));
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

/// Why the client was the bottleneck; `full` says that one of its cores had nothing left.
fn generator_reasons(evidence: &Evidence, full: bool) -> Vec<String> {
    let mut reasons = Vec::new();
    if evidence.runqueue_share > STARVED {
        reasons.push(format!(
            "generator-bound: a client thread was ready to run and had no core for {:.0} % of the \
             time; give it a core of its own (--cores) and keep other load off it",
            evidence.runqueue_share * 100.0
        ));
    }
    if full && !evidence.null_server {
        let server = evidence.server_busy.map_or_else(
            || "the server's load is unknown".to_owned(),
            |busy| format!("the server's main thread only {:.0} %", busy * 100.0),
        );
        reasons.push(format!(
            "generator-bound: a client core was {:.0} % busy and {server}; add --cores",
            evidence.busy_max * 100.0
        ));
    }
    let most = |late_ns: u64| {
        late_ns > OWN_LAG_FLOOR_NS && late_ns.saturating_mul(2) > evidence.response_p99_ns
    };
    if most(evidence.own_lag_p99_ns) {
        reasons.push(format!(
            "generator-bound: the client sent 1 % of the requests {:.1} ms late though a connection \
             was free, which is more than half of the p99 response time; use --wait spin, add \
             --cores or lower --rate",
            evidence.own_lag_p99_ns as f64 / 1e6
        ));
    }
    if most(evidence.receive_delay_p99_ns) {
        reasons.push(format!(
            "generator-bound: 1 % of the answers lay {:.1} ms in the client's kernel before they were \
             taken, which is more than half of the p99 response time; add --cores or lower --rate",
            evidence.receive_delay_p99_ns as f64 / 1e6
        ));
    }
    reasons
}

fn missed_reason(evidence: &Evidence, missed: f64, link_is_full: bool) -> String {
    let missed = missed * 100.0;
    if link_is_full {
        return format!(
            "network-bound: {missed:.1} % of the requests were due and never sent, and the link was \
             {:.0} % full; lower --rate or --value-size, or use a faster link",
            evidence.link_share.unwrap_or_default() * 100.0
        );
    }
    format!(
        "rate-missed: {missed:.1} % of the requests were due and never sent, because every connection \
         waited for an answer; the rate is above what the server (or --conns x --pipeline) can take: \
         lower --rate, or give more connections"
    )
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
mod tests {
    use super::*;

    fn healthy() -> Evidence {
        Evidence {
            open: true,
            due: 100_000,
            answered: 100_000,
            own_lag_p99_ns: 50_000,
            response_p99_ns: 400_000,
            busy_max: 0.3,
            server_busy: Some(0.4),
            duration_s: 30.0,
            accounted: true,
            ..Evidence::default()
        }
    }

    #[test]
    fn a_healthy_run_is_valid() {
        let verdict = judge(&healthy());
        assert!(verdict.valid && verdict.warnings.is_empty());
        assert_eq!(verdict.bound, Bound::Schedule);
    }

    #[test]
    fn a_starved_busy_or_late_client_is_named() {
        for evidence in [
            Evidence { runqueue_share: 0.4, ..healthy() },
            Evidence { open: false, busy_max: 0.99, ..healthy() },
            Evidence { own_lag_p99_ns: 5_000_000, response_p99_ns: 6_000_000, ..healthy() },
            Evidence { receive_delay_p99_ns: 5_000_000, response_p99_ns: 6_000_000, ..healthy() },
            Evidence { busy_max: 0.99, own_lag_p99_ns: 150_000, ..healthy() },
        ] {
            let verdict = judge(&evidence);
            assert!(!verdict.valid && verdict.reasons[0].starts_with("generator-bound"));
            assert_eq!(verdict.bound, Bound::Generator);
        }
    }

    #[test]
    fn a_stopped_server_is_not_the_clients_fault() {
        // Two seconds of SIGSTOP: the backlog is worked off, the tail is long, own lag is not.
        let verdict = judge(&Evidence { response_p99_ns: 2_000_000_000, ..healthy() });
        assert!(verdict.valid);
        let verdict = judge(&Evidence { unsent: 20_000, ..healthy() });
        assert!(verdict.reasons[0].starts_with("rate-missed"));
        assert_ne!(verdict.bound, Bound::Generator);
    }

    #[test]
    fn refusals_are_no_measurement() {
        let verdict = |failed| judge(&Evidence { failed, answered: 1_000, ..healthy() });
        assert!(verdict(501).reasons[0].starts_with("refused: 50 %"));
        let some = verdict(300);
        assert!(some.valid && some.warnings[0].starts_with("30.0 %"));
    }

    #[test]
    fn against_the_null_server_a_full_client_is_the_result() {
        let evidence = Evidence { open: false, busy_max: 0.99, null_server: true, ..healthy() };
        let verdict = judge(&evidence);
        assert!(verdict.valid && verdict.warnings[0].contains("the client's own"));
        assert_eq!(verdict.bound, Bound::Generator);
        let verdict = judge(&Evidence { server_busy: Some(0.98), ..evidence });
        assert!(verdict.warnings[0].contains("--null-cores"));
        assert_eq!(verdict.bound, Bound::Server);
    }

    #[test]
    fn a_busy_client_that_is_on_time_is_told_and_believed() {
        let verdict = judge(&Evidence { busy_max: 0.99, ..healthy() });
        assert!(verdict.valid && verdict.warnings[0].contains("99 % busy"), "{verdict:?}");
    }

    #[test]
    fn a_full_link_bounds_the_run() {
        let full = Evidence { link_share: Some(0.97), ..healthy() };
        assert_eq!(judge(&full).bound, Bound::Schedule, "the rate was reached");
        assert_eq!(judge(&Evidence { open: false, ..full }).bound, Bound::Network);
        let missed = judge(&Evidence { unsent: 20_000, ..full });
        assert!(missed.reasons[0].starts_with("network-bound"), "{missed:?}");
        assert_eq!(missed.bound, Bound::Network);
        let server = Evidence { open: false, server_busy: Some(0.99), ..full };
        assert_eq!(judge(&server).bound, Bound::Server, "the server was full first");
    }

    #[test]
    fn a_run_that_is_not_steady_is_told() {
        let steadiness = Steadiness { swing: 0.3, first_p50_us: 100.0, last_p50_us: 400.0 };
        let open = judge(&Evidence { steadiness, ..healthy() });
        assert!(open.warnings[0].contains("from 100 to 400 us"), "{open:?}");
        let closed = judge(&Evidence { steadiness, open: false, ..healthy() });
        assert!(closed.warnings[0].contains("differed by 30 %"), "{closed:?}");
    }

    #[test]
    fn two_full_sides_are_the_servers_ceiling() {
        let evidence =
            Evidence { open: false, busy_max: 0.99, server_busy: Some(0.99), ..healthy() };
        let verdict = judge(&evidence);
        assert!(verdict.valid);
        assert_eq!(verdict.bound, Bound::Server);
    }
}
