//! Stalls as bars on the time axis, bounded in number.

use stallion_timeline::{Stall, StallClass, ThreadRole};

use crate::cause::{CLASSES, Cause};
use crate::run::Run;

/// Stalls of one lane that are nearer than this part of the axis are drawn as one bar: a screen
/// does not show more, and the page stays small however long the run is.
pub const RESOLUTION: u64 = 2_000;

/// Sums of small stalls are drawn by cells of this part of the axis, a little more than a pixel.
const CELLS: u64 = 500;

/// A single stall from here on is drawn by itself: it alone makes a request slow.
const LONG_NS: u64 = 1_000_000;

/// Sums that take less than one in so many of a cell are drawn so that they hardly show.
const THIN_FROM_ONE_IN: u64 = 20;

/// How strongly a bar is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// The main thread, in single long stalls.
    Strong,
    /// The main thread, many small stalls that took a good part of the time.
    Thin,
    /// The main thread, small stalls that took next to none of the time.
    Faint,
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
    let of_class = || run.stalls.iter().filter(|stall| stall.class == class);
    let mut lane = Lane { cause: Cause::Stall(class), bars: Vec::new(), merged: 0 };
    for weight in [Weight::Background, Weight::Strong] {
        let stalls = of_class().filter(|stall| own_weight(stall) == Some(weight));
        let mut bars: Vec<Bar> = Vec::new();
        for stall in stalls {
            push(&mut bars, bar_of(stall, weight), gap_ns);
        }
        lane.bars.append(&mut bars);
    }
    let small = of_class().filter(|stall| own_weight(stall).is_none());
    lane.bars.append(&mut cells(small, first_ns(run), (gap_ns * RESOLUTION / CELLS).max(1)));
    lane.merged = of_class().count().saturating_sub(lane.bars.len());
    lane
}

fn bar_of(stall: &Stall, weight: Weight) -> Bar {
    Bar {
        start_ns: stall.start_ns,
        end_ns: stall.end_ns,
        busy_ns: stall.busy_ns,
        count: stall.count,
        what: stall.what.clone(),
        weight,
    }
}

/// Adds a bar, or lets the last one go on when it is as strong and near enough.
fn push(bars: &mut Vec<Bar>, bar: Bar, gap_ns: u64) {
    match bars.last_mut() {
        Some(last) if last.weight == bar.weight && bar.start_ns <= last.end_ns + gap_ns => {
            last.end_ns = last.end_ns.max(bar.end_ns);
            last.busy_ns += bar.busy_ns;
            last.count += bar.count;
        }
        _ => bars.push(bar),
    }
}

/// Small stalls by how much of each cell they took; stalls come in the order of their start.
fn cells<'a>(stalls: impl Iterator<Item = &'a Stall>, origin_ns: u64, cell_ns: u64) -> Vec<Bar> {
    let mut filled: Vec<Bar> = Vec::new();
    for stall in stalls {
        let cell = stall.start_ns.saturating_sub(origin_ns) / cell_ns;
        let start_ns = origin_ns + cell * cell_ns;
        match filled.last_mut() {
            Some(last) if last.start_ns == start_ns => {
                last.busy_ns += stall.busy_ns;
                last.count += stall.count;
            }
            _ => filled.push(Bar { start_ns, ..bar_of(stall, Weight::Faint) }),
        }
    }
    let mut bars = Vec::new();
    for mut bar in filled {
        bar.end_ns = bar.start_ns + cell_ns;
        if bar.busy_ns * THIN_FROM_ONE_IN >= cell_ns {
            bar.weight = Weight::Thin;
        }
        push(&mut bars, bar, 0);
    }
    bars
}

/// How a stall is drawn by itself; none when it is one of many small ones.
fn own_weight(stall: &Stall) -> Option<Weight> {
    let single = stall.busy_ns * 2 >= stall.end_ns.saturating_sub(stall.start_ns);
    match stall.thread {
        // Incidents on a connection take no time and are seldom.
        ThreadRole::Main if stall.busy_ns == 0 || (single && stall.busy_ns >= LONG_NS) => {
            Some(Weight::Strong)
        }
        ThreadRole::Main => None,
        ThreadRole::Background | ThreadRole::Child => Some(Weight::Background),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn small(start_ns: u64, busy_ns: u64) -> Stall {
        Stall {
            class: StallClass::CowFault,
            pid: 1,
            port: 0,
            tid: 1,
            thread: ThreadRole::Main,
            start_ns,
            end_ns: start_ns + 1_000,
            busy_ns,
            count: 3,
            what: String::new(),
            detail: BTreeMap::new(),
        }
    }

    #[test]
    fn small_stalls_are_drawn_by_how_much_they_took() {
        let stalls = [small(100, 300), small(9_000, 300), small(12_000, 10), small(35_000, 400)];
        let bars = cells(stalls.iter(), 0, 10_000);
        let seen: Vec<_> =
            bars.iter().map(|bar| (bar.start_ns, bar.end_ns, bar.count, bar.weight)).collect();
        assert_eq!(
            seen,
            [
                (0, 10_000, 6, Weight::Thin),
                (10_000, 20_000, 3, Weight::Faint),
                (30_000, 40_000, 3, Weight::Faint),
            ]
        );
    }

    #[test]
    fn a_long_stall_stands_by_itself() {
        let long = Stall { end_ns: 3_000_000, busy_ns: 2_999_000, ..small(0, 0) };
        assert_eq!(own_weight(&long), Some(Weight::Strong));
        assert_eq!(own_weight(&small(0, 900)), None);
        let child = Stall { thread: ThreadRole::Child, ..small(0, 900) };
        assert_eq!(own_weight(&child), Some(Weight::Background));
    }
}
