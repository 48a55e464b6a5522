//! Facts as they would be in each case, drawn at random: the right cause is named, health is health,
//! and what cannot be told is not told.

#![expect(clippy::unwrap_used, reason = "what a test needs must be there")]

use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, proptest};
use stallion_triage::cause::{Kind, Strength};
use stallion_triage::facts::{
    Cluster, Counters, FORMAT, Facts, Family, Member, Node, Sample, Silent,
};
use stallion_triage::{Triage, Verdict, render, triage};

const PRIMARIES: u16 = 3;

fn family(pattern: &str, keys: u64, touched: u64) -> Family {
    Family {
        pattern: pattern.to_owned(),
        keys,
        expiring: keys,
        ttl_p50_s: 300.0,
        ttl_p90_s: 540.0,
        touched,
        idle_least_s: if touched > 0 { 0.0 } else { 30.0 },
    }
}

fn counters(reads: u64, hit_rate: f64) -> Counters {
    let hits = (reads as f64 * hit_rate) as u64;
    Counters { hits, misses: reads - hits, commands: reads * 2, ..Counters::default() }
}

/// A cache that is well; `reads` in a window of 5 s.
fn healthy(reads: u64, hit_rate: f64, clustered: bool) -> Facts {
    let servers = if clustered { PRIMARIES } else { 1 };
    let share = reads / u64::from(servers);
    let window = Counters { expired: share / 100, ..counters(share, hit_rate) };
    let life = Counters { expired: share, ..counters(share * 100, hit_rate) };
    let node = |number: u16| Node {
        address: format!("10.0.0.{number}:6379"),
        primary: true,
        run_id: format!("run{number}"),
        uptime_s: 505,
        policy: "allkeys-lru".to_owned(),
        used_memory_bytes: 50_000_000,
        maxmemory_bytes: 100_000_000,
        keys: 100_000,
        expiring_keys: 100_000,
        window,
        life,
    };
    let border = |part: u16| (u32::from(part) * 16_384 / u32::from(PRIMARIES)) as u16;
    let member = |number: u16| Member {
        id: format!("id{number}"),
        address: format!("10.0.0.{number}:6379"),
        primary: true,
        slots: vec![[border(number), border(number + 1) - 1]],
        ..Member::default()
    };
    let cluster = Cluster {
        ok: true,
        slots_ok: 16_384,
        slots_open: 0,
        members: (0..PRIMARIES).map(member).collect(),
    };
    Facts {
        format: FORMAT,
        at_unix_s: 1e9,
        window_s: 5.0,
        nodes: (0..servers).map(node).collect(),
        cluster: clustered.then_some(cluster),
        sample: Sample {
            keys: 1_000,
            idle_known: true,
            families: vec![family("user:#", 800, 400), family("page:#", 200, 50)],
        },
        ..Facts::default()
    }
}

/// The same with so many misses more.
fn fallen(before: &Facts, misses: f64) -> Facts {
    let mut now = before.clone();
    now.at_unix_s += 600.0;
    for node in &mut now.nodes {
        let (window, life) = (node.window, node.life);
        let lost = (window.hits as f64 * misses) as u64;
        node.window.hits -= lost;
        node.window.misses += lost;
        node.life = life.plus(&window);
        node.uptime_s += 600;
    }
    now
}

/// What each cause does to facts.
fn provoke(kind: Kind, now: &mut Facts) {
    match kind {
        Kind::Evictions => {
            for node in &mut now.nodes {
                node.window.evicted = node.window.misses * 9 / 10;
                node.maxmemory_bytes = node.used_memory_bytes;
            }
        }
        Kind::ShorterTtls => {
            for node in &mut now.nodes {
                node.window.expired = node.window.misses * 8 / 10;
            }
            for family in &mut now.sample.families {
                (family.ttl_p50_s, family.ttl_p90_s) = (5.0, 9.0);
            }
        }
        Kind::RenamedKeys => {
            now.sample.families = vec![
                family("user:#", 500, 0),
                family("v2:user:#", 300, 290),
                family("page:#", 200, 50),
            ];
        }
        Kind::DegradedCluster => {
            let cluster = now.cluster.as_mut().unwrap();
            cluster.members[1].failed = true;
            cluster.slots_ok -= 5_461;
            cluster.ok = false;
            now.nodes.remove(1);
        }
        Kind::Resharding => {
            let cluster = now.cluster.as_mut().unwrap();
            cluster.members[0].slots = vec![[0, 1_999]];
            cluster.members[1].slots.push([2_000, 5_460]);
            for node in &mut now.nodes {
                node.window.moved = node.window.misses / 2;
            }
        }
    }
}

fn kinds() -> impl Strategy<Value = Kind> {
    proptest::sample::select(Kind::ALL.to_vec())
}

fn told(now: &Facts, before: Option<&Facts>) -> (Triage, String) {
    let told = triage(now, before);
    let text = render::text(&told, now, "x");
    (told, text)
}

