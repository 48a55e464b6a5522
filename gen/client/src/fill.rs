//! Filling a server, finding where an earlier fill broke off, and proof that it is full: DBSIZE
//! before and after, and a sample of keys whose values are read back and compared.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Serialize;
use stallion_timeline::Role;

use crate::control::callers::Callers;
use crate::control::preflight::{Caller, StartError};
use crate::plan::{Plan, Rate, Work};
use crate::record::Progress;
use crate::run::{Finished, Outputs, RunError, run};
use stallion_engine::mitigation::MitigationKind;
use stallion_engine::mitigation::key_split::COPY_STEP;
use stallion_resp::command::Commands;
use stallion_resp::encoder::key_text;
use stallion_resp::tree::Tree;
use stallion_resp::units::KeyId;

/// Keys that are read back.
const SAMPLE: u64 = 1_000;

/// Keys that are looked for at one place: those with a time to live may be gone again.
const NEIGHBOURS: u64 = 16;

/// What a fill came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Filled {
    /// Keys that were to be there.
    pub keys: u64,
    /// Of these, those that were there already and were left alone (`--resume`).
    pub found: u64,
    /// Writes that were answered with OK.
    pub written: u64,
    /// DBSIZE before; none where a proxy does not know it.
    pub dbsize_before: Option<u64>,
    /// DBSIZE after.
    pub dbsize_after: Option<u64>,
    /// Keys read back.
    pub sampled: u64,
    /// Of these, absent (which those with a time to live may be).
    pub absent: u64,
    /// Of these, with another value than was written.
    pub wrong: u64,
    /// What the server uses, in bytes; none where a proxy does not say.
    pub used_memory_bytes: Option<u64>,
    /// Writes a second.
    pub ops_per_sec: f64,
    /// Seconds.
    pub duration_s: f64,
}

impl Filled {
    /// Whether every key is there; expiring ones may be gone again.
    #[must_use]
    pub fn is_complete(&self, expiring: bool) -> bool {
        let counted = self.dbsize_after.is_none_or(|keys| keys >= self.keys);
        let there = counted && self.absent == 0;
        self.found + self.written >= self.keys && self.wrong == 0 && (expiring || there)
    }
}

/// Fills by `plan` (whose work is [`crate::plan::Work::Fill`]) and checks the result.
///
/// # Errors
/// [`RunError`] when it cannot be started, or the server is gone when the result is checked.
pub fn fill(plan: &Plan, outputs: &mut Outputs<'_>) -> Result<(Filled, Finished), RunError> {
    let encoder_bytes = plan.value_size.longest() + 256;
    plan.check(encoder_bytes)?;
    let dbsize_before = dbsize(plan)?;
    let finished = run(plan, outputs)?;
    let written = finished.summary.accounting.answered;
    let unchecked = |error| RunError::Unchecked { written, error };
    check(plan, dbsize_before, finished).map_err(unchecked)
}

/// Writes the copies of the keys that a plan splits, those that are not there as originals.
///
/// # Errors
/// As [`run`].
pub fn copies(plan: &Plan, stop: &Arc<AtomicBool>) -> Result<(), RunError> {
    let Some(MitigationKind::KeySplit { hot, copies }) = plan.mitigation else { return Ok(()) };
    for copy in 1..copies {
        let from = copy * COPY_STEP;
        let filling = Plan {
            work: Work::Fill { from },
            commands: Commands::reads_and_writes(0, 1),
            keys: from + hot,
            rate: Rate::Max,
            mitigation: None,
            warmup_ns: 0,
            ..plan.clone()
        };
        let mut silent = |_: &Progress| {};
        let mut outputs = Outputs {
            timeline: None,
            role: Role::Load,
            progress: &mut silent,
            stop: Arc::clone(stop),
        };
        run(&filling, &mut outputs)?;
    }
    Ok(())
}

