//! What each disturbance did right after it began, also when it was too small for a spike.

use serde::Serialize;
use stallion_timeline::Chaos;

use crate::attribute::{Attribution, Request, Tally};
use crate::cause::{self, Cause};
use crate::evidence;
use crate::ledger::Ledger;
use crate::run::Run;

/// How long after its begin a request counts as met by a disturbance's onset: long enough for a
/// fork of several gigabytes, short enough that little else falls into it.
const ONSET_NS: u64 = 250_000_000;

/// The onset of one disturbance.
#[derive(Debug, Clone, Serialize)]
pub struct Onset {
    /// The action.
    pub action: String,
    /// When it began.
    #[serde(skip)]
    pub begin_ns: u64,
    /// When it ended.
    #[serde(skip)]
    pub end_ns: u64,
    /// Stalled time of the main thread from its begin to its end, by cause; only causes with any.
    pub stalled_ns: Vec<(Cause, u64)>,
    /// The slowest request that it met, due to done.
    pub slowest_ns: u64,
    /// Where the time of the slow requests that it met went.
    pub attribution: Attribution,
    /// The causes' names, as in `attribution.shares`.
    pub labels: Vec<String>,
}

/// The onsets of all disturbances within what was measured, in their order.
#[must_use]
pub fn onsets(run: &Run, ledger: &Ledger, requests: &[Request]) -> Vec<Onset> {
    let measured = run.chaos.iter().filter(|chaos| run.measured(chaos.begin_ns));
    let mut all: Vec<Onset> = measured.map(|chaos| onset(run, ledger, requests, chaos)).collect();
    all.sort_by_key(|onset| onset.begin_ns);
    all
}

fn onset(run: &Run, ledger: &Ledger, requests: &[Request], chaos: &Chaos) -> Onset {
    let until_ns = chaos.begin_ns + ONSET_NS;
    let mut tally = Tally::default();
    let mut slowest_ns = 0;
    for request in requests {
        if request.op.due_ns <= until_ns && request.op.done_ns >= chaos.begin_ns {
            tally.add(request);
            slowest_ns = slowest_ns.max(request.op.done_ns - request.op.due_ns);
        }
    }
    let attribution = tally.attribution();
    let causes = attribution.shares.iter();
    let labels =
        causes.map(|share| evidence::label(run, share.cause, chaos.begin_ns, until_ns)).collect();
    Onset {
        action: chaos.action.clone(),
        begin_ns: chaos.begin_ns,
        end_ns: chaos.end_ns,
        stalled_ns: ledger
            .within(chaos.begin_ns, chaos.end_ns)
            .into_iter()
            .enumerate()
            .filter(|(_, busy_ns)| *busy_ns > 0)
            .map(|(place, busy_ns)| (cause::at(place), busy_ns))
            .collect(),
        slowest_ns,
        attribution,
        labels,
    }
}
