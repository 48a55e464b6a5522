//! Stretches in which a server answered nothing though something was asked of it.
//!
//! The intervals of a run are enough to see them: requests are due or wait, and no answer comes. How it
//! showed (refused, reset, no answer at all) is told by what failed meanwhile.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::Interval;

/// A shorter stretch is a stall, and has its place among the spikes.
pub const SILENT_NS: u64 = 400_000_000;

/// How it showed that a server does not answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SilenceKind {
    /// Connections stayed open, and nothing came.
    #[default]
    Silent,
    /// Connections broke, and new ones were refused.
    Refused,
    /// Connections broke.
    Reset,
    /// It was loading its data set.
    Loading,
    /// It answered with errors only.
    Errors,
}

/// One stretch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Silence {
    /// The last answer came before this.
    pub start_ns: u64,
    /// The first answer came after this, or the run ended.
    pub end_ns: u64,
    /// How it showed.
    pub kind: SilenceKind,
    /// Requests that were due meanwhile.
    pub due: u64,
    /// The server answered again.
    pub recovered: bool,
}

/// A stretch on the axis of its run, as a summary has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SilenceOnAxis {
    /// When it began, from the start of what is measured, in seconds.
    pub at_s: f64,
    /// How long it lasted, in seconds.
    pub duration_s: f64,
    /// The same on the timeline's clock, and how it showed.
    #[serde(flatten)]
    pub silence: Silence,
}

impl SilenceOnAxis {
    /// On the axis of a run that measures from `origin_ns` on.
    #[must_use]
    pub fn of(silence: Silence, origin_ns: u64) -> Self {
        let seconds = |ns: i64| (ns as f64 / 1e6).round() / 1e3;
        Self {
            at_s: seconds(silence.start_ns as i64 - origin_ns as i64),
            duration_s: seconds((silence.end_ns - silence.start_ns) as i64),
            silence,
        }
    }
}

/// What of one interval bears on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Look {
    /// Start of the interval.
    pub start_ns: u64,
    /// Its end.
    pub end_ns: u64,
    /// Requests that were due in it.
    pub due: u64,
    /// Answers without an error.
    pub answered: u64,
    /// Requests without an answer at its end.
    pub waiting: u64,
    /// Connections that were refused or timed out.
    pub refused: u64,
    /// Connections that broke.
    pub reset: u64,
    /// Answers that the data set is being loaded.
    pub loading: u64,
    /// Answers that were errors of any kind.
    pub errors: u64,
}

impl Look {
    /// What an interval of a timeline says.
    #[must_use]
    pub fn of(interval: &Interval) -> Self {
        let errors = |name: &str| interval.errors.get(name).copied().unwrap_or(0);
        let failed = interval.ops.values().map(|op| op.errors).sum();
        Self {
            start_ns: interval.start_ns,
            end_ns: interval.end_ns,
            due: interval.due,
            answered: interval.ops.values().map(|op| op.ok).sum(),
            waiting: interval.in_flight + interval.backlog,
            refused: errors("connect"),
            reset: errors("disconnect"),
            loading: errors("LOADING"),
            errors: failed,
        }
    }
}

/// Finds the stretches, interval by interval.
#[derive(Debug, Clone, Default)]
pub struct Silences {
    found: Vec<Silence>,
    open: Option<(Silence, Look)>,
    /// Connections that broke in the last interval with an answer: the first sign of what follows.
    reset_before: u64,
}

impl Silences {
    /// Takes in the next interval.
    pub fn add(&mut self, look: &Look) {
        if look.answered > 0 {
            self.end(look.start_ns, true);
            self.reset_before = look.reset;
            return;
        }
        if self.open.is_none() && look.waiting + look.due == 0 {
            return;
        }
        let (silence, seen) = self.open.get_or_insert_with(|| {
            let seen = Look { reset: self.reset_before, ..Look::default() };
            (Silence { start_ns: look.start_ns, ..Silence::default() }, seen)
        });
        silence.end_ns = look.end_ns;
        silence.due += look.due;
        seen.refused += look.refused;
        seen.reset += look.reset;
        seen.loading += look.loading;
        seen.errors += look.errors;
    }

    fn end(&mut self, at_ns: u64, recovered: bool) {
        let Some((mut silence, seen)) = self.open.take() else { return };
        silence.end_ns = silence.end_ns.max(at_ns);
        silence.recovered = recovered;
        silence.kind = match seen {
            Look { loading: 1.., .. } => SilenceKind::Loading,
            // Attempts alone may have timed out: a process that is stopped still has a listening socket.
            Look { refused: 1.., reset: 1.., .. } => SilenceKind::Refused,
            Look { reset: 1.., .. } => SilenceKind::Reset,
            Look { errors: 1.., .. } => SilenceKind::Errors,
            _ => SilenceKind::Silent,
        };
        if silence.end_ns - silence.start_ns >= SILENT_NS {
            self.found.push(silence);
        }
    }

    /// The run is over: all stretches, in the order of time.
    #[must_use]
    pub fn finish(mut self) -> Vec<Silence> {
        self.end(0, false);
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(looks: &[(u64, u64, u64)]) -> Vec<Silence> {
        let mut silences = Silences::default();
        for (at, (answered, waiting, refused)) in looks.iter().enumerate() {
            let start_ns = at as u64 * 100_000_000;
            silences.add(&Look {
                start_ns,
                end_ns: start_ns + 100_000_000,
                due: 10,
                answered: *answered,
                waiting: *waiting,
                refused: *refused,
                reset: *refused,
                ..Look::default()
            });
        }
        silences.finish()
    }

    #[test]
    fn a_server_that_stops_for_good_is_silent_until_the_end() {
        let found = run(&[(10, 0, 0), (10, 1, 0), (0, 9, 0), (0, 9, 0), (0, 9, 0), (0, 9, 0)]);
        assert_eq!(found.len(), 1);
        let Silence { start_ns, end_ns, kind, due, recovered } = found[0];
        assert_eq!((start_ns, end_ns, due), (200_000_000, 600_000_000, 40));
        assert!(kind == SilenceKind::Silent && !recovered);
    }

    #[test]
    fn a_restart_is_a_refusal_that_ends() {
        let found = run(&[(9, 0, 0), (0, 5, 3), (0, 5, 3), (0, 5, 3), (0, 5, 3), (20, 0, 0)]);
        assert!(found[0].recovered && found[0].kind == SilenceKind::Refused);
        assert_eq!((found[0].start_ns, found[0].end_ns), (100_000_000, 500_000_000));
    }

    #[test]
    fn a_short_stall_and_an_idle_client_are_none() {
        assert!(run(&[(9, 0, 0), (0, 5, 0), (0, 5, 0), (9, 0, 0)]).is_empty());
        let mut idle = Silences::default();
        for at in 0..100 {
            let start_ns = at * 100_000_000;
            idle.add(&Look { start_ns, end_ns: start_ns + 100_000_000, ..Look::default() });
        }
        assert!(idle.finish().is_empty());
    }
}
