//! Halves of one run do not differ, and a tenth of delay is found: on seeded runs whose intervals are
//! alike for a while, as those of real servers are.

#![expect(clippy::unwrap_used, reason = "what a test needs must be there")]

use hdrhistogram::Histogram;
use rand::{RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, Normal};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::json;
use stallion_compare::comparison::MARGIN;
use stallion_compare::{Answer, Comparison, Held, Limit, Metric, Side, compare};
use stallion_timeline::histogram::{empty, encode};
use stallion_timeline::{
    Clock, Header, HostFacts, Interval, Phase, PhaseName, Record, Role, SCHEMA_VERSION, Timeline,
};

const INTERVALS: usize = 300;

/// Response times that drift (each interval keeps 80 % of its neighbour's mood), and now and then a
/// stall of several intervals.
fn run(seed: u64, slower: f64) -> Timeline {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let shift = Normal::new(0.0, 0.03).unwrap();
    let spread = Normal::new(0.0, 0.25).unwrap();
    let (mut mood, mut stalled) = (0.0_f64, 0);
    let intervals = (0..INTERVALS).map(|number| {
        mood = 0.8 * mood + shift.sample(&mut random);
        stalled = if random.random_bool(0.03) { 4 } else { stalled - i32::from(stalled > 0) };
        let mut histogram = empty();
        for _ in 0..400 {
            let mut ns = 100_000.0 * (mood + spread.sample(&mut random)).exp();
            if stalled > 0 && random.random_bool(0.05) {
                ns += 2_000_000.0 * random.random::<f64>();
            }
            histogram.saturating_record((ns * slower) as u64);
        }
        interval(number, &histogram)
    });
    timeline(intervals.collect())
}

fn interval(number: usize, histogram: &Histogram<u64>) -> Interval {
    let start_ns = number as u64 * 100_000_000;
    Interval {
        start_ns,
        end_ns: start_ns + 100_000_000,
        answered: histogram.len(),
        response_hdr: encode(histogram),
        ..Interval::default()
    }
}

fn timeline(intervals: Vec<Interval>) -> Timeline {
    let start_ns = intervals.first().map_or(0, |interval| interval.start_ns);
    let phase = Phase { name: PhaseName::Measure, start_ns, label: String::new() };
    let header = Header {
        schema: SCHEMA_VERSION,
        tool: "test".to_owned(),
        role: Role::Drive,
        host: HostFacts::of_this_host(),
        clock: Clock::of_this_host(),
        plan: json!({}),
        target: String::new(),
        probes: Vec::new(),
    };
    let records = std::iter::once(Record::Phase(phase))
        .chain(intervals.into_iter().map(Record::Interval))
        .collect();
    Timeline { header, records, footer: None, torn: false }
}

/// The first or the last half of a run.
fn half(run: &Timeline, last: bool) -> Side {
    let intervals: Vec<Interval> = run
        .records
        .iter()
        .filter_map(|record| match record {
            Record::Interval(interval) => Some(interval.clone()),
            _ => None,
        })
        .collect();
    let (first, second) = intervals.split_at(INTERVALS / 2);
    let chosen = if last { second } else { first };
    Side::of("half", [&timeline(chosen.to_vec())]).unwrap()
}

fn is_found(comparison: &Comparison, metric: Metric) -> bool {
    comparison.changed().any(|difference| difference.metric == metric)
}

#[test]
fn halves_of_one_run_do_not_differ() {
    let trials = 1..=40;
    let quiet = trials.filter(|seed| {
        let run = run(*seed, 1.0);
        compare(&half(&run, false), &half(&run, true), MARGIN, *seed).changed().count() == 0
    });
    let quiet = quiet.count();
    assert!(quiet >= 38, "{quiet} of 40 found nothing");
}

#[test]
fn a_tenth_of_delay_is_found() {
    let found = (1..=20_u64).filter(|seed| {
        let before = Side::of("before", [&run(*seed, 1.0)]).unwrap();
        let after = Side::of("after", [&run(seed + 100, 1.1)]).unwrap();
        let comparison = compare(&before, &after, MARGIN, *seed);
        is_found(&comparison, Metric::P50)
    });
    let found = found.count();
    assert!(found >= 19, "found in {found} of 20");
}

#[test]
fn several_runs_of_each_are_compared() {
    let runs = |seeds: std::ops::Range<u64>, slower: f64| {
        seeds.map(|seed| run(seed, slower)).collect::<Vec<Timeline>>()
    };
    let before = Side::of("before", &runs(0..3, 1.0)).unwrap();
    let same = Side::of("same", &runs(10..13, 1.0)).unwrap();
    let slower = Side::of("slower", &runs(20..23, 1.3)).unwrap();
    assert_eq!(compare(&before, &same, MARGIN, 1).changed().count(), 0);
    let comparison = compare(&before, &slower, MARGIN, 1);
    assert!(is_found(&comparison, Metric::P99), "{}", comparison.verdict());
    let held = |limit: &str| limit.parse::<Limit>().unwrap().held(&comparison);
    assert!(matches!(held("p99>5%"), Held::Broken(_)));
    assert!(matches!(held("p99>99%"), Held::Passed));
    assert!(matches!(held("ops"), Held::Passed));
    // 30 % lies within the interval: neither below nor above the limit.
    assert!(matches!(held("p99>30%"), Held::Undecided(_)));
    assert!(matches!(held("p99.99>50%"), Held::Undecided(_)));
}

#[test]
fn what_is_too_little_is_said() {
    let short = timeline((0..5).map(|number| interval(number, &empty())).collect());
    let error = Side::of("short", [&short]).unwrap_err().to_string();
    assert!(error.contains("short holds 0 intervals"), "{error}");
    let side = half(&run(1, 1.0), false);
    let comparison = compare(&side, &side, MARGIN, 1);
    let last = comparison.of(Metric::P9999);
    assert_eq!((last.answer, last.ratio_interval), (Answer::NotEnoughData, None));
    // 60 000 requests have 6 beyond it, and 50 are the least.
    assert_eq!(last.need.unwrap().runs, Some(8));
}
