//! The engine against the simulated world: ten thousand seeds, and every request accounted for.
//!
//! A cluster's worlds cost more, so that a test run plays a thousand of them;
//! `STALLION_SEEDS=10000` plays more, and `STALLION_SEEDS=1000..2000` those.
//!
//! A failing seed is named; `STALLION_SEED=n cargo nextest run -p stallion-rings simulated` plays
//! it again alone.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cache;

mod cluster;

mod unanswered;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};

use cluster::{Control, Seen};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use stallion_engine::cluster::cluster_map::ClusterMap;
use stallion_engine::cluster::slots::RequestSlots;
use stallion_engine::limits::MAX_HOPS;
use stallion_engine::measure::histogram::Sum;
use stallion_engine::measure::interval::{Counted, Counts};
use stallion_engine::measure::outcome::ErrorKind;
use stallion_engine::measure::store::{STORE_TALLIES, StoreLoad, StoreTally};
use stallion_engine::mitigation::Choice;
use stallion_engine::ring::Ring;
use stallion_engine::worker::intervals::{IntervalOutlet, Intervals};
use stallion_engine::worker::routing::Routing;
use stallion_engine::worker::{
    ASKING, Dispatch, Greeting, Requests, RoutedSettings, Settings, Stage, Worker,
};
use stallion_engine::workload::arrivals::{Arrivals, Schedule};
use stallion_engine::workload::keys::Keys;
use stallion_engine::workload::mix::{Mix, Ttl};
use stallion_engine::workload::{Fill, Traffic, Workload};
use stallion_resp::command::{Command, Commands, built_in};
use stallion_resp::encoder::{Encoder, request};
use stallion_resp::sizes::Sizes;
use stallion_resp::values::{Content, Values};
use stallion_rings::simulated::{Faults, Simulated, World};

/// The warm-up of a world.
const WARMUP_NS: u64 = 5_000_000;

const INTERVAL_NS: u64 = 10_000_000;

/// The slots of all keys: their tables are made once. A shorter mix has the first of these commands.
static SLOTS: LazyLock<RequestSlots> = LazyLock::new(|| {
    let encoder = Encoder::new(all_commands().with_parts(), "key:", Values::fixed(1, 1));
    RequestSlots::new(encoder.commands().len(), |command, key| encoder.key_text(command, key))
});

/// What one run came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Played {
    counts: Counts,
    last_backlog: u64,
    in_flight: u64,
    errors: Vec<u64>,
    recorded: u64,
    /// Response times that were counted, and those of them that have no answer.
    responses: u64,
    unanswered: u64,
    /// Requests of the warm-up that were never sent may be so many.
    due_before: u64,
    open: bool,
    end_ns: u64,
    /// Of a cluster.
    seen: Seen,
    /// Of a store behind the cache.
    store: StoreLoad,
}

/// What the simulated server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    Server,
    Cluster,
    /// A cache before a store, alone or as a cluster.
    Cache,
}

fn faults(random: &mut Xoshiro256PlusPlus) -> Faults {
    let mut rare = |most: f64| {
        if random.random::<bool>() { random.random::<f64>() * most } else { 0.0 }
    };
    Faults {
        refuse: rare(0.5),
        reset: rare(0.02),
        cut: rare(0.02),
        partial: rare(1.0),
        split: rare(1.0),
        silence: rare(0.005),
        garbage: rare(0.01),
        error: rare(0.2),
        miss: rare(0.2),
        push: rare(0.2),
        delay_ns: 1 << random.random_range(10..23),
    }
}

fn schedule(random: &mut Xoshiro256PlusPlus) -> Schedule {
    match random.random_range(0..3) {
        0 => Schedule::Closed,
        1 => Schedule::Constant { rate: random.random_range(100..200_000) },
        _ => Schedule::Poisson { rate: random.random_range(100..200_000) },
    }
}

