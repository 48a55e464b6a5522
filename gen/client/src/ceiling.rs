//! The highest rate at which a worker meets an objective, and what stops it there.

pub mod search;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use stallion_timeline::Role;

use crate::plan::{Plan, Rate};
use crate::record::Progress;
use crate::run::{Outputs, RunError, run};
use crate::slo::Slo;
use crate::summary::Summary;
use crate::verdict::Bound;
use search::{Search, Stage, Step};
use stallion_engine::measure::steady::Steadiness;

/// A server's main thread this busy is what bounds the rate: above it queues grow without end.
const LOOP_IS_FULL: f64 = 0.90;

/// A ceiling above this share of what fills the event loop is the event loop's: at a utilisation of
/// 0.8 the mean queue before a single server is four requests long (M/M/1), and it grows from there.
const NEAR_FULL: f64 = 0.80;

/// A backlog of more than so many seconds' worth of requests at the end of a step is growing, not
/// fluctuating.
const BACKLOG_S: f64 = 0.02;

/// A median response time that grows to this multiple within a step is not that of a steady state,
const DRIFT: f64 = 2.0;

/// unless it grows by less than this, which a few wake-ups of an idle core explain.
const DRIFT_US: f64 = 100.0;

/// How to search.
#[derive(Debug, Clone, Serialize)]
pub struct Options {
    /// The objective.
    pub slo: Slo,
    /// Where to begin; none for a tenth of what the closed model reaches.
    pub from: Option<u64>,
    /// How near to close in, as a share of the rate.
    pub precision: f64,
    /// How often to repeat around the result.
    pub repeats: usize,
}

/// One rate that was tried.
#[derive(Debug, Clone, Serialize)]
pub struct Tried {
    /// What the search was doing.
    pub stage: Stage,
    /// Requests a second that were asked.
    pub rate: u64,
    /// How it came out.
    pub step: Step,
    /// Why it broke, in words; empty when it met the objective.
    pub reason: String,
    /// Its figures.
    pub summary: Summary,
}

/// What a search came to.
#[derive(Debug, Clone, Serialize)]
pub struct Ceiling {
    /// The objective.
    pub slo: Slo,
    /// What the closed model reaches with the same connections, in requests a second.
    pub closed_ops_per_sec: f64,
    /// The highest rate that meets the objective, in requests a second; none when even the
    /// lowest tried broke it.
    pub ceiling_ops_per_sec: Option<f64>,
    /// Half-width of its 95 % interval.
    pub plus_minus: f64,
    /// What bounds it.
    pub bound: Bound,
    /// The evidence, in words and figures.
    pub evidence: String,
    /// The search itself can be believed: no step was bounded by the client.
    pub valid: bool,
    /// Every rate tried, in order.
    pub steps: Vec<Tried>,
}

