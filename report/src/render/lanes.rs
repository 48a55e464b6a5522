//! Stalls as bars on the time axis, bounded in number.

use stallion_timeline::{Stall, StallClass, ThreadRole};

use crate::cause::{CLASSES, Cause};
use crate::run::Run;

/// Stalls of one lane that are nearer than this part of the axis are drawn as one bar: a screen
/// does not show more, and the page stays small however long the run is.
pub const RESOLUTION: u64 = 2_000;

/// How strongly a bar is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// The main thread, stalled for at least half of the bar.
    Strong,
    /// The main thread, many small stalls with time between them.
    Thin,
    /// Another thread: context.
    Background,
}

/// One bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    /// Its start.
    pub start_ns: u64,
    /// Its end.
    pub end_ns: u64,
    /// Stalled time within.
    pub busy_ns: u64,
    /// Stalls within.
    pub count: u64,
    /// What the first of them was about.
    pub what: String,
    /// How strongly it is drawn.
    pub weight: Weight,
}

/// All bars of one class.
#[derive(Debug, Clone)]
pub struct Lane {
    /// The class.
    pub cause: Cause,
    /// Its bars.
    pub bars: Vec<Bar>,
    /// Stalls that were drawn together with another one.
    pub merged: usize,
}

/// One lane for each class that has stalls, in the order of precedence.
#[must_use]
pub fn lanes(run: &Run) -> Vec<Lane> {
    let span_ns = run.end_ns.saturating_sub(first_ns(run)).max(1);
    let gap_ns = span_ns / RESOLUTION;
    CLASSES
        .into_iter()
        .filter_map(|class| {
            let lane = lane(run, class, gap_ns);
            (!lane.bars.is_empty()).then_some(lane)
        })
        .collect()
}

/// The left end of the axis.
#[must_use]
pub fn first_ns(run: &Run) -> u64 {
    run.phases.first().map_or(run.origin_ns, |phase| phase.start_ns.min(run.origin_ns))
}

fn lane(run: &Run, class: StallClass, gap_ns: u64) -> Lane {
    let mut lane = Lane { cause: Cause::Stall(class), bars: Vec::new(), merged: 0 };
    for weight in [Weight::Background, Weight::Thin, Weight::Strong] {
        let mut bars: Vec<Bar> = Vec::new();
        for stall in
            run.stalls.iter().filter(|stall| stall.class == class && weight_of(stall) == weight)
        {
            match bars.last_mut() {
                Some(last) if stall.start_ns <= last.end_ns + gap_ns => {
                    last.end_ns = last.end_ns.max(stall.end_ns);
                    last.busy_ns += stall.busy_ns;
                    last.count += stall.count;
                    lane.merged += 1;
                }
                _ => bars.push(Bar {
                    start_ns: stall.start_ns,
                    end_ns: stall.end_ns,
                    busy_ns: stall.busy_ns,
                    count: stall.count,
                    what: stall.what.clone(),
                    weight,
                }),
            }
        }
        lane.bars.append(&mut bars);
    }
    lane
}

fn weight_of(stall: &Stall) -> Weight {
    let dense = stall.busy_ns * 2 >= stall.end_ns.saturating_sub(stall.start_ns);
    match stall.thread {
        ThreadRole::Main if dense => Weight::Strong,
        ThreadRole::Main => Weight::Thin,
        ThreadRole::Background | ThreadRole::Child => Weight::Background,
    }
}
