//! Recorded requests, as bytes to be sent again.

use std::sync::Arc;

use crate::command::Commands;
use crate::units::{CommandId, KeyId};

/// Recorded requests, as bytes to be sent.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    /// The requests one after the other, each without the value that it has a hole for.
    pub bytes: Vec<u8>,
    /// Where each of them lies.
    pub records: Vec<Record>,
    /// When each came, in nanoseconds from the first; ascending.
    pub times_ns: Vec<u64>,
}

/// One recorded request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Its first byte.
    pub start: u64,
    /// Bytes that are kept of it.
    pub length: u32,
    /// Where among them the hole is.
    pub hole_at: u32,
    /// Bytes of the value that fills it.
    pub hole_bytes: u32,
    /// Its command.
    pub command: CommandId,
}

impl Trace {
    /// How many requests there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes of the longest request.
    #[must_use]
    pub fn longest(&self) -> usize {
        let bytes = |record: &Record| record.length as usize + record.hole_bytes as usize;
        self.records.iter().map(bytes).max().unwrap_or(0)
    }

    /// A request's bytes before its hole, the length of that, and its bytes behind it.
    #[must_use]
    #[inline]
    pub fn request(&self, number: KeyId) -> (&[u8], usize, &[u8]) {
        let record = &self.records[number.0 as usize];
        let start = record.start as usize;
        let (front, back) =
            self.bytes[start..start + record.length as usize].split_at(record.hole_at as usize);
        (front, record.hole_bytes as usize, back)
    }
}

/// What a run replays, and at what pace.
#[derive(Debug, Clone)]
pub struct Played {
    /// The requests.
    pub trace: Arc<Trace>,
    /// The commands that are among them.
    pub commands: Commands,
    /// How many times as fast as they were recorded.
    pub speed: f64,
}

impl Played {
    /// When each request is due: at its own time, or `rate` a second.
    #[must_use]
    pub fn times_ns(&self, rate: Option<u64>) -> Arc<[u64]> {
        match rate {
            Some(rate) => {
                let at = |index: usize| index as u128 * 1_000_000_000 / u128::from(rate.max(1));
                (0..self.trace.len()).map(|index| at(index) as u64).collect()
            }
            None => self.trace.times_ns.iter().map(|ns| (*ns as f64 / self.speed) as u64).collect(),
        }
    }
}