fn collect(outlet: &mut IntervalOutlet, played: &mut Played) {
    while let Ok(mut interval) = outlet.full.pop() {
        let counts = interval.counts;
        played.counts.due += counts.due;
        played.counts.sent += counts.sent;
        played.counts.answered += counts.answered;
        played.counts.failed += counts.failed;
        played.counts.timeouts += counts.timeouts;
        played.counts.lost += counts.lost;
        (played.last_backlog, played.in_flight) = (interval.backlog, interval.in_flight);
        played.errors.resize(ErrorKind::COUNT, 0);
        for (sum, count) in played.errors.iter_mut().zip(interval.errors) {
            *sum += count;
        }
        let mut sum = Sum::default();
        interval.service.drain_into(&mut sum);
        played.recorded += sum.histogram().len();
        for (recording, total) in [
            (&mut interval.response, &mut played.responses),
            (&mut interval.unanswered, &mut played.unanswered),
        ] {
            let mut sum = Sum::default();
            recording.drain_into(&mut sum);
            *total += sum.total();
        }
        if let Some(cluster) = &interval.cluster {
            played.seen.count(cluster);
        }
        if let Some(store) = &interval.store {
            played.store.add(&store.load);
        }
        interval.reset();
        outlet.spare.push(interval).unwrap();
    }
}

/// Values of one size, or by a distribution.
fn values(seed: u64, random: &mut Xoshiro256PlusPlus) -> Values {
    let size = random.random_range(0..300);
    let sizes = if random.random::<bool>() {
        Sizes::Fixed(size)
    } else {
        format!("{size}-{}", size + 90).parse().unwrap()
    };
    Values::new(seed, sizes, Content::Random)
}

/// A mix of what there is.
fn all_commands() -> Commands {
    let names = ["get", "set", "incr", "mget:3", "mset:2", "hset", "hget", "evalsha", "del:2"];
    Commands::of(names.map(|name| built_in(name).unwrap()).to_vec())
}

/// Reads and writes, or a mix of what there is, or transactions of it. A fill writes by the first.
fn commands(random: &mut Xoshiro256PlusPlus, filling: bool, clustered: bool) -> Commands {
    if filling {
        return Commands::of(vec![Command::set(1)]);
    }
    let mut list = all_commands().list;
    let transaction = (random.random_range(0..4) == 0).then(|| random.random_range(1..5));
    // In a cluster a transaction is about one key, and keys of other types have other names.
    if random.random::<bool>() || clustered && transaction.is_some() {
        list.truncate(2);
    }
    let commands = Commands { list, transaction };
    if clustered { commands.with_parts() } else { commands }
}

/// How a worker is played.
struct Length {
    seed: u64,
    random: Xoshiro256PlusPlus,
    filling: bool,
    cluster_map: Option<Arc<ClusterMap>>,
    schedule: Schedule,
}

impl Length {
    fn play<D: Dispatch>(
        mut self,
        mut worker: Worker<Simulated, D>,
        mut outlet: IntervalOutlet,
    ) -> Played {
        let stop = AtomicBool::new(false);
        for _ in 0..self.random.random_range(1..2_000) {
            worker.tick(&stop);
        }
        let start = worker.ring().now() + 1_000_000;
        let length_ns = self.random.random_range(1..80_000_000);
        worker.begin(start, start + WARMUP_NS, start + length_ns);
        let open = self.schedule.is_open();
        let mut counter = Arrivals::new(&self.schedule, 0, 1, self.seed);
        counter.begin(start, start + length_ns);
        let due_before = if open { counter.count_before(start + WARMUP_NS) } else { 0 };
        let mut played = Played { open, due_before, ..Played::default() };
        let mut control =
            self.cluster_map.map(|cluster_map| Control::new(cluster_map, start, self.seed));
        let mut turns = 0;
        while worker.stage() != Stage::Finished {
            worker.tick(&stop);
            collect(&mut outlet, &mut played);
            turns += 1;
            if let (Some(control), Some(world)) = (&mut control, worker.ring().world()) {
                control.look(world, worker.ring().now());
            }
            if self.filling && turns == 1_000_000 {
                stop.store(true, std::sync::atomic::Ordering::Relaxed);
            }
        }
        collect(&mut outlet, &mut played);
        if let Some(control) = &control {
            played.seen.end(worker.ring(), control);
        }
        played.end_ns = worker.ring().now().0;
        played
    }
}

