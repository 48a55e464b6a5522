//! Replay: requests as they were recorded, each once, in their order.

use std::sync::Arc;

use stallion_resp::op::Op;
use stallion_resp::trace::Trace;
use stallion_resp::units::KeyId;

/// One worker's part of a trace: every `step`-th request.
#[derive(Debug, Clone)]
pub struct Replay {
    trace: Arc<Trace>,
    next: usize,
    step: usize,
}

impl Replay {
    /// The part of worker `worker` of `workers`.
    #[must_use]
    pub const fn new(trace: Arc<Trace>, worker: u64, workers: u64) -> Self {
        Self { trace, next: worker as usize, step: workers as usize }
    }

    #[inline]
    pub(super) fn draw(&mut self) -> Option<Op> {
        let record = self.trace.records.get(self.next)?;
        let op = Op { command: record.command, key: KeyId(self.next as u64), ..Op::default() };
        self.next += self.step;
        Some(op)
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.next >= self.trace.len()
    }
}
