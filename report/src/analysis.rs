//! From files to everything that a report says, in figures.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use stallion_timeline::{OpCounts, SlowOp, StallClass, ThreadRole};

use crate::accounting::{Accounting, accounting};
use crate::around::{Around, around};
use crate::attribute::{Attribution, Request, Tally, late_span, requests};
use crate::baseline::Baseline;
use crate::cause::{CLASSES, Cause};
use crate::cluster::{Cluster, cluster};
use crate::crosscheck::{Crosscheck, crosscheck};
use crate::disturbance::{Onset, onsets};
use crate::evidence;
use crate::join::{JoinError, join};
use crate::ledger::Ledger;
use crate::nodes::Ledgers;
use crate::run::{Distribution, PhaseSpan, Run, merged};
use crate::spike::{self, Spike};
use crate::summary::Percentiles;

/// Spikes told in full; the rest is summed up.
pub const SPIKES_TOLD: usize = 12;

/// Worst requests told for the run, and for each spike.
const WORST_OF_RUN: usize = 8;
const WORST_OF_SPIKE: usize = 3;

/// Everything that was found.
#[derive(Debug, Clone)]
pub struct Analysis {
    /// The joined timelines.
    pub run: Run,
    /// Latency when nothing is wrong.
    pub baseline: Baseline,
    /// The main thread's stalled time without overlap.
    pub ledger: Ledger,
    /// Percentiles over all measured intervals.
    pub latency: Latency,
    /// Sums over all measured intervals.
    pub traffic: Traffic,
    /// All slow requests of the measured phases.
    pub total: Attribution,
    /// The same by labelled phase.
    pub phases: Vec<PhaseReport>,
    /// What each disturbance did right after it began.
    pub onsets: Vec<Onset>,
    /// By falling harm; at most [`SPIKES_TOLD`].
    pub spikes: Vec<SpikeReport>,
    /// Spikes that were found and are not among `spikes`, and their delay summed over requests.
    pub spikes_untold: (u64, u64),
    /// The slowest requests of the run.
    pub worst: Vec<Story>,
    /// Stalled time by class.
    pub stalled: Vec<Stalled>,
    /// The server's own figures against the probes'.
    pub crosscheck: Crosscheck,
    /// Whether every request has one end.
    pub accounting: Accounting,
    /// How fast the server was before, during and after each disturbance.
    pub around: Vec<Around>,
    /// By node and slot; none with a single server.
    pub cluster: Option<Cluster>,
    /// Requests of the measured phases by command.
    pub commands: BTreeMap<String, OpCounts>,
}

/// Percentiles of the measured phases; none where nothing was recorded.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Latency {
    /// Intended time to answer: what a user waits.
    pub response: Option<Percentiles>,
    /// Send to answer: what a client sees that stops sending when the server stops.
    pub service: Option<Percentiles>,
    /// Intended time to send.
    pub schedule_lag: Option<Percentiles>,
    /// The client's own part of that.
    pub own_lag: Option<Percentiles>,
}

/// Sums of the measured phases.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Traffic {
    /// Length of the measured phases.
    pub seconds: f64,
    /// Answers.
    pub answered: u64,
    /// Answers per second.
    pub ops_per_sec: f64,
    /// Requests due per second.
    pub due_per_sec: f64,
    /// Reads that found a value.
    pub hits: u64,
    /// Reads that found nothing.
    pub misses: u64,
    /// Error replies.
    pub errors: u64,
    /// Requests over the slow threshold.
    pub slow: u64,
}

/// One stretch with a label of its own.
#[derive(Debug, Clone, Serialize)]
pub struct PhaseReport {
    /// The stretch.
    pub span: PhaseSpan,
    /// Response times in it.
    pub response: Option<Percentiles>,
    /// Where the time of its slow requests went.
    pub attribution: Attribution,
    /// The causes' names in this stretch, as in `attribution.shares`.
    pub labels: Vec<String>,
}

/// One spike with its story.
#[derive(Debug, Clone)]
pub struct SpikeReport {
    /// The spike.
    pub spike: Spike,
    /// The causes' names in this stretch, as in `spike.attribution.shares`.
    pub labels: Vec<String>,
    /// Disturbances at the same time.
    pub chaos: Vec<String>,
    /// Stalled time of the main thread within, by class.
    pub stalled: Vec<(Cause, u64)>,
    /// Its slowest requests.
    pub worst: Vec<Story>,
}

/// One request and where its time went.
#[derive(Debug, Clone, Serialize)]
pub struct Story {
    /// The request.
    pub op: SlowOp,
    /// When it came due, on the run's axis.
    pub due_axis_ns: i64,
    /// Due to done.
    pub delay_ns: u64,
    /// Cause, its name here, direct and inherited time.
    pub parts: Vec<StoryPart>,
}

