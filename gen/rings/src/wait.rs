//! By which means a worker talks to the kernel, and how it waits.

use stallion_engine::units::Nanos;

/// By which means of the kernel a worker talks to its server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Io {
    /// io_uring, with the best that the kernel has of it.
    #[default]
    Uring,
    /// epoll, read and write.
    Epoll,
}

/// How a worker waits when there is nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitPolicy {
    /// Sleep until something happens: least CPU, wake-up latency in the schedule lag.
    Block,
    /// Sleep until shortly before the next request is due, then spin.
    Adaptive,
    /// Never sleep: least lag, one whole core.
    Spin,
}

/// Before the next request is due, `adaptive` stops sleeping this early: the timer's own lateness
/// (median 12 us here with a slack of 1 ns, `uring.md`) and a wake-up fit in.
const ADAPTIVE_SPIN_NS: u64 = 30_000;

impl WaitPolicy {
    /// How long to sleep from `now` on when nothing is to be done before `until`.
    #[must_use]
    pub const fn sleep_ns(self, now: Nanos, until: Nanos) -> u64 {
        match self {
            Self::Block => until.since(now),
            Self::Adaptive => until.since(now).saturating_sub(ADAPTIVE_SPIN_NS),
            Self::Spin => 0,
        }
    }
}
