//! The hot path allocates nothing: a worker plays against a real server, and an allocator counts.
//!
//! Only this thread counts, and only inside of [`Worker::tick`]: what the recorder does with
//! intervals is its own affair.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what a test needs must be there")]

mod server;

#[path = "../tls/mod.rs"]
mod tls;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use stallion_engine::cluster::cluster_map::ClusterMap;
use stallion_engine::cluster::slot_map::{Node, Row, SlotMap};
use stallion_engine::cluster::slots::RequestSlots;
use stallion_engine::measure::interval::Counted;
use stallion_engine::ring::Ring;
use stallion_engine::store::cache_aside::CacheAside;
use stallion_engine::store::service_time::ServiceTime;
use stallion_engine::store::simulated_store::{Servers, SimulatedStore};
use stallion_engine::store::{CacheAsideSettings, Stampede, Store};
use stallion_engine::units::{Nanos, NodeId};
use stallion_engine::worker::intervals::{IntervalOutlet, Intervals};
use stallion_engine::worker::routing::Routing;
use stallion_engine::worker::{
    ASKING, Direct, Dispatch, Greeting, Requests, Routed, RoutedSettings, Settings, Stage, Worker,
};
use stallion_engine::workload::arrivals::{Arrivals, Schedule};
use stallion_engine::workload::keys::{Keys, Zipf};
use stallion_engine::workload::mix::{Mix, Ttl};
use stallion_engine::workload::{Traffic, Workload};
use stallion_resp::command::{Commands, built_in};
use stallion_resp::encoder::{Encoder, key_text, request};
use stallion_resp::units::CommandId;
use stallion_resp::values::{Content, Values};
use stallion_rings::socket::Address;
use stallion_rings::tls_files::{TlsFiles, read};
use stallion_rings::tls_ring::Tls;
use stallion_rings::uring::Uring;
use stallion_rings::wait::WaitPolicy;

use server::{Server, free_port};
use tls::Certificates;

/// Counts what the thread asks for while it is watched.
struct Counting;

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    if WATCHED.get() {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
    }
}

// SAFETY: every call goes to the system's allocator as it came; counting allocates nothing,
// since the thread's cells are constants without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations (and releases) in one piece of work.
fn allocations_of(work: impl FnOnce()) -> u64 {
    ALLOCATIONS.set(0);
    WATCHED.set(true);
    work();
    WATCHED.set(false);
    ALLOCATIONS.get()
}

const CONNECTIONS: usize = 16;
const PIPELINE: usize = 8;
const SEED: u64 = 7;

/// How a cluster of one node is driven.
fn routing(server: &Server) -> Routing {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port));
    let node = Node { host: address.ip().to_string(), port: address.port() };
    let map = SlotMap::of(&[Row { first: 0, last: 16_383, nodes: vec![node] }]);
    let cluster_map = Arc::new(ClusterMap::default());
    cluster_map.publish(&map, &[Some(address)]);
    let name = |_, key| key_text("key:", key).into_bytes();
    let (slots, primaries) = (RequestSlots::new(2, name), vec![NodeId(0)]);
    let (retries, fixed, reads) = (true, false, None);
    Routing { cluster_map, slots, primaries, connections: CONNECTIONS, retries, fixed, reads }
}

fn plain(address: Address, connections: usize, half_bytes: usize) -> Uring {
    Uring::new(address, connections, half_bytes, WaitPolicy::Block).unwrap()
}

/// What a worker is made of, but for its ring.
struct Parts {
    settings: Settings,
    requests: Requests,
    half_bytes: usize,
}

