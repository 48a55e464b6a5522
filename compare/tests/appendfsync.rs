//! Two real runs, appendfsync no and always: an answer of the first version ("+1344 % [-344, 2729], no
//! difference shown", exit 0) was wrong about runs like these.

#![expect(clippy::unwrap_used, reason = "what a test needs must be there")]

use std::path::Path;

use stallion_compare::comparison::MARGIN;
use stallion_compare::{
    Answer, CauseTime, Causes, Comparison, Held, Limit, Metric, Side, compare, conditions,
};
use stallion_timeline::Timeline;

fn read(name: &str) -> Timeline {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/timelines");
    Timeline::read(&folder.join(name)).unwrap()
}

fn compared() -> Comparison {
    let [no, always] = ["appendfsync-no.jsonl", "appendfsync-always.jsonl"].map(read);
    let [before, after] =
        [("no", &no), ("always", &always)].map(|(name, run)| Side::of(name, [run]).unwrap());
    let time = |name: &str, class: &str, slow_ns| CauseTime {
        name: name.to_owned(),
        class: class.to_owned(),
        slow_ns,
    };
    let quiet = Causes { answered: 48_000, times: vec![time("slow commands", "command", 1e9)] };
    let slow = [time("fdatasync", "fsync", 71e9), time("slow commands", "command", 1e9)];
    let slow = Causes { answered: 48_000, times: slow.to_vec() };
    compare(&before, &after, MARGIN, 1).told([&quiet, &slow], conditions(&[&no], &[&always]))
}

#[test]
fn always_is_slower_and_says_why() {
    let comparison = compared();
    for metric in [Metric::P50, Metric::P90, Metric::P99] {
        let difference = comparison.of(metric);
        assert_eq!(difference.answer, Answer::Slower, "{}", difference.sentence());
        let [low, high] = difference.ratio_interval.unwrap();
        assert!(1.0 < low && low < difference.ratio && difference.ratio < high);
        let all = [difference.before_interval, difference.after_interval].concat();
        assert!(all.iter().all(|edge| *edge > 0.0), "a latency is not negative: {all:?}");
    }
    let verdict = comparison.verdict();
    assert!(
        verdict.contains("slower because fdatasync appeared: 99 % of the slow time"),
        "{verdict}"
    );
    assert!(verdict.contains("× (+") || verdict.contains("×] (+"), "{verdict}");
    let limit: Limit = "p99>5%".parse().unwrap();
    assert!(matches!(limit.held(&comparison), Held::Broken(_)));
}

#[test]
fn a_run_that_ended_invalid_is_told_and_passes_nothing() {
    let comparison = compared();
    assert!(comparison.is_doubtful());
    let validity = &comparison.conditions[0];
    assert_eq!((validity.what.as_str(), validity.after.as_str()), ("validity", "invalid"));
    assert!(comparison.warnings()[0].contains("invalid"), "{:?}", comparison.warnings());
    // Its answers a second are the same, which would pass if the runs could be believed.
    assert_eq!(comparison.of(Metric::Ops).answer, Answer::Same);
    let limit: Limit = "ops>5%".parse().unwrap();
    assert!(matches!(limit.held(&comparison), Held::Undecided(_)));
}

#[test]
fn runs_that_changed_while_they_lasted_are_told() {
    let [no, always] = ["appendfsync-no.jsonl", "appendfsync-always.jsonl"].map(read);
    let [mut half, other] =
        [("half", &no), ("always", &always)].map(|(name, run)| Side::of(name, [run]).unwrap());
    assert!(stallion_compare::stationarity::changes(&half).is_empty());
    let stretches = other.runs[0].clone();
    half.runs[0].extend(stretches);
    let changes = stallion_compare::stationarity::changes(&half);
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert!((10.0..14.0).contains(&changes[0].at_s) && changes[0].ratio > 2.0, "{changes:?}");
}
