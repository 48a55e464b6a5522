//! What each disturbance did right after it began, also when it was too small for a spike.

use serde::Serialize;
use stallion_timeline::Chaos;

use crate::attribute::{Attribution, Request, Tally};
use crate::evidence;
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
    /// The slowest request that it met, due to done.
    pub slowest_ns: u64,
    /// Where the time of the slow requests that it met went.
    pub attribution: Attribution,
    /// The causes' names, as in `attribution.shares`.
    pub labels: Vec<String>,
}

/// The onsets of all disturbances within what was measured, in their order.
#[must_use]
pub fn onsets(run: &Run, requests: &[Request]) -> Vec<Onset> {
    let measured = run.chaos.iter().filter(|chaos| run.measured(chaos.begin_ns));
    let mut all: Vec<Onset> = measured.map(|chaos| onset(run, requests, chaos)).collect();
    all.sort_by_key(|onset| onset.begin_ns);
    all
}

fn onset(run: &Run, requests: &[Request], chaos: &Chaos) -> Onset {
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
        slowest_ns,
        attribution,
        labels,
    }
}