proptest! {
    // Each case renders three verdicts; more of them find nothing more.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_cause_is_named_with_its_evidence(
        kind in kinds(),
        reads in 30_000u64..1_000_000,
        hit_rate in 0.8f64..0.999,
        misses in 0.15f64..0.9,
    ) {
        let clustered = matches!(kind, Kind::DegradedCluster | Kind::Resharding);
        let before = healthy(reads, hit_rate, clustered);
        let mut now = fallen(&before, misses);
        provoke(kind, &mut now);
        let (triage, text) = told(&now, Some(&before));
        prop_assert_eq!(triage.verdict, Verdict::Named(kind), "{}", text);
        let cause = triage.named().unwrap();
        prop_assert_eq!(cause.strength, Strength::Strong, "{}", text);
        prop_assert!(!cause.evidence.is_empty());
        prop_assert!(text.contains(kind.words()) && text.contains("DO "), "{}", text);
        prop_assert!(triage.causes.iter().all(|cause| !cause.evidence.is_empty()), "{}", text);
    }

    #[test]
    fn what_is_as_it_was_is_healthy(
        reads in 1u64..1_000_000,
        hit_rate in 0.0f64..=1.0,
        clustered in any::<bool>(),
    ) {
        let before = healthy(reads.max(30), hit_rate, clustered);
        let (triage, text) = told(&before, Some(&before));
        prop_assert_eq!(triage.verdict, Verdict::Healthy, "{}", text);
        let worse = fallen(&before, 0.02);
        let (triage, text) = told(&worse, Some(&before));
        prop_assert_eq!(triage.verdict, Verdict::Healthy, "{}", text);
    }

    #[test]
    fn a_fall_that_nothing_explains_is_not_explained(
        reads in 30_000u64..1_000_000,
        hit_rate in 0.8f64..1.0,
        misses in 0.2f64..0.9,
        clustered in any::<bool>(),
    ) {
        let before = healthy(reads, hit_rate, clustered);
        let now = fallen(&before, misses);
        let (triage, text) = told(&now, Some(&before));
        prop_assert_eq!(triage.verdict, Verdict::NotShown, "{}", text);
        prop_assert!(text.contains("none of the causes"), "{}", text);
    }

    #[test]
    fn any_counters_are_survived(
        numbers in proptest::collection::vec(any::<u64>(), 13),
        other in proptest::collection::vec(any::<u64>(), 13),
        window_s in 0.0f64..10.0,
        slots in proptest::collection::vec(any::<[u16; 2]>(), 0..3),
    ) {
        let mut facts = healthy(1_000, 0.9, true);
        facts.window_s = window_s;
        facts.nodes[0].window = of(&numbers);
        facts.nodes[0].life = of(&other);
        facts.cluster.as_mut().unwrap().members[0].slots = slots;
        let before = healthy(1_000, 0.9, true);
        for before in [None, Some(&before), Some(&facts)] {
            let (_, text) = told(&facts, before);
            prop_assert!(!text.contains("NaN") && !text.contains("inf"), "{}", text);
        }
    }
}

fn of(numbers: &[u64]) -> Counters {
    let [
        hits,
        misses,
        evicted,
        expired,
        commands,
        oom,
        moved,
        ask,
        tryagain,
        down,
        migrated,
        renamed,
        flushed,
    ] = numbers.try_into().unwrap();
    Counters {
        hits,
        misses,
        evicted,
        expired,
        commands,
        oom,
        moved,
        ask,
        tryagain,
        down,
        migrated,
        renamed,
        flushed,
    }
}

#[test]
fn without_a_snapshot_the_servers_own_life_is_compared_with() {
    for kind in [Kind::Evictions, Kind::ShorterTtls, Kind::RenamedKeys, Kind::DegradedCluster] {
        let mut now = fallen(&healthy(100_000, 0.97, true), 0.5);
        provoke(kind, &mut now);
        let (triage, text) = told(&now, None);
        assert_eq!(
            (triage.verdict, triage.against.as_str()),
            (Verdict::Named(kind), "life"),
            "{text}"
        );
    }
    let (triage, text) = told(&healthy(100_000, 0.97, true), None);
    assert_eq!(triage.verdict, Verdict::Healthy, "{text}");
}

#[test]
fn what_follows_from_a_cause_is_told_beside_it() {
    let before = healthy(100_000, 0.97, false);
    let mut now = fallen(&before, 0.5);
    provoke(Kind::Evictions, &mut now);
    provoke(Kind::RenamedKeys, &mut now);
    let (triage, text) = told(&now, Some(&before));
    // The new names fill the memory.
    assert_eq!(triage.verdict, Verdict::Named(Kind::RenamedKeys), "{text}");
    assert_eq!(triage.causes[1].kind, Kind::Evictions);
    assert!(text.contains("may be a consequence"), "{text}");
}