/// A part of one request's time.
#[derive(Debug, Clone, Serialize)]
pub struct StoryPart {
    /// The cause.
    pub cause: Cause,
    /// Its name here.
    pub label: String,
    /// While the stall lasted.
    pub direct_ns: u64,
    /// Behind other requests that it had delayed.
    pub inherited_ns: u64,
}

/// Stalled time of one class over the measured phases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stalled {
    /// The class.
    pub cause: Cause,
    /// On the main thread, without overlap: what the ledger gives to it.
    pub main_ns: u64,
    /// Stalls of the main thread, as recorded.
    pub count: u64,
    /// The longest single one of the main thread.
    pub longest_ns: u64,
    /// On background threads and children: context, it stalls no request by itself.
    pub background_ns: u64,
}

/// Reads timelines and analyses them.
///
/// # Errors
/// [`JoinError`] when the files cannot be read or do not belong together.
pub fn analyse(paths: &[PathBuf]) -> Result<Analysis, JoinError> {
    let run = join(paths)?;
    let baseline = Baseline::of(&run);
    let late = run.slow_ops.iter().map(|(_, op)| late_span(op));
    let late: Vec<(u64, u64)> = late.chain(run.client_late.iter().copied()).collect();
    let ledgers = Ledgers::of(&run, &late);
    let requests = requests(&run, &ledgers, &baseline);
    let ledger = ledgers.all;
    let mut spikes = spike::find(&run, &ledger, &baseline, &requests);
    let untold = spikes.split_off(spikes.len().min(SPIKES_TOLD));
    let untold_ns = untold.iter().map(|spike| spike.attribution.delay_ns).sum();
    let tell = |spike| tell(&run, &ledger, &requests, spike);
    Ok(Analysis {
        baseline,
        latency: latency(&run),
        traffic: traffic(&run),
        total: total(&run, &requests, run.origin_ns, u64::MAX),
        phases: phases(&run, &requests),
        onsets: onsets(&run, &ledger, &requests),
        spikes: spikes.into_iter().map(tell).collect(),
        spikes_untold: (untold.len() as u64, untold_ns),
        worst: worst(&run, requests.iter(), WORST_OF_RUN),
        stalled: stalled(&run, &ledger),
        crosscheck: crosscheck(&run),
        accounting: accounting(&run),
        around: around(&run),
        cluster: cluster(&run),
        commands: commands(&run),
        ledger,
        run,
    })
}

fn commands(run: &Run) -> BTreeMap<String, OpCounts> {
    let mut sums: BTreeMap<String, OpCounts> = BTreeMap::new();
    for (name, counts) in run.measured_slices().flat_map(|slice| &slice.interval.ops) {
        let sum = sums.entry(name.clone()).or_default();
        sum.ok += counts.ok;
        sum.hits += counts.hits;
        sum.misses += counts.misses;
        sum.errors += counts.errors;
    }
    sums
}

fn latency(run: &Run) -> Latency {
    let sum = |which| merged(run.counted_slices(), which);
    let of = |which| Percentiles::of(&sum(which));
    let unanswered = sum(Distribution::Unanswered);
    Latency {
        response: Percentiles::with_unanswered(&sum(Distribution::Response), &unanswered),
        service: of(Distribution::Service),
        schedule_lag: of(Distribution::Lag),
        own_lag: of(Distribution::OwnLag),
    }
}

fn traffic(run: &Run) -> Traffic {
    let mut sum = Traffic::default();
    let (mut due, mut length_ns) = (0, 0);
    for span in run.measured_spans() {
        length_ns += span.end_ns - span.start_ns;
    }
    for slice in run.measured_slices() {
        let interval = &slice.interval;
        due += interval.due;
        sum.answered += interval.answered;
        sum.slow += interval.slow_count;
        for counts in interval.ops.values() {
            sum.hits += counts.hits;
            sum.misses += counts.misses;
            sum.errors += counts.errors;
        }
    }
    sum.seconds = length_ns as f64 / 1e9;
    if sum.seconds > 0.0 {
        sum.ops_per_sec = sum.answered as f64 / sum.seconds;
        sum.due_per_sec = due as f64 / sum.seconds;
    }
    sum
}

