//! What must hold for any stalls and any requests.

use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, proptest};
use stallion_report::analysis::analyse;
use stallion_report::cause::{CLASSES, CLIENT, Cause, NAMED, rank};
use stallion_report::ledger::Ledger;
use stallion_report::render;
use stallion_timeline::{Stall, ThreadRole};

use crate::synthetic::{self, MS, S, START, Scenario, sum};

/// Stalls of all classes within a short axis; `full` leaves out sums over windows.
fn stalls(span_ns: u64, full: bool) -> impl Strategy<Value = Vec<Stall>> {
    let one = (0..CLASSES.len(), 0..span_ns, 1..=span_ns / 4, 1..=100_u64, any::<bool>());
    proptest::collection::vec(one, 0..20).prop_map(move |drawn| {
        let stalls = drawn.into_iter().map(|(class, at, length, density, main)| {
            let busy = if full { length } else { (length * density / 100).max(1) };
            let mut stall = sum(CLASSES[class], at, length, busy, 1 + u64::from(busy < length));
            stall.thread = if main { ThreadRole::Main } else { ThreadRole::Background };
            stall
        });
        stalls.collect()
    })
}

/// The plain meaning of precedence: each nanosecond goes to the first class that is active.
fn painted(stalls: &[Stall], from_ns: u64, to_ns: u64) -> [u64; NAMED] {
    let mut sums = [0; NAMED];
    for at in from_ns..to_ns {
        let active = stalls.iter().filter(|stall| stall.thread == ThreadRole::Main);
        let active = active.filter(|stall| (stall.start_ns..stall.end_ns).contains(&at));
        if let Some(place) = active.map(|stall| rank(stall.class)).min() {
            sums[place] += 1;
        }
    }
    sums
}

proptest! {
    #[test]
    fn single_stalls_are_laid_out_by_precedence(
        stalls in stalls(200, true), from in 0..250_u64, length in 0..250_u64,
    ) {
        let ledger = Ledger::of(&stalls, std::iter::empty());
        let (from, to) = (START + from, START + from + length);
        prop_assert_eq!(ledger.within(from, to), painted(&stalls, from, to));
    }

    #[test]
    fn sums_never_exceed_the_time_there_is(
        stalls in stalls(5_000, false), late in (0..5_000_u64, 0..5_000_u64),
    ) {
        let ledger = Ledger::of(&stalls, std::iter::once((START + late.0, START + late.1)));
        let all = ledger.within(START, START + 10_000);
        prop_assert!(all.iter().sum::<u64>() <= 10_000);
        for class in CLASSES {
            let main = stalls.iter().filter(|s| s.class == class && s.thread == ThreadRole::Main);
            prop_assert!(all[rank(class)] <= main.map(|stall| stall.busy_ns).sum());
        }
        prop_assert!(all[CLIENT] <= late.1.saturating_sub(late.0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn shares_add_up_and_every_form_renders(
        stalls in stalls(S, false), hidden in 0..S, length in 0..60 * MS,
    ) {
        let scenario = Scenario {
            rate: 2_000,
            capacity: 6_000,
            seconds: 1,
            stalls,
            hidden: vec![(hidden, hidden + length)],
            ..Scenario::default()
        };
        let folder = tempfile::tempdir().unwrap();
        synthetic::write(&scenario, folder.path());
        let analysis = analyse(&["drive.jsonl", "probe.jsonl"].map(|file| folder.path().join(file))).unwrap();
        let spikes = analysis.spikes.iter().map(|told| &told.spike.attribution);
        for attribution in spikes.chain([&analysis.total]) {
            let time: u64 = attribution.shares.iter().map(|s| s.direct_ns + s.inherited_ns).sum();
            let shares: u32 = attribution.shares.iter().map(|s| s.share_basis_points).sum();
            prop_assert_eq!(time, attribution.delay_ns);
            prop_assert_eq!(shares, if time == 0 { 0 } else { 10_000 });
        }
        for story in &analysis.worst {
            let parts: u64 = story.parts.iter().map(|part| part.direct_ns + part.inherited_ns).sum();
            prop_assert_eq!(parts, story.delay_ns);
        }
        let json: serde_json::Value = serde_json::from_str(&render::json::render(&analysis)).unwrap();
        let shares = json["attribution"]["shares"].as_array().unwrap();
        let hundredths = shares.iter().map(|s| (s["share_percent"].as_f64().unwrap() * 100.0).round());
        let all: f64 = hundredths.sum();
        prop_assert!(all == 10_000.0 || analysis.total.delay_ns == 0);
        prop_assert!(shares.iter().any(|share| share["cause"] == Cause::Unexplained.key()));
        prop_assert!(!render::markdown::render(&analysis).is_empty());
    }
}
