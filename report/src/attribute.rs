//! Each nanosecond of each slow request gets exactly one cause.
//!
//! Of the time between `due` and `done`:
//! 1. the client's own lateness (a connection was free, the request was not sent) is the
//!    client's;
//! 2. what overlaps a stall of the main thread is that stall's, by the [`Ledger`]; in a cluster only
//!    the stalls of the node that answered count ([`Ledgers`]);
//! 3. what overlaps an outage of its slot is the outage's;
//! 4. of the rest, waiting behind others inherits what stalls, and bursts after the client's own
//!    lateness, still owe ([`Debt`]);
//! 5. what is left is Unexplained.
//!
//! All sums are integers, so the parts of a request add up to its delay to the nanosecond.
//!
//! The client keeps a uniform sample of an interval's slow requests; each record stands for
//! `slow_count / records` requests of its interval. An interval with slow requests and without
//! any record counts as Unexplained by its `slow_sum_ns`.

use std::collections::HashMap;

use serde::Serialize;
use stallion_timeline::SlowOp;

use crate::backlog::{BusyPeriods, Debt};
use crate::baseline::Baseline;
use crate::cause::{self, CLIENT, Cause, NAMED, OUTAGE};
use crate::ledger::{ByCause, Ledger};
use crate::nodes::{Ledgers, failing};
use crate::run::Run;

/// One request stands for this many thousandths of a request without sampling.
const MILLI: u64 = 1_000;

/// A slow request and where its time went.
#[derive(Debug, Clone)]
pub struct Request {
    /// The request.
    pub op: SlowOp,
    /// How many requests it stands for, in thousandths.
    pub weight_milli: u64,
    /// Where its time went.
    pub split: Split,
}

/// The time of one request by cause; the parts add up to `done - due`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Split {
    /// While the cause lasted: a stall of the server, or the client being late.
    pub direct_ns: ByCause,
    /// Behind other requests that the cause had delayed.
    pub inherited_ns: ByCause,
    /// Everything else.
    pub unexplained_ns: u64,
}

/// The share of one cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Share {
    /// The cause.
    pub cause: Cause,
    /// Request time that overlapped it, summed over requests.
    pub direct_ns: u64,
    /// Request time behind others that it had delayed, summed over requests.
    pub inherited_ns: u64,
    /// Share of all time, in hundredths of a per cent; all shares add up to 10 000.
    pub share_basis_points: u32,
}

/// Where the time of a set of requests went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Attribution {
    /// Slow requests, those that were not sampled included.
    pub requests: u64,
    /// Records that were read for it.
    pub sampled: u64,
    /// Their delay, summed.
    pub delay_ns: u64,
    /// Causes by falling share; Unexplained is always the last one.
    pub shares: Vec<Share>,
}

impl Request {
    /// Intended time to answer.
    #[must_use]
    pub fn delay_ns(&self) -> u64 {
        self.op.done_ns.saturating_sub(self.op.due_ns)
    }
}

impl Split {
    /// Cause, direct and inherited time, those that are not zero, in the order of precedence.
    #[must_use]
    pub fn parts(&self) -> Vec<(Cause, u64, u64)> {
        let named = (0..NAMED)
            .map(|place| (cause::at(place), self.direct_ns[place], self.inherited_ns[place]));
        let all = named.chain([(Cause::Unexplained, self.unexplained_ns, 0)]);
        all.filter(|(_, direct, inherited)| direct + inherited > 0).collect()
    }
}