/// All slow requests that came due between two instants, those without a record included.
fn total(run: &Run, requests: &[Request], from_ns: u64, to_ns: u64) -> Attribution {
    let mut tally = Tally::default();
    let within = |at_ns: u64| (from_ns..to_ns).contains(&at_ns);
    for request in requests.iter().filter(|request| within(request.op.due_ns)) {
        tally.add(request);
    }
    let silent = run.measured_slices().filter(|slice| within(slice.middle_ns()));
    for slice in silent.filter(|slice| slice.interval.slow_count > 0) {
        let (start_ns, end_ns) = (slice.interval.start_ns, slice.interval.end_ns);
        let first = run.slow_ops.partition_point(|(_, op)| op.done_ns < start_ns);
        let mut records = run.slow_ops[first..].iter().take_while(|(_, op)| op.done_ns <= end_ns);
        if !records.any(|(source, _)| *source == slice.source) {
            tally.add_unsampled(slice.interval.slow_count, slice.interval.slow_sum_ns);
        }
    }
    tally.attribution()
}

fn phases(run: &Run, requests: &[Request]) -> Vec<PhaseReport> {
    let labelled = run.measured_spans().filter(|span| !span.label.is_empty());
    labelled
        .map(|span| {
            let within = |at_ns: u64| (span.start_ns..span.end_ns).contains(&at_ns);
            let slices = run.slices.iter().filter(|slice| within(slice.middle_ns()));
            let attribution = total(run, requests, span.start_ns, span.end_ns);
            PhaseReport {
                response: Percentiles::of(&merged(slices, Distribution::Response)),
                labels: labels(run, &attribution, span.start_ns, span.end_ns),
                attribution,
                span: span.clone(),
            }
        })
        .collect()
}

fn labels(run: &Run, attribution: &Attribution, from_ns: u64, to_ns: u64) -> Vec<String> {
    let shares = attribution.shares.iter();
    shares.map(|share| evidence::label(run, share.cause, from_ns, to_ns)).collect()
}

fn tell(run: &Run, ledger: &Ledger, requests: &[Request], spike: Spike) -> SpikeReport {
    let (from_ns, to_ns) = (spike.start_ns, spike.end_ns);
    let members = spike.requests.iter().map(|index| &requests[*index]);
    let mut stalled: Vec<(Cause, u64)> = CLASSES
        .into_iter()
        .map(Cause::Stall)
        .zip(ledger.within(from_ns, to_ns))
        .filter(|(_, busy_ns)| *busy_ns > 0)
        .collect();
    stalled.sort_by_key(|(_, busy_ns)| std::cmp::Reverse(*busy_ns));
    SpikeReport {
        labels: labels(run, &spike.attribution, from_ns, to_ns),
        chaos: evidence::chaos_in(run, from_ns, to_ns).map(|chaos| chaos.action.clone()).collect(),
        stalled,
        worst: worst(run, members, WORST_OF_SPIKE),
        spike,
    }
}

fn worst<'a>(
    run: &Run,
    requests: impl Iterator<Item = &'a Request>,
    how_many: usize,
) -> Vec<Story> {
    let mut requests: Vec<&Request> = requests.collect();
    requests.sort_by_key(|request| std::cmp::Reverse((request.delay_ns(), request.op.due_ns)));
    requests.truncate(how_many);
    requests.into_iter().map(|request| story(run, request)).collect()
}

fn story(run: &Run, request: &Request) -> Story {
    let op = &request.op;
    let part = |(cause, direct_ns, inherited_ns)| StoryPart {
        cause,
        label: evidence::label(run, cause, op.due_ns, op.done_ns),
        direct_ns,
        inherited_ns,
    };
    Story {
        due_axis_ns: run.axis_ns(op.due_ns),
        delay_ns: request.delay_ns(),
        parts: request.split.parts().into_iter().map(part).collect(),
        op: op.clone(),
    }
}

fn stalled(run: &Run, ledger: &Ledger) -> Vec<Stalled> {
    let main_ns = |class: StallClass| -> u64 {
        let index = crate::cause::rank(class);
        run.measured_spans().map(|span| ledger.within(span.start_ns, span.end_ns)[index]).sum()
    };
    let mut all: Vec<Stalled> = CLASSES
        .into_iter()
        .map(|class| {
            let stalls = run.stalls.iter().filter(|stall| {
                stall.class == class && run.measured(stall.start_ns.midpoint(stall.end_ns))
            });
            let mut sum = Stalled {
                cause: Cause::Stall(class),
                main_ns: main_ns(class),
                count: 0,
                longest_ns: 0,
                background_ns: 0,
            };
            for stall in stalls {
                match stall.thread {
                    ThreadRole::Main => {
                        sum.count += stall.count;
                        let single = stall.count <= 1;
                        sum.longest_ns = sum.longest_ns.max(if single { stall.busy_ns } else { 0 });
                    }
                    ThreadRole::Background | ThreadRole::Child => {
                        sum.background_ns += stall.busy_ns
                    }
                }
            }
            sum
        })
        .filter(|sum| sum.main_ns + sum.background_ns + sum.count > 0)
        .collect();
    all.sort_by_key(|sum| std::cmp::Reverse((sum.main_ns, sum.background_ns)));
    all
}
