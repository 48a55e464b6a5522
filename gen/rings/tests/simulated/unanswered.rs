//! No request that was due is left out of the response times.

use stallion_engine::measure::interval::Counts;

use super::Played;

/// All that was due is in the response times, and what has no answer is marked there: what an omniscient
/// observer would say of any percentile is what is said, or more where it is marked.
pub(super) fn check(played: &Played) {
    let Counts { sent, answered, timeouts, lost, .. } = played.counts;
    let never_sent = if played.open { played.responses - sent } else { 0 };
    let unsent = if played.open { played.last_backlog } else { 0 };
    assert!(never_sent <= unsent, "{never_sent} of {unsent} were never sent");
    assert!(never_sent + played.due_before >= unsent, "only the warm-up's may be left out");
    assert_eq!(played.unanswered, timeouts + lost + never_sent, "the unanswered are marked");
    let all = if played.open { played.responses } else { sent };
    assert_eq!(all, answered + played.unanswered, "nothing is answered twice");
}
