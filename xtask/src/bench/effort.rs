//! How much time a benchmark takes.

/// Repetitions and lengths.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    /// Runs of each of the things that are compared.
    pub(super) rounds: usize,
    /// Length of a run.
    pub(super) seconds: u64,
    /// Length of the run in which what was sent is counted against the schedule.
    pub(super) counted_seconds: u64,
    /// Whether the figures are good enough to be written down.
    pub(super) publish: bool,
}

/// What a figure takes that others may rely on.
pub(super) const FULL: Effort =
    Effort { rounds: 5, seconds: 2, counted_seconds: 60, publish: true };

/// Only to see that everything runs; the figures are printed and not kept.
pub(super) const QUICK: Effort =
    Effort { rounds: 1, seconds: 1, counted_seconds: 2, publish: false };
