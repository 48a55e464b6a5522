//! Plans: each figure is that of its formula, more is never fewer servers, and what cannot be is refused.

#![expect(clippy::unwrap_used, reason = "what a test needs must be there")]

use proptest::prelude::{any, prop_assert, proptest};
use stallion_capacity::measured::{Snapshot, Tried};
use stallion_capacity::shard::{PAGE, copied};
use stallion_capacity::{Measured, Need, Objective, Plan, WorkingSet, plan};

fn objective(text: &str) -> Option<Objective> {
    let (percentile, limit) = text.split_once('<')?;
    let limit_us = limit.strip_suffix("ms")?.parse::<f64>().ok()? * 1e3;
    Some(Objective { text: text.to_owned(), percentile: percentile.to_owned(), limit_us })
}

fn tried(reads: f64, rate: f64) -> Tried {
    let us = |us: f64| Some(us);
    Tried {
        source: format!("run with {reads}"),
        reads: Some(reads),
        pipeline: Some(1),
        value_bytes: Some(100),
        ceiling: Some((objective("p99<1ms").unwrap(), rate)),
        steps: vec![(rate * 0.6, [us(100.0), us(200.0), us(400.0), us(900.0), us(1e3), us(2e3)])],
        bound: String::new(),
    }
}

/// Reads at 100 000/s, writes at 50 000/s; a snapshot of 1 GB in 10 s with a fork of 20 ms.
fn measured() -> Measured {
    let snapshot =
        Snapshot { source: "fork".to_owned(), used_bytes: 1e9, fork_us: 20_000.0, took_s: 10.0 };
    Measured {
        rates: vec![tried(1.0, 100_000.0), tried(0.0, 50_000.0)],
        snapshots: vec![snapshot],
        hosts: vec!["a machine".to_owned()],
    }
}

fn need() -> Need {
    Need {
        ops_per_s: 600_000.0,
        reads: 0.5,
        value_bytes: 100,
        key_bytes: 16,
        expires: false,
        working_set: WorkingSet::Keys(100_000_000),
        objective: objective("p99<1ms").unwrap(),
        pipeline: 1,
        utilisation: 0.75,
        replicas: 1,
        replica_reads: false,
        node_bytes: 16 << 30,
        clients: 10,
        round_trip_us: 600.0,
        outage_s: 60.0,
    }
}

fn value(plan: &Plan, what: &str) -> f64 {
    plan.lines.iter().find(|line| line.what == what).unwrap().value
}

#[test]
fn each_figure_is_that_of_its_formula() {
    let plan = plan(&need(), &measured()).unwrap();
    // Half of the requests cost 10 us and half 20 us: 66 667/s, of which three quarters are used.
    assert_eq!(value(&plan, "a primary carries").round(), 66_667.0);
    assert_eq!(value(&plan, "shards by rate"), 12.0);
    // 204 bytes each: 20.4 GB in all.
    assert_eq!(value(&plan, "one key takes"), 204.0);
    assert_eq!(value(&plan, "all keys take"), 20.4e9);
    assert_eq!((plan.shards, plan.nodes), (12, 24));
    let data = 20.4e9 / 12.0;
    assert_eq!(value(&plan, "data of a shard"), data);
    assert_eq!(value(&plan, "a snapshot takes"), data / 1e8);
    // 25 000 writes a second for 17 s touch three pages each.
    let pages = data / PAGE;
    let expected = data * (1.0 - (-25_000.0 * 17.0 * 3.0 / pages).exp());
    assert!((value(&plan, "copied on write") - expected).abs() < 1.0);
    assert_eq!(value(&plan, "repl-backlog-size"), 25_000.0 * (116.0 + 60.0) * 60.0);
    assert_eq!(value(&plan, "a fork takes"), data / 1e9 * 20.0);
    // Little: 50 000/s for 400 us and 600 us of network are 50 in flight, 5 for each client.
    assert_eq!(value(&plan, "in flight at a shard").round(), 50.0);
    assert_eq!(value(&plan, "pool of a client for each shard"), 5.0);
    assert_eq!(value(&plan, "connections of a shard"), 82.0);
    // Half reads, half copies to one replica; those have the key with them.
    assert_eq!(value(&plan, "a primary sends"), 50_000.0 * (80.0 + 88.0) * 8.0 / 1e6);
    assert!(plan.cautions.iter().any(|text| text.contains("a fork of 34 ms is longer")));
    assert!(plan.lines.iter().all(|line| !line.formula.is_empty() && !line.measured.is_empty()));
}

