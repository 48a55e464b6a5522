//! Runs, and what is said of them.

use super::*;
use stallion_timeline::{Silence, SilenceKind};

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
fn a_server_that_is_gone_silent_or_saturated_is_told_from_too_few_connections() {
    let silent = |kind, recovered| {
        let silence = Silence { kind, recovered, ..Silence::default() };
        let silence = Some(SilenceOnAxis { at_s: 3.0, duration_s: 3.0, silence });
        judge(&Evidence { unsent: 20_000, unanswered: 17_000, silence, ..healthy() })
    };
    for (kind, name) in [
        (SilenceKind::Refused, "server-gone: from 3.0 s until the end the server broke"),
        (SilenceKind::Silent, "server-silent"),
        (SilenceKind::Loading, "server-loading"),
    ] {
        let verdict = silent(kind, false);
        assert!(!verdict.valid && verdict.reasons[0].starts_with(name), "{verdict:?}");
        assert!(verdict.reasons[0].contains("17000 requests never got an answer"));
        assert!(!verdict.reasons[0].contains("--rate"), "a rate does not mend it: {verdict:?}");
    }
    let silence = Some(SilenceOnAxis { at_s: 3.0, duration_s: 3.0, ..SilenceOnAxis::default() });
    let late = Evidence { unsent: 20_000, silence, runqueue_share: 0.4, ..healthy() };
    let verdict = judge(&late);
    assert!(verdict.reasons[0].starts_with("server-silent"), "first what matters: {verdict:?}");
    assert!(verdict.reasons[1].starts_with("generator-bound"));
    assert_eq!(verdict.bound, Bound::Server);
    assert!(silent(SilenceKind::Silent, true).reasons[0].contains("for 3.0 s"));
    let busy = Evidence { unsent: 20_000, server_busy: Some(0.97), ..healthy() };
    let verdict = judge(&busy);
    assert!(verdict.reasons[0].starts_with("server-saturated"), "{verdict:?}");
    let idle = judge(&Evidence { server_busy: Some(0.3), ..busy });
    assert!(idle.reasons[0].starts_with("rate-missed"), "{idle:?}");
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
    let evidence = Evidence { open: false, busy_max: 0.99, server_busy: Some(0.99), ..healthy() };
    let verdict = judge(&evidence);
    assert!(verdict.valid);
    assert_eq!(verdict.bound, Bound::Server);
}
