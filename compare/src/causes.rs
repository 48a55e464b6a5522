//! What the slow time of each side was due to, as the report attributes it, and what of it is new.

use serde::Serialize;

/// A cause that takes less than this share of the slow time is not why a run was slower.
const LEAST_SHARE: f64 = 0.2;

/// A cause with less than this share of what it takes later was not there before.
const ABSENT: f64 = 0.05;

/// A cause whose time for each request grows by less than this factor is not told.
const GROWS: f64 = 2.0;

/// The class of what no cause was seen for: that it appears explains nothing.
const UNEXPLAINED: &str = "unexplained";

/// Slow time of one cause.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CauseTime {
    /// For people: `fdatasync`, `fork of BGSAVE`.
    pub name: String,
    /// The class by which both sides are matched, for example `fsync`.
    pub class: String,
    /// Summed over slow requests.
    pub slow_ns: f64,
}

/// Where the slow time of one side went; empty when no probe watched.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Causes {
    /// Requests that were answered.
    pub answered: u64,
    /// By cause.
    pub times: Vec<CauseTime>,
}

impl Causes {
    fn all_ns(&self) -> f64 {
        self.times.iter().map(|time| time.slow_ns).sum()
    }

    /// Slow time of a class for each request that was answered.
    fn for_each_ns(&self, class: &str) -> f64 {
        let of_class = self.times.iter().filter(|time| time.class == class);
        of_class.map(|time| time.slow_ns).sum::<f64>() / self.answered.max(1) as f64
    }
}

/// `fdatasync appeared: 71 % of the slow time`, by falling share; nothing when either side was not
/// probed, or nothing of weight is new in `after`.
#[must_use]
pub fn what_is_new(before: &Causes, after: &Causes) -> Vec<String> {
    if before.times.is_empty() || after.times.is_empty() {
        return Vec::new();
    }
    let all_ns = after.all_ns().max(1.0);
    let mut times: Vec<&CauseTime> = after.times.iter().collect();
    times.sort_by(|left, right| right.slow_ns.total_cmp(&left.slow_ns));
    let told = times.into_iter().filter_map(|time| {
        let share = time.slow_ns / all_ns;
        let (was, is) = (before.for_each_ns(&time.class), after.for_each_ns(&time.class));
        if time.class == UNEXPLAINED || share < LEAST_SHARE || is < GROWS * was {
            return None;
        }
        let percent = share * 100.0;
        Some(if was < ABSENT * is {
            format!("{} appeared: {percent:.0} % of the slow time", time.name)
        } else {
            let times = is / was;
            format!("{} grew to {times:.1}×: {percent:.0} % of the slow time", time.name)
        })
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn causes(times: &[(&str, f64)]) -> Causes {
        let time = |(name, slow_ns): &(&str, f64)| CauseTime {
            name: (*name).to_owned(),
            class: (*name).to_owned(),
            slow_ns: *slow_ns,
        };
        Causes { answered: 100, times: times.iter().map(time).collect() }
    }

    #[test]
    fn what_appears_and_what_grows_is_told_and_what_was_there_is_not() {
        let before = causes(&[("commands", 10.0), ("unexplained", 5.0)]);
        let after = causes(&[("commands", 30.0), ("fdatasync", 71.0)]);
        assert_eq!(
            what_is_new(&before, &after),
            [
                "fdatasync appeared: 70 % of the slow time",
                "commands grew to 3.0×: 30 % of the slow time"
            ]
        );
        assert!(what_is_new(&after, &before).is_empty());
        assert!(what_is_new(&Causes::default(), &after).is_empty());
    }
}