#[test]
fn replicas_that_serve_reads_spare_primaries() {
    let shared = Need { replica_reads: true, ..need() };
    // 150 000 reads/s at 10 us and 300 000 writes/s at 20 us are 7.5 primaries' time; a quarter is spare.
    let plan = plan(&shared, &measured()).unwrap();
    assert_eq!(value(&plan, "shards by rate"), 10.0);
    // Of each primary's 60 000/s a quarter is read there, and half is copied.
    assert_eq!(value(&plan, "a primary sends"), 60_000.0 * (40.0 + 88.0) * 8.0 / 1e6);
    let line = plan.lines.iter().find(|line| line.what == "a primary sends").unwrap();
    let words = "0.25 reads x 160 bytes + 0.50 copies x 176 bytes";
    assert!(line.figures.contains(words), "{}", line.figures);
}

#[test]
fn memory_decides_where_it_is_short() {
    let tight = Need { ops_per_s: 1_000.0, node_bytes: 1 << 30, ..need() };
    let plan = plan(&tight, &measured()).unwrap();
    let (data, all) = (value(&plan, "data of a shard"), value(&plan, "memory of a node"));
    assert!(all <= (1u64 << 30) as f64 && data * 1.1 < all, "{all}");
    assert_eq!(plan.shards as f64, value(&plan, "shards by memory"));
    assert!(plan.shards >= 20 && plan.shards < 30, "{}", plan.shards);
}

#[test]
fn two_shards_become_three_and_one_stays_one() {
    let little = Need { ops_per_s: 1_000.0, working_set: WorkingSet::Keys(1_000), ..need() };
    assert_eq!(plan(&little, &measured()).unwrap().shards, 1);
    let two = Need { ops_per_s: 70_000.0, ..little };
    let plan = plan(&two, &measured()).unwrap();
    assert_eq!((value(&plan, "shards by rate"), plan.shards), (2.0, 3));
}

#[test]
fn what_cannot_be_or_was_not_measured_is_refused_with_a_remedy() {
    let refused = |need: Need, part: &str| {
        let text = plan(&need, &measured()).unwrap_err().to_string();
        assert!(text.contains(part), "{part} is not in: {text}");
    };
    refused(Need { ops_per_s: 0.0, ..need() }, "--ops is out of range");
    refused(Need { ops_per_s: f64::NAN, ..need() }, "--ops is out of range");
    refused(Need { value_bytes: 1 << 30, ..need() }, "--value-size is out of range");
    refused(Need { utilisation: 1.5, ..need() }, "--utilisation is out of range");
    refused(Need { working_set: WorkingSet::Bytes(10), ..need() }, "less than one key");
    refused(Need { replicas: 0, replica_reads: true, ..need() }, "--replica-reads needs");
    refused(Need { ops_per_s: 1e9, ..need() }, "at most 1000");
    refused(
        Need { working_set: WorkingSet::Bytes(1 << 55), ..need() },
        "larger ones by --node-memory",
    );
    refused(
        Need { objective: objective("p99<0.1ms").unwrap(), ..need() },
        "ceiling --slo 'p99<0.1ms'",
    );
    refused(Need { objective: objective("p999<0.5ms").unwrap(), ..need() }, "lowest p999");
    let mut only_reads = measured();
    only_reads.rates.truncate(1);
    let text = plan(&need(), &only_reads).unwrap_err().to_string();
    assert!(text.contains("--rw-ratio 50:50"), "{text}");
    let text = plan(&need(), &Measured::default()).unwrap_err().to_string();
    assert!(text.contains("stallion ceiling"), "{text}");
}