fn play(seed: u64, is: Is) -> Played {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let plan = (is == Is::Cache).then(|| cache::store(&mut random));
    let clustered = is == Is::Cluster || is == Is::Cache && random.random();
    let stamps = plan.as_ref().is_some_and(|plan| plan.settings.stampede.stamps());
    let values = if stamps { Values::fixed(seed, 100) } else { values(seed, &mut random) };
    let connections = random.random_range(1..6);
    let pipeline = random.random_range(1..9);
    let schedule = schedule(&mut random);
    // A storm without end ends for a client that is patient: it gives up. Nothing else happens then,
    // since that takes ten seconds, and a lost connection is looked at every millisecond.
    let patient = is == Is::Cluster && seed.is_multiple_of(50);
    let schedule = if patient { Schedule::Constant { rate: 500 } } else { schedule };
    let filling = random.random_range(0..4) == 0 && !schedule.is_open() && plan.is_none();
    let mut commands = commands(&mut random, filling, clustered);
    if plan.is_some() {
        commands.transaction = None;
    }
    let encoder = Encoder::new(commands.clone(), "key:", values.clone());
    let workload = if filling {
        Workload::Fill(Fill::new(0, 500, 0, 1, Ttl::NONE, seed, 16 * pipeline))
    } else {
        let mix = Mix::new(&commands.list, Ttl { fraction: 0.5, min_s: 1, max_s: 99 });
        let traffic = Traffic::new(Keys::Uniform { keys: 1_000 }, mix, seed);
        Workload::Traffic(match commands.transaction_id().zip(commands.transaction) {
            Some((id, count)) => traffic.in_transactions(id, count, clustered),
            None => traffic,
        })
    };
    let greeting = if random.random::<bool>() {
        Greeting { bytes: request(&[b"HELLO", b"3"]), replies: 1 }
    } else {
        Greeting::default()
    };
    let requests_per_connection =
        if random.random_range(0..4) == 0 { random.random_range(1..20) } else { u64::MAX };
    let mut cluster_faults = clustered.then(|| cluster::faults(&mut random));
    if let Some(faults) = cluster_faults.as_mut().filter(|_| patient) {
        (faults.storm, faults.passing, faults.dies, faults.slow) = (1.0, 0.0, None, None);
    }
    let world = cluster_faults.map(World::new);
    let choices = [None, Some(Choice::RoundRobin), Some(Choice::Random), Some(Choice::Nearest)];
    let choice = choices[random.random_range(0..choices.len())].map(|choice| (choice, seed));
    let routing = match &world {
        Some(world) => Some(cluster::routing(world, connections, random.random(), choice)),
        None => plan.as_ref().map(|_| cache::alone(connections, &SLOTS)),
    };
    let cluster_map = routing.as_ref().map(|routing| Arc::clone(&routing.cluster_map));
    let connections = routing.as_ref().map_or(connections, Routing::places);
    let longest = encoder.longest() + if routing.is_some() { ASKING.len() } else { 0 };
    let half_bytes = (longest * pipeline).max(greeting.bytes.len());
    let mut faults = if patient { Faults::NONE } else { faults(&mut random) };
    if filling {
        (faults.silence, faults.reset, faults.garbage) = (0.0, 0.001, 0.001);
    }
    let ring = Simulated::new(seed, connections, half_bytes, faults, values);
    let ring = if stamps { ring.with_stamps() } else { ring };
    let ring = match world {
        None => ring,
        Some(world) => ring.with_cluster(world),
    };
    let places = if random.random::<bool>() { 4 } else { 10_000 };
    let cache_aside = plan.as_ref().map(|plan| cache::aside(plan, places, seed));
    let open = schedule.is_open();
    let settings = Settings {
        connections,
        pipeline,
        open,
        verify: !stamps,
        greeting,
        requests_per_connection,
        timeout_ns: if patient { 30_000_000_000 } else { 40_000_000 },
        slow_ns: 1_000_000,
    };
    let requests = Requests { arrivals: Arrivals::new(&schedule, 0, 1, seed), workload, encoder };
    let length = Length { seed, random, filling, cluster_map, schedule };
    let played = match routing {
        None => {
            let (intervals, outlet) = Intervals::new(INTERVAL_NS, seed, Counted::default());
            length.play(Worker::direct(ring, settings, requests, intervals), outlet)
        }
        Some(routing) => {
            let routed = RoutedSettings { routing, mitigation: None, cache_aside };
            let (intervals, outlet) = Intervals::new(INTERVAL_NS, seed, routed.counted());
            length.play(Worker::routed(ring, settings, routed, requests, intervals), outlet)
        }
    };
    let Counts { due, sent, answered, timeouts, lost, .. } = played.counts;
    assert_eq!(due, sent + played.last_backlog, "due = sent + unsent");
    assert_eq!(sent, answered + timeouts + lost, "every request sent has an end");
    assert_eq!(played.recorded, sent, "and a service time");
    assert_eq!(played.in_flight, 0);
    unanswered::check(&played);
    // Of a request that is divided each part has its own.
    let most = (sent + played.seen.parts) * u64::from(MAX_HOPS);
    assert!(played.seen.again <= most, "hops are bounded");
    let wrong = [ErrorKind::Verify, ErrorKind::Unexpected].map(|kind| played.errors[kind as usize]);
    assert_eq!(wrong, [0, 0], "a reply was given to a request that is not its own");
    assert_eq!(played.seen.met.crossed, 0, "each request is of one slot");
    played
}

