//! When the server answered nothing, and what was never answered.

use stallion_timeline::silence::{Look, Silence, SilenceKind, Silences};

use crate::run::{Distribution, Run, merged};
use crate::words;

/// The stretches without an answer, in the order of time.
#[must_use]
pub fn silences(run: &Run) -> Vec<Silence> {
    let mut silences = Silences::default();
    for slice in &run.slices {
        silences.add(&Look::of(&slice.interval));
    }
    silences.finish()
}

/// Requests of the measured time that never got an answer.
#[must_use]
pub fn unanswered(run: &Run) -> u64 {
    merged(run.counted_slices(), Distribution::Unanswered).len()
}

/// `No answer from 4.000 s for 2.00 s: the server …; 4 000 requests were due meanwhile`.
#[must_use]
pub fn sentence(run: &Run, silence: &Silence) -> String {
    let from = words::at(run.axis_ns(silence.start_ns));
    let length = words::duration(silence.end_ns - silence.start_ns);
    let until = match silence.recovered {
        true => format!("for {length}"),
        false => format!("until the end of the run, {length} later"),
    };
    let how = match silence.kind {
        SilenceKind::Refused => "the server broke its connections and refused new ones",
        SilenceKind::Reset => "the server broke its connections",
        SilenceKind::Loading => "the server was loading its data set",
        SilenceKind::Errors => "the server answered with errors only",
        SilenceKind::Silent => "connections stayed open and nothing came",
    };
    let due = words::plural(silence.due, "request");
    let were = if silence.due == 1 { "was" } else { "were" };
    format!("No answer from {from} {until}: {how}; {due} {were} due meanwhile")
}

/// What percentiles say of the requests that have no answer; empty when all have one.
#[must_use]
pub fn about_unanswered(run: &Run) -> String {
    match unanswered(run) {
        0 => String::new(),
        count => format!(
            "{} never got an answer. They count with what they had waited, so the percentiles marked \
             with ≥ are lower bounds.",
            words::plural(count, "request")
        ),
    }
}
