//! Modes of the distribution (its humps): a second one that appears says more than any percentile does.

use serde::Serialize;

use crate::blocks::{effective_number, stretch_s};
use crate::series::{Side, Stretch};

/// Bins for a doubling of the response time.
const BINS_PER_OCTAVE: f64 = 16.0;

/// From 1 ns to 2^42 ns, more than an hour.
const BINS: usize = 42 * 16;

/// Standard deviation of the smoothing, in bins: an eighth of an octave, 9 %.
const SMOOTH_BINS: f64 = 2.0;

/// A valley must go down to this share of the lower mode, or both are one.
const VALLEY: f64 = 0.6;

/// A mode holds at least this share of the requests,
const LEAST_SHARE: f64 = 0.005;

/// and at least so many of them,
const FEWEST: f64 = 50.0;

/// from at least so many independent seconds: one stall is no change of shape.
const FEWEST_SECONDS: f64 = 4.0;

/// Modes nearer than this factor are the same one.
const SAME_PLACE: f64 = 1.6;

/// One mode of a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Mode {
    /// Its highest point in nanoseconds.
    pub at_ns: f64,
    /// The share of all requests in it.
    pub share: f64,
}

/// A mode that only one side has.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum ShapeChange {
    /// Only the second side has it.
    Appeared(Mode),
    /// Only the first side has it.
    Vanished(Mode),
}

/// The modes that only one of two sides has, the largest of each side aside: that one moved.
#[must_use]
pub fn shape_changes(before: &Side, after: &Side) -> Vec<ShapeChange> {
    let (left, right) = (modes(before), modes(after));
    let appeared = foreign(&right, &left).map(ShapeChange::Appeared);
    appeared.chain(foreign(&left, &right).map(ShapeChange::Vanished)).collect()
}

/// Those of `own` that have no counterpart among `others`, neither at the same time nor at the same
/// multiple of the main mode.
fn foreign<'a>(own: &'a [Mode], others: &'a [Mode]) -> impl Iterator<Item = Mode> {
    let main = |modes: &[Mode]| {
        modes.iter().max_by(|one, two| one.share.total_cmp(&two.share)).map(|mode| mode.at_ns)
    };
    let (own_main, other_main) = (main(own), main(others));
    let near = |one: f64, two: f64| (one / two).max(two / one) < SAME_PLACE;
    let has_counterpart = move |mode: &Mode| {
        let (Some(own_main), Some(other_main)) = (own_main, other_main) else { return true };
        mode.at_ns == own_main
            || others.iter().any(|other| {
                near(mode.at_ns, other.at_ns)
                    || near(mode.at_ns / own_main, other.at_ns / other_main)
            })
    };
    own.iter().copied().filter(move |mode| !has_counterpart(mode))
}

/// The modes of a side, by rising response time.
#[must_use]
pub fn modes(side: &Side) -> Vec<Mode> {
    let whole = bins(side.stretches());
    let all: f64 = whole.iter().sum();
    let density = smooth(&whole);
    let seconds: Vec<Vec<f64>> = side.runs.iter().flat_map(|run| each_second(run)).collect();
    let found = split(&density).into_iter().filter_map(|(from, to)| {
        let inside: f64 = whole[from..to].iter().sum();
        let spread = effective_number(seconds.iter().map(|bins| bins[from..to].iter().sum()));
        let top = (from..to).max_by(|one, two| density[*one].total_cmp(&density[*two]))?;
        let mode = Mode {
            at_ns: ((top as f64 + 0.5) / BINS_PER_OCTAVE).exp2(),
            share: inside / all.max(1.0),
        };
        (mode.share >= LEAST_SHARE && inside >= FEWEST && spread >= FEWEST_SECONDS).then_some(mode)
    });
    found.collect()
}

fn each_second(run: &[Stretch]) -> impl Iterator<Item = Vec<f64>> {
    let together = (1.0 / stretch_s(run)).ceil().max(1.0) as usize;
    run.chunks(together).map(|second| bins(second.iter()))
}

fn bins<'a>(stretches: impl Iterator<Item = &'a Stretch>) -> Vec<f64> {
    let mut bins = vec![0.0; BINS];
    for (value, count) in stretches.flat_map(|stretch| &stretch.counts) {
        let place = ((*value as f64).max(1.0).log2() * BINS_PER_OCTAVE) as usize;
        bins[place.min(BINS - 1)] += *count as f64;
    }
    bins
}

fn smooth(bins: &[f64]) -> Vec<f64> {
    let reach = (3.0 * SMOOTH_BINS) as isize;
    let weight = |offset: isize| (-0.5 * (offset as f64 / SMOOTH_BINS).powi(2)).exp();
    let all: f64 = (-reach..=reach).map(weight).sum();
    let at = |place: usize| -> f64 {
        let near = (-reach..=reach).filter_map(|offset| {
            let other = place.checked_add_signed(offset)?;
            Some(bins.get(other)? * weight(offset))
        });
        near.sum::<f64>() / all
    };
    (0..bins.len()).map(at).collect()
}

/// Where the density is cut into modes: between them it goes down to [`VALLEY`] of the lower one.
fn split(density: &[f64]) -> Vec<(usize, usize)> {
    let mut parts: Vec<(usize, usize)> = Vec::new();
    let (mut from, mut top, mut valley, mut valley_at) = (0, 0.0_f64, 0.0_f64, 0);
    for (place, height) in density.iter().copied().enumerate() {
        if height > top && valley_at == from {
            // Still going up the first slope of this mode.
            (top, valley) = (height, height);
        }
        if height < valley {
            (valley, valley_at) = (height, place);
        } else if valley < VALLEY * top && valley < VALLEY * height {
            parts.push((from, valley_at));
            (from, top, valley, valley_at) = (valley_at, height, height, valley_at);
        } else if height > top {
            (top, valley, valley_at) = (height, height, from);
        }
    }
    parts.push((from, density.len()));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(peaks: &[(u64, u64)]) -> Side {
        let spread = |(at, count): &(u64, u64)| {
            [(at * 9 / 10, count / 4), (*at, count / 2), (at * 11 / 10, count / 4)]
        };
        let stretch = Stretch {
            counts: peaks.iter().flat_map(spread).collect(),
            answered: peaks.iter().map(|(_, count)| count).sum(),
            seconds: 1.0,
        };
        Side { name: "side".to_owned(), runs: vec![vec![stretch; 20]] }
    }

    #[test]
    fn a_second_mode_appears_and_vanishes_and_a_shift_is_none() {
        let one = side(&[(100_000, 1_000)]);
        let two = side(&[(100_000, 900), (5_000_000, 100)]);
        let slower = side(&[(300_000, 1_000)]);
        let [ShapeChange::Appeared(mode)] = shape_changes(&one, &two)[..] else {
            panic!("{:?}", shape_changes(&one, &two));
        };
        assert!((4.5e6..5.6e6).contains(&mode.at_ns) && (0.09..0.11).contains(&mode.share));
        assert!(matches!(shape_changes(&two, &one)[..], [ShapeChange::Vanished(_)]));
        assert_eq!(shape_changes(&one, &slower), []);
        assert_eq!(shape_changes(&two, &two), []);
    }

    #[test]
    fn a_single_stall_is_no_mode() {
        let mut two = side(&[(100_000, 1_000)]);
        two.runs[0][3].counts.push((9_000_000, 1_000));
        assert_eq!(modes(&two).len(), 1);
    }
}