/// The seeds to play: so many, or those that STALLION_SEEDS says, or the one of STALLION_SEED.
fn seeds(usual: u64) -> std::ops::Range<u64> {
    let number = |text: &str| text.parse::<u64>().unwrap();
    if let Ok(seed) = std::env::var("STALLION_SEED") {
        return number(&seed)..number(&seed) + 1;
    }
    let Ok(asked) = std::env::var("STALLION_SEEDS") else { return 0..usual };
    match asked.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => 0..number(&asked),
    }
}

/// Plays all seeds and names the first that fails.
fn play_all(usual: u64, is: Is) -> Played {
    let mut all = Played::default();
    for seed in seeds(usual) {
        match std::panic::catch_unwind(|| play(seed, is)) {
            Ok(played) => {
                all.counts.answered += played.counts.answered;
                all.seen.add(&played.seen);
                all.store.add(&played.store);
            }
            Err(_) => panic!("seed {seed} fails; replay it with STALLION_SEED={seed}"),
        }
    }
    all
}

#[test]
fn ten_thousand_worlds_are_accounted_for() {
    assert!(play_all(10_000, Is::Server).counts.answered > 0, "the worlds answer");
}

#[test]
fn a_thousand_clusters_are_accounted_for() {
    let all = play_all(1_000, Is::Cluster);
    if std::env::var_os("STALLION_SEED").is_none() {
        assert!(all.counts.answered > 0, "the worlds answer");
        for (name, count) in all.seen.faults() {
            assert!(count > 0, "{name} was played: {:?}", all.seen);
        }
    }
}

#[test]
fn a_thousand_caches_are_accounted_for() {
    let all = play_all(1_000, Is::Cache);
    if std::env::var_os("STALLION_SEED").is_none() {
        for (tally, name) in STORE_TALLIES {
            // The stand-in never fails.
            let seen = all.store.of(tally) > 0;
            assert_eq!(seen, tally != StoreTally::Failed, "{name}");
        }
        assert!(all.store.herd_max > 1, "readers met at the store: {:?}", all.store);
    }
}

#[test]
fn a_seed_plays_the_same_run_twice() {
    for seed in 0..50 {
        for is in [Is::Server, Is::Cluster, Is::Cache] {
            assert_eq!(play(seed, is), play(seed, is));
        }
    }
}
