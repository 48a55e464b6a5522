//! The stretches in which latency left its baseline.

use std::ops::Range;

use crate::attribute::{Attribution, Request, Tally};
use crate::baseline::Baseline;
use crate::ledger::Ledger;
use crate::run::{Distribution, Run, Slice, merged};
use crate::summary::Percentiles;

/// Quiet intervals between two raised ones that still belong to the same spike: the queue of a
/// stall often dips for an interval before page faults raise it again.
const BRIDGED_INTERVALS: usize = 2;

/// A stretch in which latency left its baseline.
#[derive(Debug, Clone)]
pub struct Spike {
    /// The earliest intended time of its slow requests, or the begin of the stall they met.
    pub start_ns: u64,
    /// The latest answer.
    pub end_ns: u64,
    /// The middle of the interval with its slowest request.
    pub peak_ns: u64,
    /// Response times of its intervals, merged.
    pub response: Percentiles,
    /// The same requests from their sending on.
    pub service: Percentiles,
    /// Where the time of its slow requests went.
    pub attribution: Attribution,
    /// Its slow requests: indices into the list given to [`find`].
    pub requests: Vec<usize>,
}

/// Finds spikes, by falling harm (delay summed over requests).
#[must_use]
pub fn find(run: &Run, ledger: &Ledger, baseline: &Baseline, requests: &[Request]) -> Vec<Spike> {
    let slices: Vec<&Slice> = run.measured_slices().collect();
    let spans = raised(&slices, baseline).into_iter();
    let spans = merge_overlapping(spans.map(|range| span(&slices, range, requests)).collect());
    let mut spikes: Vec<Spike> = spans
        .into_iter()
        .filter_map(|range| spike(&slices, ledger, span(&slices, range, requests), requests))
        .collect();
    spikes.sort_by_key(|spike| {
        std::cmp::Reverse((spike.attribution.delay_ns, spike.response.max_ns))
    });
    spikes
}

/// Intervals (first and one past the last) and the time that their slow requests reach over.
#[derive(Debug, Clone)]
struct Span {
    range: Range<usize>,
    start_ns: u64,
    end_ns: u64,
    requests: Vec<usize>,
}

/// Neighbouring intervals above the baseline's limit.
fn raised(slices: &[&Slice], baseline: &Baseline) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (index, slice) in slices.iter().enumerate() {
        let above = slice.response.is_some_and(|p| p.p999_ns > baseline.spike_over_ns);
        if !above {
            continue;
        }
        match ranges.last_mut() {
            Some(last) if index <= last.end + BRIDGED_INTERVALS => last.end = index + 1,
            _ => ranges.push(index..index + 1),
        }
    }
    ranges
}

/// A server that stands still answers nothing, so the raised intervals begin when it goes on;
/// the spike begins when the first of their requests came due.
fn span(slices: &[&Slice], range: Range<usize>, requests: &[Request]) -> Span {
    let from_ns = slices[range.start].interval.start_ns;
    let to_ns = slices[range.end - 1].interval.end_ns;
    let first = requests.partition_point(|request| request.op.done_ns < from_ns);
    let past = requests.partition_point(|request| request.op.done_ns < to_ns);
    let members = &requests[first..past.max(first)];
    let due = members.iter().map(|request| request.op.due_ns).min();
    let done = members.iter().map(|request| request.op.done_ns).max();
    Span {
        range,
        start_ns: due.unwrap_or(from_ns),
        end_ns: done.unwrap_or(to_ns),
        requests: (first..past.max(first)).collect(),
    }
}

/// Stretches whose requests overlap are one, with all intervals between them.
fn merge_overlapping(mut spans: Vec<Span>) -> Vec<Range<usize>> {
    spans.sort_by_key(|span| span.start_ns);
    spans.dedup_by(|next, kept| {
        let overlap = next.start_ns <= kept.end_ns;
        if overlap {
            kept.end_ns = kept.end_ns.max(next.end_ns);
            kept.range = kept.range.start.min(next.range.start)..kept.range.end.max(next.range.end);
        }
        overlap
    });
    spans.into_iter().map(|span| span.range).collect()
}

fn spike(slices: &[&Slice], ledger: &Ledger, span: Span, requests: &[Request]) -> Option<Spike> {
    let members = &slices[span.range];
    let mut tally = Tally::default();
    for index in &span.requests {
        tally.add(&requests[*index]);
    }
    let slowest = |slice: &&&Slice| slice.response.map_or(0, |response| response.max_ns);
    let peak_ns = members.iter().max_by_key(slowest)?.middle_ns();
    let percentiles = |which| Percentiles::of(&merged(members.iter().copied(), which));
    Some(Spike {
        // Requests are sampled: the stall that the first of them met may have begun before it.
        start_ns: ledger.dense_start(span.start_ns).unwrap_or(span.start_ns),
        end_ns: span.end_ns,
        peak_ns,
        response: percentiles(Distribution::Response)?,
        service: percentiles(Distribution::Service)?,
        attribution: tally.attribution(),
        requests: span.requests,
    })
}
