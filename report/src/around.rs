//! How fast the server was before, during and after each disturbance.

use serde::Serialize;
use serde_json::Value;
use stallion_timeline::Chaos;

use crate::run::{Distribution, Run, Slice, merged};
use crate::summary::Percentiles;

/// The stretches before and after are as long as the disturbance, within these bounds.
const SHORTEST_NS: u64 = 1_000_000_000;
const LONGEST_NS: u64 = 30_000_000_000;

/// An outage that begins up to this long after the end of a disturbance is its own.
const OUTAGE_WITHIN_NS: u64 = 1_000_000_000;

/// One disturbance, or one direction of one that goes there and back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Around {
    /// The action, and the direction.
    pub action: String,
    /// When it began, from the start of the measured phase.
    pub begin_axis_ns: i64,
    /// How long it took.
    pub lasted_ns: u64,
    /// Until when its effect is counted, from the start of the measured phase: its end, or that of
    /// the outage which it caused.
    pub until_axis_ns: i64,
    /// As long as it before it began, at most back to the disturbance before.
    pub before: Stretch,
    /// From its begin until its effect has ended; each interval that it touches.
    pub during: Stretch,
    /// As long as it after that, at most to the next disturbance.
    pub after: Stretch,
}

/// What the client saw in a stretch: answers count where they came.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Stretch {
    /// The length of its intervals.
    pub seconds: f64,
    /// Answers.
    pub answered: u64,
    /// Intended time to answer; none when nothing was answered.
    pub response: Option<Percentiles>,
    /// Errors by any name that a request ended with.
    pub errors: u64,
    /// MOVED, ASK and TRYAGAIN.
    pub redirects: u64,
}

/// The begin and end of a disturbance, and of what it caused.
#[derive(Debug, Clone)]
struct Span {
    action: String,
    begin_ns: u64,
    end_ns: u64,
    until_ns: u64,
}

/// All that lie within what was measured, in their order.
#[must_use]
pub fn around(run: &Run) -> Vec<Around> {
    let measured = run.chaos.iter().filter(|chaos| run.measured(chaos.begin_ns));
    let mut spans: Vec<Span> = measured.flat_map(spans_of).collect();
    spans.sort_by_key(|span| span.begin_ns);
    for outage in &run.outages {
        let last = spans.iter_mut().rfind(|span| span.begin_ns <= outage.start_ns);
        if let Some(span) = last
            && outage.start_ns <= span.end_ns + OUTAGE_WITHIN_NS
        {
            span.until_ns = span.until_ns.max(outage.end_ns);
        }
    }
    let slices: Vec<&Slice> = run.measured_slices().collect();
    let of = |index: usize| {
        let span = &spans[index];
        let length_ns = (span.until_ns - span.begin_ns).clamp(SHORTEST_NS, LONGEST_NS);
        let earlier = spans[..index].iter().map(|other| other.until_ns).max().unwrap_or(0);
        let later = spans[index + 1..].iter().map(|other| other.begin_ns).min();
        let from_ns = span.begin_ns.saturating_sub(length_ns).max(earlier);
        let to_ns = (span.until_ns + length_ns).min(later.unwrap_or(u64::MAX));
        let touched = |slice: &&&Slice| {
            slice.interval.end_ns > span.begin_ns && slice.interval.start_ns <= span.until_ns
        };
        let before = |slice: &&&Slice| {
            slice.interval.start_ns >= from_ns && slice.interval.end_ns <= span.begin_ns
        };
        let after = |slice: &&&Slice| {
            slice.interval.start_ns > span.until_ns && slice.interval.end_ns <= to_ns
        };
        Around {
            action: span.action.clone(),
            begin_axis_ns: run.axis_ns(span.begin_ns),
            lasted_ns: span.end_ns - span.begin_ns,
            until_axis_ns: run.axis_ns(span.until_ns),
            before: stretch(slices.iter().filter(before).copied()),
            during: stretch(slices.iter().filter(touched).copied()),
            after: stretch(slices.iter().filter(after).copied()),
        }
    };
    (0..spans.len()).map(of).collect()
}

/// A disturbance as one span, or as two when it says that it went there and back.
fn spans_of(chaos: &Chaos) -> Vec<Span> {
    let time = |name: &str| chaos.detail.get(name).and_then(Value::as_u64);
    let span = |action: String, (begin_ns, end_ns): (u64, u64)| {
        let end_ns = end_ns.max(begin_ns);
        Span { action, begin_ns, end_ns, until_ns: end_ns }
    };
    let direction = |name: &str| {
        let ends = time(&format!("{name}_begin_ns")).zip(time(&format!("{name}_end_ns")))?;
        Some(span(format!("{} {name}", chaos.action), ends))
    };
    match (direction("there"), direction("back")) {
        (Some(there), Some(back)) => vec![there, back],
        _ => vec![span(chaos.action.clone(), (chaos.begin_ns, chaos.end_ns))],
    }
}

fn stretch<'a>(slices: impl Iterator<Item = &'a Slice> + Clone) -> Stretch {
    let mut sum = Stretch {
        response: Percentiles::of(&merged(slices.clone(), Distribution::Response)),
        ..Stretch::default()
    };
    for slice in slices {
        let interval = &slice.interval;
        sum.seconds += (interval.end_ns - interval.start_ns) as f64 / 1e9;
        sum.answered += interval.answered;
        sum.errors += interval.ops.values().map(|counts| counts.errors).sum::<u64>();
        sum.errors += interval.timeouts + interval.lost;
        if let Some(cluster) = &interval.cluster {
            let redirects = cluster.redirects;
            sum.redirects += redirects.moved + redirects.ask + redirects.tryagain;
        }
    }
    sum
}
