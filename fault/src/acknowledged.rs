//! A client that knows which of its writes were acknowledged and when, and looks afterwards which of
//! them are there.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redis::{Connection, Pipeline, RedisResult, Value};

use crate::error::FaultError;

/// Writes of one batch, and how often one goes out: 10 000 writes a second.
const AT_ONCE: u64 = 20;
const EVERY: Duration = Duration::from_millis(2);
/// Keys of one command when they are filled, read and removed.
const MANY: u64 = 500;
/// A step that meets every key before it meets one again, and no neighbour.
const STEP: u64 = 7_919;
const VALUE_BYTES: usize = 1_000;
/// What stands in a key that was only filled.
const FILLED: &str = "filled";

/// Writes by their numbers: of two one updates one of `keys` keys, the other adds a key.
#[derive(Debug)]
pub(crate) struct Acknowledged {
    keys: u64,
    /// All writes below have an answer.
    answered: u64,
    /// Those whose answer was an error.
    refused: BTreeSet<u64>,
    /// When all below a number were answered.
    times: Vec<(u64, Instant)>,
}

/// What is left of the acknowledged writes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Left {
    /// Writes that were acknowledged, and are not there.
    pub(crate) lost: u64,
    /// All that were acknowledged, the filling left out.
    pub(crate) acknowledged: u64,
    /// All that were answered by an error.
    pub(crate) refused: u64,
    /// Keys that were filled, and are not there.
    pub(crate) lost_keys: u64,
    /// From the acknowledgement of the last write that is there to that of the very last; of all when
    /// none is there.
    pub(crate) window: Duration,
}

impl Acknowledged {
    /// Fills the keys that are to be updated.
    pub(crate) fn fill(connection: &mut Connection, keys: u64) -> Result<Self, FaultError> {
        for first in (0..keys).step_by(MANY as usize) {
            let mut batch = Pipeline::new();
            for number in first..(first + MANY).min(keys) {
                batch.cmd("SET").arg(filled(number)).arg(value(FILLED)).ignore();
            }
            batch.query::<()>(connection)?;
        }
        Ok(Self { keys, answered: 0, refused: BTreeSet::new(), times: Vec::new() })
    }

    /// Writes until it is over, or until the server is gone.
    pub(crate) fn write(&mut self, connection: &mut Connection, over: &AtomicBool) {
        let start = Instant::now();
        self.times.push((0, start));
        let mut due = Duration::ZERO;
        while !over.load(Ordering::Relaxed) {
            let mut batch = Pipeline::new();
            batch.ignore_errors();
            for number in self.answered..self.answered + AT_ONCE {
                batch.cmd("SET").arg(self.key(number)).arg(value(&number.to_string()));
            }
            // Without an answer nobody knows, and nothing was promised.
            let Ok(answers) = batch.query::<Vec<RedisResult<Value>>>(connection) else { break };
            for (number, answer) in (self.answered..).zip(answers) {
                if answer.is_err() {
                    self.refused.insert(number);
                }
            }
            self.answered += AT_ONCE;
            self.times.push((self.answered, Instant::now()));
            due += EVERY;
            thread::sleep(due.saturating_sub(start.elapsed()));
        }
    }

    fn key(&self, number: u64) -> String {
        let half = number / 2;
        match number % 2 {
            0 => filled(half.wrapping_mul(STEP) % self.keys),
            _ => format!("stallion:guard:new:{half}"),
        }
    }

    /// When the last answer came.
    pub(crate) fn last(&self) -> Option<Instant> {
        self.times.last().map(|(_, at)| *at)
    }

    /// How long the longest wait between two answers was.
    pub(crate) fn longest_wait(&self) -> Duration {
        let pairs = self.times.windows(2).map(|pair| pair[1].1.duration_since(pair[0].1));
        pairs.max().unwrap_or_default()
    }

    /// Looks which writes are there.
    pub(crate) fn look(&self, connection: &mut Connection) -> Result<Left, FaultError> {
        let names = |first: u64, name: &dyn Fn(u64) -> String, end: u64| -> Vec<String> {
            (first..(first + MANY).min(end)).map(name).collect()
        };
        let mut stored: Vec<Option<u64>> = Vec::new();
        let mut lost_keys = 0;
        for first in (0..self.keys).step_by(MANY as usize) {
            let values: Vec<Option<String>> =
                redis::cmd("MGET").arg(names(first, &filled, self.keys)).query(connection)?;
            lost_keys += values.iter().filter(|value| value.is_none()).count() as u64;
            stored.extend(values.into_iter().map(|value| number_of(&value?)));
        }
        let mut added: Vec<bool> = Vec::new();
        let halves = self.answered / 2;
        for first in (0..halves).step_by(MANY as usize) {
            let name = |half: u64| format!("stallion:guard:new:{half}");
            let values: Vec<Option<String>> =
                redis::cmd("MGET").arg(names(first, &name, halves)).query(connection)?;
            added.extend(values.iter().map(Option::is_some));
        }
        let is_there = |number: u64| match number % 2 {
            0 => {
                let place = (number / 2).wrapping_mul(STEP) % self.keys;
                stored[place as usize].is_some_and(|newest| newest >= number)
            }
            _ => added[(number / 2) as usize],
        };
        let accepted = (0..self.answered).filter(|number| !self.refused.contains(number));
        let lost = accepted.clone().filter(|number| !is_there(*number)).count() as u64;
        // The last that is there itself: an update that a later one covered says nothing.
        let newest = accepted.clone().filter(|number| is_there(*number)).max();
        Ok(Left {
            lost,
            acknowledged: accepted.count() as u64,
            refused: self.refused.len() as u64,
            lost_keys,
            window: if lost == 0 { Duration::ZERO } else { self.since(newest) },
        })
    }

    /// From the answer to a write to the last answer.
    fn since(&self, number: Option<u64>) -> Duration {
        let Some(last) = self.last() else { return Duration::ZERO };
        let at = match number {
            Some(number) => self.times.iter().find(|(below, _)| *below > number),
            None => self.times.first(),
        };
        at.map_or(Duration::ZERO, |(_, at)| last.duration_since(*at))
    }

    /// Removes every key of any such client: also those of a batch that had no answer, and of a filling
    /// that broke off.
    pub(crate) fn sweep(connection: &mut Connection) -> Result<(), FaultError> {
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg("stallion:guard:*").arg("COUNT").arg(MANY);
            let (next, keys): (u64, Vec<Vec<u8>>) = scan.query(connection)?;
            if !keys.is_empty() {
                redis::cmd("UNLINK").arg(keys).query::<()>(connection)?;
            }
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }
}

fn filled(number: u64) -> String {
    format!("stallion:guard:key:{number}")
}

fn value(head: &str) -> String {
    format!("{head}:{:x<width$}", "", width = VALUE_BYTES - head.len() - 1)
}

fn number_of(value: &str) -> Option<u64> {
    value.split(':').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_go_round_all_keys_and_carry_their_number() {
        let client =
            Acknowledged { keys: 10, answered: 40, refused: BTreeSet::new(), times: Vec::new() };
        let mut all: Vec<String> = (0..20).step_by(2).map(|number| client.key(number)).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 10);
        assert_eq!(client.key(21), "stallion:guard:new:10");
        let text = value("17");
        assert_eq!((text.len(), number_of(&text)), (VALUE_BYTES, Some(17)));
        assert_eq!(number_of(&value(FILLED)), None);
    }
}
