//! `stallion triage` against real servers and an application that knows nothing of the trouble: each of
//! five causes is provoked, and health, three seeded runs each, and each must be named.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use redis::{Connection, Pipeline, RedisResult, Value};
use serde_json::Value as Json;
use stallion_fault::{self as fault, Endpoint};
use stallion_server::Target;
use stallion_server::ask::cluster_nodes;
use stallion_server::ask::set_config;
use stallion_server::info::Info;
use stallion_stack::{Interrupt, Placement, Stack};
use stallion_stack::{Registry, StackKind, StackPlan};
use tempfile::TempDir;

use crate::evidence::keep;
use crate::harness::eventually;
use crate::harness::stallion::stallion;

const SEEDS: [u64; 3] = [1, 2, 3];
const VALUE_BYTES: usize = 300;
/// What the application reads at a time, and its pause after: a few thousand reads a second.
const BATCH: usize = 40;
const PAUSE: Duration = Duration::from_millis(8);

/// How an application uses its cache.
#[derive(Debug, Clone)]
struct Habits {
    prefix: &'static str,
    keys: u64,
    ttl_s: u64,
    /// Whether it stores what it missed.
    fills: bool,
    /// Of a hundred requests so many are updates.
    updates: u64,
}

const CALM: Habits =
    Habits { prefix: "v1:user:", keys: 4_000, ttl_s: 600, fills: true, updates: 10 };

/// An application over servers whose slots it learnt once, at its start.
struct App<'a> {
    habits: Mutex<Habits>,
    over: AtomicBool,
    stack: &'a Stack,
    seed: u64,
}

impl App<'_> {
    fn change(&self, change: impl FnOnce(&mut Habits)) {
        change(&mut self.habits.lock().unwrap());
    }

    fn work(&self) {
        let mut nodes = nodes(self.stack);
        let mut state = self.seed;
        while !self.over.load(Ordering::Relaxed) {
            let habits = self.habits.lock().unwrap().clone();
            let mut batches: Vec<Vec<(String, bool)>> = vec![Vec::new(); nodes.len()];
            for _ in 0..BATCH {
                let number = random(&mut state);
                let key = format!("{}{}", habits.prefix, number % habits.keys);
                let node = nodes.iter().position(|node| node.serves(&key)).unwrap();
                batches[node].push((key, random(&mut state) % 100 < habits.updates));
            }
            for (node, batch) in nodes.iter_mut().zip(batches) {
                // A node that is down answers nothing, and its share of the requests is lost.
                let _ = ask(&mut node.connection, &batch, &habits);
            }
            thread::sleep(PAUSE);
        }
    }
}

/// Reads or updates, and stores what was not there.
fn ask(connection: &mut Connection, batch: &[(String, bool)], habits: &Habits) -> RedisResult<()> {
    let mut first = Pipeline::new();
    first.ignore_errors();
    for (key, update) in batch {
        match update {
            true => set(&mut first, key, habits.ttl_s),
            false => first.cmd("GET").arg(key),
        };
    }
    let answers: Vec<RedisResult<Value>> = first.query(connection)?;
    let mut second = Pipeline::new();
    second.ignore_errors();
    for ((key, _), answer) in batch.iter().zip(answers) {
        if habits.fills && matches!(answer, Ok(Value::Nil)) {
            set(&mut second, key, habits.ttl_s);
        }
    }
    second.query::<Vec<RedisResult<Value>>>(connection).map(|_| ())
}

fn set<'a>(batch: &'a mut Pipeline, key: &str, ttl_s: u64) -> &'a mut Pipeline {
    batch.cmd("SET").arg(key).arg("x".repeat(VALUE_BYTES)).arg("EX").arg(ttl_s)
}