/// What is reported while a search lasts.
#[derive(Debug)]
pub enum Event<'a> {
    /// A second of the rate that is being tried, and whether that is one of the open model.
    Second(&'a Progress, bool),
    /// A rate that was tried.
    Tried(&'a Tried),
}

/// Searches. `report` hears of each second, and of each rate as it is done. A search that is interrupted ends with what
/// it knows.
///
/// # Errors
/// [`RunError`] when a step cannot be started.
pub fn find(
    plan: &Plan,
    options: &Options,
    stop: &Arc<AtomicBool>,
    report: &mut dyn FnMut(Event<'_>),
) -> Result<Ceiling, RunError> {
    let closed = one_run(plan, Rate::Max, stop, report)?.0;
    let from = options.from.map_or(closed.ops_per_sec / 10.0, |rate| rate as f64).max(1.0);
    // An open model can be a little above the closed one, whose connections wait in turn.
    let highest = closed.ops_per_sec * 1.25;
    let mut search = Search::new(from, highest, options.precision, options.repeats);
    let mut steps = Vec::new();
    while let Some(asked) = search.next() {
        let Some(step) = try_rate(plan, options, asked, stop, report, &mut steps)? else {
            break;
        };
        search.learn(asked, step);
    }
    Ok(conclude(options, &closed, &search, steps))
}

/// Steps in which the client was starved that are not counted before it is believed to be the limit:
/// somebody else on its core says nothing of the server.
const STARVED_STEPS: usize = 3;

/// Tries one rate: once if that meets the objective, otherwise until two of three agree, since one
/// stall of the host breaks a step of seconds. None when it was interrupted.
fn try_rate(
    plan: &Plan,
    options: &Options,
    (stage, rate): (Stage, f64),
    stop: &Arc<AtomicBool>,
    report: &mut dyn FnMut(Event<'_>),
    steps: &mut Vec<Tried>,
) -> Result<Option<Step>, RunError> {
    let rate = rate.round().max(1.0) as u64;
    let (mut met, mut broken, mut starved) = (0, 0, 0);
    loop {
        let (summary, backlog) = one_run(plan, Rate::Steady(rate), stop, report)?;
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let reason = broken_because(&summary, options, rate, backlog);
        let step = if reason.is_empty() { Step::Met } else { Step::Broken };
        let passed_over = summary.verdict.bound == Bound::Generator && starved < STARVED_STEPS;
        let tried = Tried { stage, rate, step, reason, summary };
        report(Event::Tried(&tried));
        steps.push(tried);
        if passed_over {
            starved += 1;
            continue;
        }
        match step {
            Step::Met => met += 1,
            Step::Broken => broken += 1,
        }
        if broken == 2 {
            return Ok(Some(Step::Broken));
        }
        if met == 2 || broken == 0 {
            return Ok(Some(Step::Met));
        }
    }
}

/// One run with connections of its own, so that no backlog is left over; its summary and the
/// backlog at its end.
fn one_run(
    plan: &Plan,
    rate: Rate,
    stop: &Arc<AtomicBool>,
    report: &mut dyn FnMut(Event<'_>),
) -> Result<(Summary, u64), RunError> {
    let plan = Plan { rate, ..plan.clone() };
    let open = plan.rate != Rate::Max;
    let mut backlog = 0;
    let mut progress = |progress: &Progress| {
        if progress.at_ns <= plan.duration_ns as i64 {
            backlog = progress.merged.backlog;
        }
        report(Event::Second(progress, open));
    };
    let mut outputs = Outputs {
        timeline: None,
        role: Role::Ceiling,
        progress: &mut progress,
        stop: Arc::clone(stop),
    };
    let finished = run(&plan, &mut outputs)?;
    Ok((finished.summary, backlog))
}

fn broken_because(summary: &Summary, options: &Options, rate: u64, backlog: u64) -> String {
    if !summary.verdict.valid {
        return summary.verdict.reasons.join("; ");
    }
    if !options.slo.is_met(&summary.response_us) {
        let found_us = options.slo.measured_us(&summary.response_us);
        return format!("{} was {found_us:.0} us", options.slo);
    }
    let Steadiness { first_p50_us, last_p50_us, .. } = summary.steadiness;
    if summary.steadiness.drift() > DRIFT && last_p50_us - first_p50_us > DRIFT_US {
        return format!(
            "the median grew from {first_p50_us:.0} to {last_p50_us:.0} us within the step: no steady \
             state, the queue was growing"
        );
    }
    if backlog as f64 > rate as f64 * BACKLOG_S {
        return format!("{backlog} requests were waiting at the end: the queue was growing");
    }
    String::new()
}

fn conclude(options: &Options, closed: &Summary, search: &Search, steps: Vec<Tried>) -> Ceiling {
    let found = search.ceiling();
    // Below the ceiling a step was broken by chance, and outvoted.
    let from = found.map_or(0.0, |(rate, _)| rate);
    let broken =
        steps.iter().filter(|tried| tried.step == Step::Broken && tried.rate as f64 >= from);
    let starved = |tried: &&Tried| tried.summary.verdict.bound == Bound::Generator;
    // The lowest rate that broke stands right at the ceiling, and one that the server broke says
    // more than one that was passed over; when none was met, the first that the client broke says
    // why.
    let knee = match broken.clone().find(starved) {
        Some(tried) if found.is_none() => &tried.summary,
        _ => broken
            .min_by_key(|tried| (starved(tried), tried.rate))
            .map_or(closed, |tried| &tried.summary),
    };
    let (bound, evidence) = bound_at(knee, closed, found.map_or(0.0, |(rate, _)| rate));
    Ceiling {
        slo: options.slo.clone(),
        closed_ops_per_sec: closed.ops_per_sec,
        ceiling_ops_per_sec: found.map(|(rate, _)| rate.round()),
        plus_minus: found.map_or(0.0, |(_, half)| half.round()),
        valid: found.is_some() && bound != Bound::Generator,
        bound,
        evidence,
        steps,
    }
}

/// Whether a ceiling lies right below the rate at which the closed model fills the event loop: the
/// queues that break the objective are that loop's.
fn is_near_full(closed: &Summary, ceiling: f64) -> bool {
    closed.server_busy.is_some_and(|busy| busy >= LOOP_IS_FULL)
        && ceiling >= closed.ops_per_sec * NEAR_FULL
}

/// What bounds a ceiling, by the figures of the run that broke and of the closed model.
fn bound_at(knee: &Summary, closed: &Summary, ceiling: f64) -> (Bound, String) {
    let client = format!(
        "the busiest client core was {:.0} % busy and the client's own lateness had a p99 of {:.0} us",
        knee.client.busy_max * 100.0,
        knee.own_lag_us.p99
    );
    if knee.verdict.bound == Bound::Generator {
        return (Bound::Generator, client);
    }
    match knee.server_busy {
        Some(busy) if busy >= LOOP_IS_FULL => {
            let text = format!(
                "event-loop CPU: the server's main thread was {:.0} % busy; {client}",
                busy * 100.0
            );
            (Bound::Server, text)
        }
        Some(busy) if is_near_full(closed, ceiling) => {
            let text = format!(
                "event-loop CPU: the server's main thread was {:.0} % busy at the first rate that broke, \
                 and {:.0} % in the closed model, which is {:.0} % above the ceiling; {client}",
                busy * 100.0,
                closed.server_busy.unwrap_or_default() * 100.0,
                (closed.ops_per_sec / ceiling - 1.0) * 100.0
            );
            (Bound::Server, text)
        }
        Some(busy) => {
            let text = format!(
                "not the event loop's CPU, which was {:.0} % busy: a stall or the number of connections \
                 breaks the objective first (`stallion probe` names stalls); {client}",
                busy * 100.0
            );
            (Bound::Concurrency, text)
        }
        None => (Bound::Unknown, format!("the server does not say how busy it is; {client}")),
    }
}