/// Splits every slow request of the measured phases.
#[must_use]
pub fn requests(run: &Run, ledgers: &Ledgers, baseline: &Baseline) -> Vec<Request> {
    let weights = weights(run);
    let mut splits = vec![Split::default(); run.slow_ops.len()];
    // Each node has its own queue, and its own debts.
    for (ledger, places) in ledgers.by_node(&run.slow_ops) {
        let ops = || places.iter().map(|place| &run.slow_ops[*place].1);
        let queued = ops().map(|op| (op.due_ns, op.done_ns));
        let queued =
            queued.filter(|(due, done)| done.saturating_sub(*due) > baseline.queued_over_ns());
        let periods = BusyPeriods::of(ledger, queued);
        let mut debt = Debt::new(ledger, &periods);
        for (place, op) in places.iter().zip(ops()) {
            splits[*place] = split(op, ledger, &mut debt, &failing(&run.outages, op));
        }
    }
    let all = run.slow_ops.iter().zip(weights).zip(splits);
    all.map(|(((_, op), weight_milli), split)| Request { op: op.clone(), weight_milli, split })
        .filter(|request| run.measured(request.op.due_ns))
        .collect()
}

/// The span, just before its sending, in which the client was late with a request although a
/// connection was free.
#[must_use]
pub fn late_span(op: &SlowOp) -> (u64, u64) {
    let sent_ns = sending(op);
    (sent_ns - op.own_lag_ns.min(sent_ns - op.due_ns), sent_ns)
}

/// When a request left; one that was never sent waited for that all its life.
fn sending(op: &SlowOp) -> u64 {
    let done_ns = op.done_ns.max(op.due_ns);
    if op.sent_ns == 0 { done_ns } else { op.sent_ns.clamp(op.due_ns, done_ns) }
}

/// `failing` are the stretches in which nobody served its slot.
fn split(op: &SlowOp, ledger: &Ledger, debt: &mut Debt<'_>, failing: &[(u64, u64)]) -> Split {
    let total = op.done_ns.saturating_sub(op.due_ns);
    let owed = debt.owed(op.due_ns, op.done_ns);
    let (late_ns, sent_ns) = late_span(op);
    let client_ns = sent_ns - late_ns;
    let mut left = total;
    let before = ledger.within(op.due_ns, late_ns);
    let after = ledger.within(sent_ns, op.done_ns);
    let waits = [(op.due_ns, late_ns), (sent_ns, op.done_ns)];
    let outage_ns = unstalled(failing, &waits, ledger);
    let direct_ns = std::array::from_fn(|place| {
        let part = match place {
            CLIENT => client_ns,
            OUTAGE => outage_ns,
            _ => before[place] + after[place],
        };
        // Rounding down at both ends of a piece may leave a nanosecond too much.
        let part = part.min(left);
        left -= part;
        part
    });
    let inherited_ns = inherit(owed, left);
    Split { direct_ns, inherited_ns, unexplained_ns: left - inherited_ns.iter().sum::<u64>() }
}

/// Time that lies both in one of `failing` and in one of `waits`, without what is a stall's.
fn unstalled(failing: &[(u64, u64)], waits: &[(u64, u64)], ledger: &Ledger) -> u64 {
    let common = |(from, to): &(u64, u64)| {
        waits.iter().map(|(start, end)| ((*from).max(*start), (*to).min(*end))).collect::<Vec<_>>()
    };
    let spans = failing.iter().flat_map(common).filter(|(from, to)| from < to);
    spans.map(|(from, to)| (to - from).saturating_sub(ledger.within(from, to).iter().sum())).sum()
}

/// Spreads waiting time over what is owed, in proportion, and no more than is owed.
fn inherit(owed: ByCause, waiting_ns: u64) -> ByCause {
    let all: u64 = owed.iter().sum();
    let given = waiting_ns.min(all);
    if given == 0 {
        return ByCause::default();
    }
    let share = |sum: u64| (u128::from(given) * u128::from(sum) / u128::from(all)) as u64;
    let mut before = 0;
    owed.map(|part| {
        let from = share(before);
        before += part;
        share(before) - from
    })
}

/// How many thousandths of a request each slow request stands for, in their order.
fn weights(run: &Run) -> Vec<u64> {
    let mut records: HashMap<usize, u64> = HashMap::new();
    let places: Vec<Option<usize>> = run
        .slow_ops
        .iter()
        .map(|(source, op)| {
            let place = interval_of(run, *source, op.done_ns);
            place.inspect(|place| *records.entry(*place).or_default() += 1)
        })
        .collect();
    places
        .into_iter()
        .map(|place| {
            let Some(place) = place else { return MILLI };
            let slow = run.slices[place].interval.slow_count;
            (slow * MILLI / records[&place]).max(MILLI)
        })
        .collect()
}