fn check(
    plan: &Plan,
    dbsize_before: Option<u64>,
    finished: Finished,
) -> Result<(Filled, Finished), StartError> {
    // The first connection may have been idle for an hour.
    let mut callers = Callers::connect(plan)?;
    let (sampled, absent, wrong) = check_sample(plan, &mut callers)?;
    let used = |caller: &mut Caller| {
        let info = caller.info()?;
        Ok(info.get("used_memory").and_then(|bytes| bytes.parse().ok()))
    };
    let used_memory_bytes = sum(callers, used)?;
    let summary = &finished.summary;
    let filled = Filled {
        keys: plan.keys,
        found: first_key(plan),
        written: summary.accounting.answered,
        dbsize_before,
        dbsize_after: dbsize(plan)?,
        sampled,
        absent,
        wrong,
        used_memory_bytes,
        ops_per_sec: summary.ops_per_sec,
        duration_s: summary.duration_s,
    };
    Ok((filled, finished))
}

const fn first_key(plan: &Plan) -> u64 {
    match plan.work {
        Work::Fill { from } => from,
        Work::Traffic { .. } | Work::Replay => 0,
    }
}

/// Where an earlier fill with the same keys broke off: before it every key was written. Keys are
/// written in the order of their numbers, so that halving finds the border; what could have been
/// in flight there is written again.
///
/// # Errors
/// [`RunError`] when the server cannot be asked.
pub fn resume_point(plan: &Plan) -> Result<u64, RunError> {
    let mut callers = Callers::connect(plan)?;
    let (mut present, mut absent) = (0, plan.keys);
    while present < absent {
        let middle = u64::midpoint(present, absent);
        if any_exists(plan, &mut callers, middle)? {
            present = middle + 1;
        } else {
            absent = middle;
        }
    }
    let in_flight = (plan.conns * plan.pipeline * plan.workers()) as u64;
    Ok(present.saturating_sub(in_flight + NEIGHBOURS))
}

/// Whether one of the keys from `first` on exists. They are asked one by one: in a cluster each has
/// a place of its own.
fn any_exists(plan: &Plan, callers: &mut Callers, first: u64) -> Result<bool, StartError> {
    for key in (first..plan.keys.min(first + NEIGHBOURS)).map(KeyId) {
        let name = key_text(&plan.key_prefix, key);
        let reply = callers.ask(plan, &name, &[b"EXISTS", name.as_bytes()])?;
        if reply.integer().is_some_and(|count| count > 0) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Keys of the server, or of all primaries of the cluster.
fn dbsize(plan: &Plan) -> Result<Option<u64>, StartError> {
    sum(Callers::connect(plan)?, |caller| {
        let size = caller.ask(&[b"DBSIZE"])?.integer();
        Ok(size.and_then(|size| u64::try_from(size).ok()))
    })
}

/// A number that all servers have, summed up; none when one does not know it. Proxies say that they do
/// not, or hang up.
fn sum(
    mut callers: Callers,
    number: impl Fn(&mut Caller) -> Result<Option<u64>, StartError>,
) -> Result<Option<u64>, StartError> {
    let mut sum = 0;
    for caller in callers.each() {
        match number(caller) {
            Ok(Some(one)) => sum += one,
            Ok(None) | Err(StartError::Silent { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(sum))
}

fn check_sample(plan: &Plan, callers: &mut Callers) -> Result<(u64, u64, u64), StartError> {
    let values = plan.values();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(plan.seed ^ 0x5a4d);
    // Large values are sampled more thinly: at most 64 MiB in all, but never no key.
    let count =
        SAMPLE.min((64 << 20) / (plan.value_size.longest() as u64).max(1)).clamp(1, plan.keys);
    let (mut absent, mut wrong) = (0, 0);
    for _ in 0..count {
        let key = KeyId(random.random_range(0..plan.keys));
        let name = key_text(&plan.key_prefix, key);
        match callers.ask(plan, &name, &[b"GET", name.as_bytes()])? {
            Tree::Text(value)
                if value.len() == values.size_of(key) && values.matches(key, 0, &value) => {}
            Tree::Null => absent += 1,
            _ => wrong += 1,
        }
    }
    Ok((count, absent, wrong))
}
