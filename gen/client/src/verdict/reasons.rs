//! Why a run may not be believed, in words, each with what to do about it.

use stallion_timeline::{SilenceKind, SilenceOnAxis};

use super::{BUSY, Evidence, OWN_LAG_FLOOR_NS, STARVED};

/// Why the client was the bottleneck; `full` says that one of its cores had nothing left.
pub(super) fn generator_reasons(evidence: &Evidence, full: bool) -> Vec<String> {
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

/// Why requests of the open model were never sent: the server was gone, silent or saturated, the link was
/// full, or there were too few connections.
pub(super) fn missed_reason(evidence: &Evidence, missed: f64, link_is_full: bool) -> String {
    let missed = missed * 100.0;
    if let Some(silence) = &evidence.silence {
        return silent_reason(evidence, silence);
    }
    if let Some(busy) = evidence.server_busy.filter(|busy| *busy >= BUSY) {
        let (asked, answered) = (evidence.due as f64, evidence.answered as f64);
        return format!(
            "server-saturated: the server's main thread was {:.0} % busy and answered {:.0} of {:.0} \
             requests a second; {missed:.1} % of the requests were due and never sent; lower --rate to \
             what it can take (stallion ceiling finds that), or make its commands cheaper",
            busy * 100.0,
            answered / evidence.duration_s.max(1e-9),
            asked / evidence.duration_s.max(1e-9),
        );
    }
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

/// A server that answered nothing for a while: gone, or silent.
fn silent_reason(evidence: &Evidence, silence: &SilenceOnAxis) -> String {
    let (name, what) = match silence.silence.kind {
        SilenceKind::Refused => {
            ("server-gone", "broke its connections and refused new ones; look whether it runs")
        }
        SilenceKind::Reset => ("server-gone", "broke its connections; look whether it runs"),
        SilenceKind::Loading => {
            ("server-loading", "was loading its data set; wait until it is ready")
        }
        SilenceKind::Errors => ("server-refusing", "answered with errors only; see the errors"),
        SilenceKind::Silent => (
            "server-silent",
            "answered nothing on open connections: it was stopped or blocked by one long command; \
             stallion probe on its host names the cause",
        ),
    };
    let when = match silence.silence.recovered {
        true => format!("for {:.1} s from {:.1} s on", silence.duration_s, silence.at_s),
        false => format!("from {:.1} s until the end", silence.at_s),
    };
    format!(
        "{name}: {when} the server {what}. {} requests never got an answer; the percentiles count what \
         they had waited",
        evidence.unanswered
    )
}