/// The interval of the same client in which a request was done.
fn interval_of(run: &Run, source: usize, done_ns: u64) -> Option<usize> {
    let begun = run.slices.partition_point(|slice| slice.interval.start_ns <= done_ns);
    (0..begun)
        .rev()
        // A few clients at most share the axis, so the right one is among the last few.
        .take(64)
        .find(|place| {
            let slice = &run.slices[*place];
            slice.source == source && done_ns <= slice.interval.end_ns
        })
}

/// Sums requests up, in thousandths of a request times nanoseconds.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    direct: [u128; NAMED],
    inherited: [u128; NAMED],
    unexplained: u128,
    requests_milli: u128,
    sampled: u64,
}

impl Tally {
    /// Adds one request with its weight.
    pub fn add(&mut self, request: &Request) {
        let weight = u128::from(request.weight_milli);
        for index in 0..NAMED {
            self.direct[index] += weight * u128::from(request.split.direct_ns[index]);
            self.inherited[index] += weight * u128::from(request.split.inherited_ns[index]);
        }
        self.unexplained += weight * u128::from(request.split.unexplained_ns);
        self.requests_milli += weight;
        self.sampled += 1;
    }

    /// Adds slow requests of which none was recorded.
    pub fn add_unsampled(&mut self, requests: u64, delay_ns: u64) {
        self.requests_milli += u128::from(requests * MILLI);
        self.unexplained += u128::from(delay_ns) * u128::from(MILLI);
    }

    /// The shares; they add up to the whole exactly.
    #[must_use]
    pub fn attribution(&self) -> Attribution {
        let whole = |milli: u128| u64::try_from(milli / u128::from(MILLI)).unwrap_or(u64::MAX);
        let share = |cause, direct: u128, inherited: u128| Share {
            cause,
            direct_ns: whole(direct),
            inherited_ns: whole(inherited),
            share_basis_points: 0,
        };
        let mut shares: Vec<Share> = (0..NAMED)
            .map(|place| share(cause::at(place), self.direct[place], self.inherited[place]))
            .filter(|share| share.direct_ns + share.inherited_ns > 0)
            .collect();
        shares.sort_by_key(|share| std::cmp::Reverse(share.direct_ns + share.inherited_ns));
        shares.push(share(Cause::Unexplained, self.unexplained, 0));
        round_to_whole(&mut shares);
        Attribution {
            requests: whole(self.requests_milli),
            sampled: self.sampled,
            delay_ns: shares.iter().map(|share| share.direct_ns + share.inherited_ns).sum(),
            shares,
        }
    }
}

/// Largest remainders: rounded shares that add up to 10 000, or all zero when there is no time.
fn round_to_whole(shares: &mut [Share]) {
    let time = |share: &Share| u128::from(share.direct_ns) + u128::from(share.inherited_ns);
    let all: u128 = shares.iter().map(time).sum();
    if all == 0 {
        return;
    }
    let mut missing = 10_000;
    let mut remainders = Vec::with_capacity(shares.len());
    for (index, share) in shares.iter_mut().enumerate() {
        let exact = time(share) * 10_000;
        share.share_basis_points = (exact / all) as u32;
        missing -= share.share_basis_points;
        remainders.push((std::cmp::Reverse(exact % all), index));
    }
    remainders.sort_unstable();
    for (_, index) in remainders.into_iter().take(missing as usize) {
        shares[index].share_basis_points += 1;
    }
}

impl Attribution {
    /// The share of one cause in hundredths of a per cent.
    #[must_use]
    pub fn share_of(&self, cause: Cause) -> u32 {
        let found = self.shares.iter().find(|share| share.cause == cause);
        found.map_or(0, |share| share.share_basis_points)
    }
}