#[test]
fn what_was_measured_otherwise_is_told() {
    let plan = plan(&Need { value_bytes: 4_096, pipeline: 16, ..need() }, &measured()).unwrap();
    let text = plan.cautions.join("\n");
    assert!(text.contains("values of 100 bytes, not 4096"), "{text}");
    assert!(text.contains("a pipeline of 1, not 16"), "{text}");
}

#[test]
fn a_step_that_met_another_objective_counts() {
    // At 60 % of the ceiling p99.9 was 900 us.
    let strict = Need { objective: objective("p999<1ms").unwrap(), ..need() };
    let plan = plan(&strict, &measured()).unwrap();
    assert_eq!(value(&plan, "a primary carries").round(), 40_000.0);
    assert!(plan.lines[0].measured.contains("p999 was 900 us"), "{}", plan.lines[0].measured);
}

#[test]
fn files_of_ceiling_and_lab_are_read() {
    let mut all = Measured::default();
    let ceiling = r#"{"slo": "p99<1ms", "ceiling_ops_per_sec": 5000, "evidence": "x", "steps": [
        {"stage": "closed", "summary": {"ops_per_sec": 9000, "response_us": {"p99": 10}}},
        {"stage": "climb", "summary": {"ops_per_sec": 4000, "response_us": {"p50": 50, "p99": 800}}}]}"#;
    all.add("a", ceiling.as_bytes(), &objective).unwrap();
    assert_eq!(all.rates[0].steps.len(), 1);
    assert_eq!(all.rates[0].meets(&objective("p99<0.9ms").unwrap()).unwrap().0, 4_000.0);
    assert_eq!(all.rates[0].meets(&objective("p99<2ms").unwrap()).unwrap().0, 5_000.0);
    for (wrong, part) in
        [("", "no JSON"), ("{}", "no rate"), ("{\"points\": [{}]}", "ceiling.json")]
    {
        let text = all.add("b.json", wrong.as_bytes(), &objective).unwrap_err();
        assert!(text.contains("b.json") && text.contains(part), "{text}");
    }
}

proptest! {
    #[test]
    fn more_is_never_less(
        ops in 1.0f64..2e6,
        keys in 1u64..1_000_000_000,
        reads in 0.0f64..=1.0,
        shared in any::<bool>(),
    ) {
        let one = Need {
            ops_per_s: ops,
            reads,
            working_set: WorkingSet::Keys(keys),
            replica_reads: shared,
            ..need()
        };
        let shards = plan(&one, &measured()).map(|plan| plan.shards);
        for more in [
            Need { ops_per_s: ops * 1.5, ..one.clone() },
            Need { working_set: WorkingSet::Keys(keys * 2), ..one.clone() },
            Need { utilisation: 0.5, ..one.clone() },
            Need { expires: true, ..one.clone() },
        ] {
            match (&shards, plan(&more, &measured())) {
                (Ok(few), Ok(plan)) => {
                    prop_assert!(plan.shards >= *few);
                    prop_assert!(plan.lines.iter().all(|line| line.value.is_finite()));
                }
                (Err(_), Ok(_)) => prop_assert!(false, "more was possible where less was not"),
                (_, Err(_)) => {}
            }
        }
    }

    #[test]
    fn no_more_is_copied_than_there_is(
        heap in 1.0f64..1e12,
        save_s in 0.0f64..1e5,
        writes in 0.0f64..1e7,
        value in 1u64..10_000_000,
    ) {
        let bytes = copied(heap, save_s, writes, value);
        prop_assert!((0.0..=heap).contains(&bytes));
        prop_assert!(copied(heap, save_s, writes * 2.0, value) >= bytes);
    }
}