fn random(state: &mut u64) -> u64 {
    // splitmix64
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

struct Node {
    connection: Connection,
    /// None: it serves everything.
    slots: Option<Vec<std::ops::RangeInclusive<u16>>>,
}

impl Node {
    fn serves(&self, key: &str) -> bool {
        let slot = stallion_engine::cluster::slots::slot_of(key.as_bytes()).0;
        self.slots.as_ref().is_none_or(|slots| slots.iter().any(|range| range.contains(&slot)))
    }
}

fn nodes(stack: &Stack) -> Vec<Node> {
    let targets = stack.targets();
    let mut first = targets[0].connect().unwrap();
    let map = cluster_nodes(&mut first).unwrap_or_default();
    let patience = Some(Duration::from_millis(300));
    let node = |target: &Target| {
        let connection = target.connect().unwrap();
        connection.set_read_timeout(patience).unwrap();
        let member = map.iter().find(|member| member.port == target.place().1);
        Node { connection, slots: member.map(|member| member.slots.clone()) }
    };
    targets.iter().map(node).collect()
}

fn fill(stack: &Stack, habits: &Habits) {
    let mut nodes = nodes(stack);
    for node in &mut nodes {
        let all = (0..habits.keys).map(|number| format!("{}{number}", habits.prefix));
        let own: Vec<String> = all.filter(|key| node.serves(key)).collect();
        for keys in own.chunks(1_000) {
            let mut batch = Pipeline::new();
            for (place, key) in keys.iter().enumerate() {
                // As if they had been written over time.
                let age = place as u64 * habits.ttl_s / 2_000;
                set(&mut batch, key, habits.ttl_s - age).ignore();
            }
            batch.query::<()>(&mut node.connection).unwrap();
        }
    }
}

fn start(folder: &TempDir, plan: &StackPlan) -> Stack {
    let placement = Placement { server: None, client: None, others: Vec::new() };
    let registry = Registry::at(folder.path().canonicalize().unwrap().join("stacks"));
    Stack::start(plan, &placement, &registry).unwrap()
}

fn single() -> StackPlan {
    StackPlan::default()
}

fn cluster() -> StackPlan {
    StackPlan { kind: StackKind::Cluster, primaries: 3, replicas: 0, ..StackPlan::default() }
}

/// Triage with JSON to a file: exit code, object, and what stood on the terminal.
fn triage(port: u16, folder: &Path, more: &[&str]) -> (Option<i32>, Json, String) {
    let json = folder.join("told.json");
    let (port, path) = (port.to_string(), json.display().to_string());
    let flags = ["triage", "-p", &port, "--for", "1s", "--no-probes", "--json", &path];
    let ended = stallion(&[&flags, more].concat());
    let text = std::fs::read(&json).unwrap_or_else(|_| panic!("{ended:#?}"));
    (ended.code, serde_json::from_slice(&text).unwrap(), ended.out)
}

/// One case: an application at work, a snapshot of health, trouble, and what triage makes of it.
fn case(
    plan: &StackPlan,
    habits: Habits,
    seed: u64,
    trouble: impl FnOnce(&App<'_>) -> Option<Interrupt>,
) -> (Option<i32>, Json, String) {
    let folder = tempfile::tempdir().unwrap();
    let stack = start(&folder, plan);
    fill(&stack, &habits);
    let app = App { habits: Mutex::new(habits), over: AtomicBool::new(false), stack: &stack, seed };
    thread::scope(|scope| {
        scope.spawn(|| app.work());
        // Long enough that the first look is one at an application that has been at work.
        thread::sleep(Duration::from_millis(1_500));
        let good = folder.path().join("good.json").display().to_string();
        let (code, told, text) = triage(stack.port(), folder.path(), &["--save", &good]);
        assert_eq!(code, Some(0), "seed {seed}, before the trouble: {text}{told:#}");
        let ends = trouble(&app);
        let told = triage(stack.port(), folder.path(), &["--since", &good]);
        if let Some(ends) = ends {
            ends.raise();
        }
        app.over.store(true, Ordering::Relaxed);
        told
    })
}

/// Three seeded runs side by side, each of which must name the cause.
fn must_name(cause: &str, words: &str, run: impl Fn(u64) -> (Option<i32>, Json, String) + Sync) {
    thread::scope(|scope| {
        let runs = SEEDS.map(|seed| {
            (
                seed,
                scope.spawn({
                    let run = &run;
                    move || run(seed)
                }),
            )
        });
        let mut said = Vec::new();
        for (seed, run) in runs {
            let (code, told, text) = run.join().unwrap();
            assert_eq!(told["cause"], cause, "seed {seed}: {text}\n{told:#}");
            assert_eq!(code, Some(99), "seed {seed}: {text}");
            for part in ["FALLEN", &format!("CAUSE    {words}"), "DO "] {
                assert!(text.contains(part), "seed {seed}: {part} not in {text}");
            }
            said.push((seed, text));
        }
        keep(cause, &format!("CAUSE    {words}"), &said);
    });
}

/// What was idle is known to be so once it has been for longer than the window.
const SETTLES: Duration = Duration::from_millis(3_000);

#[test]
fn evictions_are_named() {
    must_name("evictions", "evictions", |seed| {
        case(&single(), CALM, seed, |app| {
            let mut connection = app.stack.target().connect().unwrap();
            let memory = Info::ask(&mut connection, "memory").unwrap();
            let used = memory.number("used_memory").unwrap();
            let dataset = memory.number("used_memory_dataset").unwrap();
            let limit = used - dataset * 4 / 10;
            let policy = ["allkeys-lru", "allkeys-random", "volatile-ttl"][seed as usize % 3];
            set_config(&mut connection, "maxmemory-policy", policy).unwrap();
            set_config(&mut connection, "maxmemory", &limit.to_string()).unwrap();
            thread::sleep(SETTLES);
            None
        })
    });
}

#[test]
fn shorter_times_to_live_are_named() {
    must_name("shorter-ttls", "shorter times to live", |seed| {
        let habits = Habits { updates: 20, keys: 2_000 + 500 * seed, ..CALM };
        case(&single(), habits, seed, |app| {
            app.change(|habits| habits.ttl_s = 1);
            thread::sleep(SETTLES);
            None
        })
    });
}

#[test]
fn renamed_keys_are_named() {
    must_name("renamed-keys", "renamed keys", |seed| {
        case(&single(), Habits { keys: 20_000, ..CALM }, seed, |app| {
            app.change(|habits| {
                habits.prefix = ["v2:user:", "v1:member:", "users/"][seed as usize % 3];
                // Somebody else fills the cache of the second application.
                habits.fills = seed != 2;
                habits.updates = if seed == 2 { 0 } else { habits.updates };
            });
            thread::sleep(SETTLES);
            None
        })
    });
}

#[test]
fn a_degraded_cluster_is_named() {
    must_name("degraded-cluster", "degraded cluster", |seed| {
        let mut plan = cluster();
        let coverage = if seed == 1 { "yes" } else { "no" };
        plan.config.insert("cluster-require-full-coverage".to_owned(), coverage.to_owned());
        case(&plan, CALM, seed, |app| {
            let target = &app.stack.targets()[seed as usize % 2 + 1];
            let mut connection = target.connect().unwrap();
            let slots = cluster_nodes(&mut connection).unwrap();
            let own = slots.iter().find(|member| member.port == target.place().1).unwrap();
            let (first, last) = (own.slots[0].start(), own.slots[0].end());
            if seed == 3 {
                // Nobody is dead, and nobody serves these slots.
                for target in app.stack.targets() {
                    let mut connection = target.connect().unwrap();
                    let mut forget = redis::cmd("CLUSTER");
                    forget.arg("DELSLOTSRANGE").arg(*first).arg(*last);
                    forget.query::<()>(&mut connection).unwrap();
                }
            } else {
                // It does not answer any more: it is gone.
                let _ = redis::cmd("SHUTDOWN").arg("NOSAVE").query::<()>(&mut connection);
                let mut other = app.stack.targets()[0].connect().unwrap();
                eventually("the others know that it failed", || {
                    cluster_nodes(&mut other).unwrap().iter().any(|member| member.has_failed)
                });
            }
            thread::sleep(Duration::from_millis(500));
            None
        })
    });
}

/// Moves slots as an operator would.
fn reshard(target: &Target, slots: &str, to: &Target, interrupt: &Interrupt) -> String {
    let (host, port) = to.place();
    let to = format!("{host}:{port}");
    let mut endpoint = Endpoint::connect(target, interrupt, true).unwrap();
    let reshard = fault::find("reshard").unwrap().read([("slots", slots), ("to", &to)]).unwrap();
    reshard.perform(&mut endpoint).unwrap().outcome
}

#[test]
fn resharding_is_named() {
    must_name("resharding", "resharding", |seed| {
        case(&cluster(), CALM, seed, |app| {
            let targets = app.stack.targets();
            let interrupt = Interrupt::new();
            if seed != 1 {
                let (slots, to) =
                    if seed == 2 { ("0-4000", &targets[1]) } else { ("6000-9000", &targets[2]) };
                assert_eq!(reshard(&targets[0], slots, to, &interrupt), "ok");
                return None;
            }
            // Still under way while triage looks.
            let (from, to) = (targets[0].clone(), targets[2].clone());
            let mover = interrupt.clone();
            thread::spawn(move || reshard(&from, "0-5400", &to, &mover));
            let mut connection = targets[2].connect().unwrap();
            eventually("some slots have moved", || {
                let map = cluster_nodes(&mut connection).unwrap();
                let taker = map.iter().find(|member| member.port == targets[2].place().1);
                taker.is_some_and(|member| member.slot_count() > 5_462 + 2_000)
            });
            Some(interrupt)
        })
    });
}

#[test]
fn health_is_called_healthy() {
    thread::scope(|scope| {
        let run = |seed: u64| {
            let plan = if seed == 3 { cluster() } else { single() };
            let habits = Habits { ttl_s: if seed == 2 { 60 } else { 600 }, ..CALM };
            case(&plan, habits, seed, |_| None)
        };
        let runs = SEEDS.map(|seed| (seed, scope.spawn(move || run(seed))));
        let mut said = Vec::new();
        for (seed, run) in runs {
            let (code, told, text) = run.join().unwrap();
            assert_eq!(
                (code, &told["verdict"]),
                (Some(0), &Json::from("healthy")),
                "{seed}: {text}"
            );
            assert!(text.contains("HEALTHY"), "{text}");
            said.push((seed, text));
        }
        keep("healthy", "HEALTHY", &said);
    });
}

#[test]
fn what_cannot_be_asked_or_compared_is_refused() {
    stallion(&["triage", "-p", "1", "--no-probes"]).expect(2, &["127.0.0.1:1", "-p/--port"]);
    stallion(&["triage", "--for", "1ms"]).expect(2, &["--for is out of range: give 100ms to 1h"]);
    stallion(&["triage", "--sample", "0"]).expect(2, &["--sample is out of range"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.json");
    let refused = |text: &str, words: &[&str]| {
        std::fs::write(&path, text).unwrap();
        stallion(&["triage", "--since", &path.display().to_string()]).expect(2, words);
    };
    refused("{", &["x.json", "no JSON", "--save"]);
    refused("{\"format\": 7}", &["x.json", "save it anew"]);
    refused("{\"format\": 1}", &["x.json", "missing field"]);
    // Nobody reads: that is no health.
    let stack = start(&folder, &single());
    let (code, told, text) = triage(stack.port(), folder.path(), &[]);
    assert_eq!((code, &told["verdict"]), (Some(3), &Json::from("not-shown")), "{text}");
    assert!(text.contains("nobody read a key"), "{text}");
}