#[test]
fn a_failover_is_no_resharding_and_an_empty_return_is_a_degraded_server() {
    let mut before = healthy(100_000, 0.97, true);
    let replica = Member {
        id: "replica".to_owned(),
        address: "10.0.0.9:6379".to_owned(),
        follows: Some("id1".to_owned()),
        ..Member::default()
    };
    before.cluster.as_mut().unwrap().members.push(replica);
    let mut now = fallen(&before, 0.3);
    let members = &mut now.cluster.as_mut().unwrap().members;
    let slots = std::mem::take(&mut members[1].slots);
    members[1].failed = true;
    (members[3].follows, members[3].slots, members[3].primary) = (None, slots, true);
    now.nodes[1].address = "10.0.0.9:6379".to_owned();
    now.nodes[1].run_id = "another".to_owned();
    now.nodes[1].keys = 10;
    let (triage, text) = told(&now, Some(&before));
    assert_eq!(triage.verdict, Verdict::Named(Kind::DegradedCluster), "{text}");
    assert!(text.contains("has taken the place of 10.0.0.1:6379, with 10 keys"), "{text}");
    let resharding = triage.causes.iter().find(|cause| cause.kind == Kind::Resharding).unwrap();
    assert_eq!(resharding.strength, Strength::None, "{text}");

    let before = healthy(100_000, 0.97, false);
    let mut now = fallen(&before, 0.3);
    now.nodes[0].run_id = "another".to_owned();
    now.nodes[0].keys = 100;
    let (triage, text) = told(&now, Some(&before));
    assert_eq!(triage.verdict, Verdict::Named(Kind::DegradedCluster), "{text}");
}

/// Through a tunnel: one node answers, and the addresses of the others lead nowhere.
fn tunnelled(mut facts: Facts) -> Facts {
    let silent = facts
        .nodes
        .drain(1..)
        .map(|node| Silent { address: node.address, reason: "connection refused".to_owned() });
    facts.silent = silent.collect();
    facts
}

#[test]
fn who_cannot_be_reached_is_down_only_if_the_cluster_says_so() {
    let before = tunnelled(healthy(100_000, 0.97, true));
    let mut now = fallen(&before, 0.3);
    provoke(Kind::Evictions, &mut now);
    for before in [None, Some(&before)] {
        let (triage, text) = told(&now, before);
        assert_eq!(triage.verdict, Verdict::Named(Kind::Evictions), "{text}");
        let degraded = triage.causes.iter().find(|cause| cause.kind == Kind::DegradedCluster);
        assert_eq!(degraded.unwrap().strength, Strength::Hint, "{text}");
        let words = "1:6379 is not reachable from here, while the cluster itself calls it well";
        assert!(text.contains(words) && !text.contains("FAILOVER"), "{text}");
    }
    let says: [fn(&mut Cluster); 3] = [
        |cluster| cluster.ok = false,
        |cluster| cluster.slots_ok -= 5_461,
        |cluster| cluster.members[1].failed = true,
    ];
    for say in says {
        let mut down = now.clone();
        say(down.cluster.as_mut().unwrap());
        let (triage, text) = told(&down, Some(&before));
        assert_eq!(triage.verdict, Verdict::Named(Kind::DegradedCluster), "{text}");
        assert!(text.contains("10.0.0.1:6379 does not answer: connection refused"), "{text}");
    }
}

#[test]
fn redirects_are_compared_with_redirects() {
    let mut before = healthy(100_000, 0.97, true);
    // The cluster was down on that day, and sent nobody elsewhere.
    before.nodes[0].window.down = 50_000;
    let mut now = fallen(&healthy(100_000, 0.97, true), 0.3);
    provoke(Kind::Resharding, &mut now);
    now.nodes[0].window.moved = 1_000;
    (now.nodes[1].window.moved, now.nodes[2].window.moved) = (0, 0);
    let (_, text) = told(&now, Some(&before));
    assert!(text.contains("200/s, 0/s before requests sent elsewhere"), "{text}");
}

#[test]
fn steady_evictions_and_expiries_are_not_what_has_changed() {
    let mut before = healthy(100_000, 0.8, false);
    before.nodes[0].window.evicted = 15_000;
    before.nodes[0].window.expired = 8_000;
    let now = fallen(&before, 0.3);
    let (triage, text) = told(&now, Some(&before));
    assert_eq!(triage.verdict, Verdict::NotShown, "{text}");
    assert!(triage.causes.iter().all(|cause| cause.strength <= Strength::Hint), "{text}");
}

#[test]
fn verdicts_are_words_in_json() {
    let before = healthy(100_000, 0.97, false);
    let mut now = fallen(&before, 0.5);
    provoke(Kind::Evictions, &mut now);
    let json = serde_json::to_value(triage(&now, Some(&before))).unwrap();
    assert_eq!((&json["verdict"], &json["cause"]), (&"named".into(), &"evictions".into()));
    assert_eq!(
        serde_json::from_value::<Triage>(json).unwrap().verdict,
        Verdict::Named(Kind::Evictions)
    );
    let text = serde_json::to_string(&now).unwrap();
    assert_eq!(serde_json::from_str::<Facts>(&text).unwrap(), now);
}