fn parts(
    schedule: &Schedule,
    (commands, sizes): (&Commands, &str),
    routed: Option<&RoutedSettings>,
) -> Parts {
    let values = Values::new(SEED, sizes.parse().unwrap(), Content::Random);
    let encoder = Encoder::new(commands.clone(), "key:", values);
    let half_bytes = (encoder.longest() + ASKING.len()) * PIPELINE;
    let connections = routed.map_or(CONNECTIONS, |routed| routed.routing.places());
    let ttl = Ttl { fraction: 0.5, min_s: 60, max_s: 3_600 };
    let keys = Keys::Zipfian(Box::new(Zipf::new(10_000, 1.1)));
    let traffic = Traffic::new(keys, Mix::new(&commands.list, ttl), SEED);
    let traffic = match commands.transaction_id().zip(commands.transaction) {
        Some((id, count)) => traffic.in_transactions(id, count, routed.is_some()),
        None => traffic,
    };
    let settings = Settings {
        connections,
        pipeline: PIPELINE,
        open: schedule.is_open(),
        verify: true,
        greeting: Greeting { bytes: request(&[b"HELLO", b"3"]), replies: 1 },
        requests_per_connection: u64::MAX,
        timeout_ns: 10_000_000_000,
        // Every request is a slow one, so that the log of slow requests is on the path, too.
        slow_ns: 1,
    };
    let workload = Workload::Traffic(traffic);
    let arrivals = Arrivals::new(schedule, 0, 1, SEED);
    Parts { settings, requests: Requests { arrivals, workload, encoder }, half_bytes }
}

/// A worker for the server at a port.
fn direct<R: Ring>(
    make: impl FnOnce(Address, usize, usize) -> R,
    port: u16,
    schedule: &Schedule,
    what: (&Commands, &str),
) -> (Worker<R, Direct>, IntervalOutlet) {
    let Parts { settings, requests, half_bytes } = parts(schedule, what, None);
    let ring = make(address(port), settings.connections, half_bytes);
    let (intervals, outlet) = Intervals::new(10_000_000, SEED, Counted::default());
    (Worker::direct(ring, settings, requests, intervals), outlet)
}

/// A worker for the nodes of a cluster, of which one is at a port.
fn routed(
    port: u16,
    schedule: &Schedule,
    what: (&Commands, &str),
    routed: RoutedSettings,
) -> (Worker<Uring, Routed>, IntervalOutlet) {
    let Parts { settings, requests, half_bytes } = parts(schedule, what, Some(&routed));
    let ring = plain(address(port), settings.connections, half_bytes);
    let (intervals, outlet) = Intervals::new(10_000_000, SEED, routed.counted());
    (Worker::routed(ring, settings, routed, requests, intervals), outlet)
}

fn address(port: u16) -> Address {
    Address::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

/// What the recorder does: takes full intervals, gives empty ones back.
fn recycle(outlet: &mut IntervalOutlet) -> u64 {
    let mut answered = 0;
    while let Ok(mut interval) = outlet.full.pop() {
        answered += interval.counts.answered;
        assert_eq!(interval.counts.failed, 0);
        interval.reset();
        outlet.spare.push(interval).unwrap();
    }
    answered
}

/// Ticks until `wanted` more requests are answered; gives back the allocations of the ticks.
fn drive<R: Ring, D: Dispatch>(
    worker: &mut Worker<R, D>,
    outlet: &mut IntervalOutlet,
    wanted: u64,
) -> u64 {
    let stop = AtomicBool::new(false);
    let (mut answered, mut allocations) = (0, 0);
    while answered < wanted {
        allocations += allocations_of(|| worker.tick(&stop));
        answered += recycle(outlet);
    }
    allocations
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations_of(|| drop(std::hint::black_box(Box::new(1)))), 2);
    assert_eq!(allocations_of(|| ()), 0);
}

/// Plays a hundred thousand requests; none of them may allocate.
fn allocates_nothing(schedule: &Schedule, commands: &Commands, sizes: &str) {
    let server = Server::start();
    let made = direct(plain, server.port, schedule, (commands, sizes));
    assert_eq!(allocations_in_a_run(made), 0, "{schedule:?}");
}

fn allocates_nothing_at(
    server: &Server,
    schedule: &Schedule,
    commands: &Commands,
    sizes: &str,
    settings: RoutedSettings,
) {
    let made = routed(server.port, schedule, (commands, sizes), settings);
    assert_eq!(allocations_in_a_run(made), 0, "{schedule:?}");
}

const fn to_cluster(routing: Routing) -> RoutedSettings {
    RoutedSettings { routing, mitigation: None, cache_aside: None }
}

/// Those of a hundred thousand requests.
fn allocations_in_a_run<R: Ring, D: Dispatch>(
    (mut worker, mut outlet): (Worker<R, D>, IntervalOutlet),
) -> u64 {
    let stop = AtomicBool::new(false);
    while worker.open_connections() < CONNECTIONS {
        worker.tick(&stop);
    }
    let start = worker.ring().now() + 1_000_000;
    worker.begin(start, start, Nanos::NEVER);
    // From the first request on: there is no warm-up that could hide a growing queue.
    let allocations = drive(&mut worker, &mut outlet, 100_000);
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    while worker.stage() != Stage::Finished {
        worker.tick(&stop);
        recycle(&mut outlet);
    }
    allocations
}

