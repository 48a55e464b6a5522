//! Does every request that was due have exactly one end?

use std::collections::BTreeMap;

use serde::Serialize;

use crate::run::Run;

/// One equation of the accounting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Where the figures come from.
    pub source: String,
    /// The equation in words.
    pub equation: String,
    /// Its left side.
    pub left: u64,
    /// The sum on its right side.
    pub right: u64,
    /// Both are equal.
    pub closes: bool,
}

/// Sums over all intervals, warm-up and drain included, and the equations that bind them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Accounting {
    /// Requests whose intended time came.
    pub due: u64,
    /// Requests sent.
    pub sent: u64,
    /// Answers, error replies included.
    pub answered: u64,
    /// Requests given up by time-out.
    pub timeouts: u64,
    /// Requests lost with their connection.
    pub lost: u64,
    /// Requests in flight when the last interval ended.
    pub in_flight: u64,
    /// Requests due and not sent when the last interval ended.
    pub unsent: u64,
    /// The equations.
    pub checks: Vec<Check>,
}

impl Accounting {
    /// Whether every equation holds.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.checks.iter().all(|check| check.closes)
    }
}

/// Sums the intervals up and checks them, and the footer's own figures where it gives some.
#[must_use]
pub fn accounting(run: &Run) -> Accounting {
    let mut sum = Accounting::default();
    let mut last_of_source = BTreeMap::new();
    for slice in &run.slices {
        let interval = &slice.interval;
        sum.due += interval.due;
        sum.sent += interval.sent;
        sum.answered += interval.answered;
        sum.timeouts += interval.timeouts;
        sum.lost += interval.lost;
        last_of_source.insert(slice.source, (interval.in_flight, interval.backlog));
    }
    sum.in_flight = last_of_source.values().map(|(in_flight, _)| in_flight).sum();
    sum.unsent = last_of_source.values().map(|(_, backlog)| backlog).sum();
    if run.driven() {
        sum.checks = vec![
            check("intervals", "due = sent + unsent", sum.due, &[sum.sent, sum.unsent]),
            check(
                "intervals",
                "sent = answered + timed out + lost + in flight",
                sum.sent,
                &[sum.answered, sum.timeouts, sum.lost, sum.in_flight],
            ),
        ];
    }
    sum.checks.extend(footer_checks(&run.summary.accounting));
    sum
}

fn footer_checks(figures: &BTreeMap<String, u64>) -> Vec<Check> {
    let figure = |name: &str| figures.get(name).copied();
    let (Some(due), Some(sent), Some(answered)) =
        (figure("due"), figure("sent"), figure("answered"))
    else {
        return Vec::new();
    };
    let or_zero = |name: &str| figure(name).unwrap_or(0);
    let ends =
        [answered, or_zero("failed"), or_zero("timeouts"), or_zero("lost"), or_zero("in_flight")];
    vec![
        check("client's totals", "due = sent + unsent", due, &[sent, or_zero("unsent")]),
        check("client's totals", "sent = answered + failed + timed out + lost", sent, &ends),
    ]
}

fn check(source: &str, equation: &str, left: u64, parts: &[u64]) -> Check {
    let right = parts.iter().sum();
    Check {
        source: source.to_owned(),
        equation: equation.to_owned(),
        left,
        right,
        closes: left == right,
    }
}
