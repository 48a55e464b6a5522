//! A stall made on purpose, and for how long.

use super::Random;
use super::stage::{Disturbance, Stage};

/// A kind of stall.
#[derive(Clone, Copy)]
pub(super) struct Inducer {
    /// Its name in the matrix.
    pub(super) name: &'static str,
    /// The causes that are right; the first is the one that it is made for.
    pub(super) expected: &'static [&'static str],
    /// Who says how long it was.
    pub(super) truth: &'static str,
    pub(super) act: fn(&mut Stage, &mut Random) -> anyhow::Result<Induced>,
}

/// What was induced.
#[derive(Debug, Clone, Copy)]
pub(super) struct Induced {
    pub(super) begin_ns: u64,
    pub(super) end_ns: u64,
    /// Time for which the main thread could not go on.
    pub(super) truth_ns: u64,
}

impl Induced {
    /// As the report is told of it.
    pub(super) const fn told(&self, inducer: &Inducer) -> Disturbance {
        Disturbance { name: inducer.name, begin_ns: self.begin_ns, end_ns: self.end_ns }
    }

    pub(super) const fn span(&self) -> (u64, u64) {
        (self.begin_ns, self.end_ns)
    }

    pub(super) fn truth_ms(&self) -> f64 {
        self.truth_ns as f64 / 1e6
    }
}

/// CLOCK_MONOTONIC, the clock of timelines.
pub(super) fn now_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// Does something and notes when it began and ended; `truth_ns` is asked for afterwards.
pub(super) fn timed(
    act: impl FnOnce() -> anyhow::Result<()>,
    truth_ns: impl FnOnce() -> anyhow::Result<u64>,
) -> anyhow::Result<Induced> {
    let begin_ns = now_ns();
    act()?;
    let end_ns = now_ns();
    Ok(Induced { begin_ns, end_ns, truth_ns: truth_ns()? })
}

/// A command whose time SLOWLOG knows.
pub(super) fn command(stage: &Stage, words: &[&str]) -> anyhow::Result<Induced> {
    let (mut redis, mut other) = (stage.redis()?, stage.redis()?);
    timed(|| redis.ask(words).map(drop), || other.slowest_ns())
}