/// rustls makes a buffer for each record in each direction and frees it again. A pipeline goes out as one
/// record, and so do its answers, so that a request at a pipeline of 8 allocates and frees half a time.
#[test]
fn tls_allocates_two_buffers_for_a_pipeline_and_its_answers() {
    let (certificates, port) = (Certificates::new(), free_port());
    let settings = certificates.settings("host", port, "no");
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let _server = Server::start_with(&settings);
    let files = TlsFiles { ca: Some(certificates.certificate("authority")), ..TlsFiles::default() };
    let client = read(&files).unwrap();
    let make = |address, connections, half_bytes| {
        let over = |address, connections, half_bytes| {
            Ok(Box::new(plain(address, connections, half_bytes)) as Box<dyn Ring>)
        };
        Tls::over(client, address, (connections, half_bytes), over).unwrap()
    };
    let commands = Commands::reads_and_writes(1, 1);
    let made = direct(make, port, &Schedule::Closed, (&commands, "100"));
    let each = allocations_in_a_run(made) as f64 / 100_000.0;
    println!("{each} allocations and releases a request");
    assert!((0.4..0.6).contains(&each), "{each} allocations and releases a request");
}

#[test]
fn a_hundred_thousand_requests_allocate_nothing() {
    for schedule in
        [Schedule::Closed, Schedule::Constant { rate: 40_000 }, Schedule::Poisson { rate: 40_000 }]
    {
        allocates_nothing(&schedule, &Commands::reads_and_writes(1, 1), "100");
    }
}

#[test]
fn nor_do_those_to_a_cluster() {
    let server = Server::start_cluster();
    for schedule in [Schedule::Closed, Schedule::Poisson { rate: 40_000 }] {
        let (commands, routing) = (Commands::reads_and_writes(1, 1), routing(&server));
        allocates_nothing_at(&server, &schedule, &commands, "100", to_cluster(routing));
    }
    let several = ["get", "mget:5", "mset:2"].map(|name| built_in(name).unwrap()).to_vec();
    let commands = Commands::of(several).with_parts();
    let routed = to_cluster(routing(&server));
    allocates_nothing_at(&server, &Schedule::Closed, &commands, "100", routed);
}

#[test]
fn nor_do_those_to_a_cache_before_a_store() {
    let server = Server::start();
    for coalesce in [false, true] {
        let service_time = ServiceTime::Exponential { mean_ns: 200_000 };
        let settings = CacheAsideSettings {
            servers: 16,
            queue: 10_000,
            stampede: Stampede { coalesce, ..Stampede::default() },
            ttl_ns: 1_000_000_000,
            jitter: 0.5,
        };
        let servers = Arc::new(Servers::new(settings.servers, settings.queue));
        let store = Store::SimulatedStore(SimulatedStore::new(servers, service_time, 10_000, SEED));
        let ids = (CommandId(0), CommandId(1));
        let aside = CacheAside::new(&settings, (store, Arc::default()), ids, 10_000, SEED);
        let commands = Commands::reads_and_writes(1, 0).with_refill();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port));
        let cluster_map = Arc::new(ClusterMap::fixed(&[address]).unwrap());
        let routing = Routing { cluster_map, fixed: true, ..routing(&server) };
        let schedule = Schedule::Poisson { rate: 30_000 };
        let cache_aside = Some(aside);
        let routed = RoutedSettings { routing, mitigation: None, cache_aside };
        allocates_nothing_at(&server, &schedule, &commands, "100", routed);
    }
}

#[test]
fn a_mix_of_commands_allocates_nothing_either() {
    let names = ["get", "set", "incr", "mget:3", "mset:2", "hset", "hget", "hgetall", "zadd"];
    let list = names.map(|name| built_in(name).unwrap()).to_vec();
    allocates_nothing(&Schedule::Closed, &Commands::of(list.clone()), "10-300");
    let in_transactions = Commands { list, transaction: Some(3) };
    allocates_nothing(&Schedule::Closed, &in_transactions, "10-300");
}
