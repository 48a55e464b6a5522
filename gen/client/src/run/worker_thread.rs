//! One worker's thread: pin, make the ring, open the connections, wait for the start, tick.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};

use crate::control::greeting::session;
use crate::control::preflight::{StartError, connection_remedy};
use crate::plan::{Distribution, Plan, Work};
use stallion_engine::limits::CONNECT_TIMEOUT_NS;
use stallion_engine::measure::interval::Counted;
use stallion_engine::mitigation::versions::Versions;
use stallion_engine::ring::Ring;
use stallion_engine::units::Nanos;
use stallion_engine::worker::intervals::{IntervalOutlet, Intervals};
use stallion_engine::worker::routing::Routing;
use stallion_engine::worker::{Dispatch, Requests, RoutedSettings, Settings, Stage, Worker};
use stallion_engine::workload::arrivals::{Arrivals, Schedule};
use stallion_engine::workload::keys::{Keys, Zipf};
use stallion_engine::workload::mix::Mix;
use stallion_engine::workload::replay::Replay;
use stallion_engine::workload::{Fill, Traffic, Workload};
use stallion_resp::encoder::Encoder;
use stallion_rings::epoll::Epoll;
use stallion_rings::socket::Address;
use stallion_rings::tls::TlsClient;
use stallion_rings::tls_ring::Tls;
use stallion_rings::uring::Uring;
use stallion_rings::wait::{Io, WaitPolicy};

use super::routing_plan;

/// Refusals after which opening is given up, for each connection wanted.
const REFUSALS_PER_CONNECTION: u64 = 3;

/// A worker that has opened all its connections.
pub(super) struct Opened {
    pub(super) index: usize,
    pub(super) outlet: IntervalOutlet,
    pub(super) tid: u32,
    pub(super) first_connection: u32,
}

/// The word to begin.
pub(super) struct Start {
    pub(super) start: Nanos,
    pub(super) origin: Nanos,
    pub(super) end: Nanos,
}

/// Where the server is, and of a cluster what is known of it.
pub(super) struct Endpoint<'a> {
    pub(super) address: Address,
    pub(super) cluster: Option<&'a routing_plan::RoutingPlan>,
    /// Of a run that measures how old answers are.
    pub(super) versions: Option<Versions>,
    /// The store behind the cache.
    pub(super) store: Option<routing_plan::SharedStore>,
}

/// How a worker's thread and the run's talk to each other.
pub(super) struct Channels {
    /// Its connections are open, or cannot be opened.
    pub(super) ready: Sender<Result<Opened, StartError>>,
    /// When to begin.
    pub(super) started: Receiver<Start>,
    /// It has ended.
    pub(super) finished: Sender<usize>,
}

/// What a worker's thread is made of.
pub(super) struct WorkerThread {
    index: usize,
    cpu: Option<usize>,
    first_connection: u32,
    target: String,
    address: Address,
    /// Connections that must be open before it begins.
    wanted: usize,
    half_bytes: usize,
    io: Io,
    tls: Option<TlsClient>,
    wait: WaitPolicy,
    settings: Settings,
    requests: Requests,
    /// With more than one server, or with a store behind it.
    routed: Option<RoutedSettings>,
    interval_ns: u64,
    seed: u64,
    stop: Arc<AtomicBool>,
}

impl WorkerThread {
    pub(super) fn new(
        plan: &Plan,
        index: usize,
        endpoint: &Endpoint<'_>,
        encoder: Encoder,
        schedule: &Schedule,
        stop: &Arc<AtomicBool>,
    ) -> Self {
        let (worker, workers) = (index as u64, plan.workers() as u64);
        let conns = plan.conns_of(index);
        // Golden-ratio steps: the workers' generators start far apart.
        let seed = plan.seed.wrapping_add(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(worker + 1));
        let routing = endpoint
            .cluster
            .map(|routes| routing_plan::routing(plan, index, routes, seed ^ 0x4ead));
        let connections = routing.as_ref().map_or(conns, Routing::places);
        let longest = routing_plan::longest(&encoder, routing.is_some());
        let greeting = session(plan);
        Self {
            index,
            cpu: plan.cores.get(index).copied(),
            first_connection: (0..index).map(|before| plan.conns_of(before) as u32).sum(),
            target: plan.credentials.url(&plan.target),
            address: endpoint.address.clone(),
            wanted: conns,
            half_bytes: (longest * plan.pipeline).max(greeting.bytes.len()),
            io: plan.io,
            tls: plan.credentials.tls.clone(),
            wait: plan.wait,
            settings: Settings {
                connections,
                pipeline: plan.pipeline,
                open: schedule.is_open(),
                verify: plan.verify,
                greeting,
                requests_per_connection: plan.reconnect_every.unwrap_or(u64::MAX),
                timeout_ns: plan.timeout_ns,
                slow_ns: plan.slow_threshold_ns,
            },
            requests: Requests {
                arrivals: Arrivals::new(schedule, worker, workers, plan.seed),
                workload: workload(plan, worker, workers, seed, conns * plan.pipeline),
                encoder,
            },
            routed: routing.map(|routing| RoutedSettings {
                routing,
                mitigation: routing_plan::mitigation(
                    plan,
                    endpoint.versions.as_ref(),
                    seed ^ 0x57a7,
                ),
                cache_aside: endpoint
                    .store
                    .as_ref()
                    .and_then(|store| store.of_worker(plan, index, seed ^ 0xa51de)),
            }),
            interval_ns: plan.interval_ns,
            seed,
            stop: Arc::clone(stop),
        }
    }

    pub(super) fn work(self, channels: &Channels) {
        let Some(tls) = self.tls.clone() else {
            return match self.io {
                Io::Uring => self.work_on(Uring::new, channels),
                Io::Epoll => self.work_on(Epoll::new, channels),
            };
        };
        let io = self.io;
        let make = |address, connections, half_bytes, wait| {
            Tls::over(tls, address, (connections, half_bytes), |address, connections, half| {
                Ok(match io {
                    Io::Uring => Box::new(Uring::new(address, connections, half, wait)?),
                    Io::Epoll => Box::new(Epoll::new(address, connections, half, wait)?),
                })
            })
        };
        self.work_on(make, channels);
    }

    /// Makes a ring on this thread, which will use it, for an address, connections, bytes of half an
    /// outgoing buffer, and a way to wait; and works on it.
    fn work_on<R: Ring>(
        mut self,
        make: impl FnOnce(Address, usize, usize, WaitPolicy) -> std::io::Result<R>,
        channels: &Channels,
    ) {
        let Some(routed) = self.routed.take() else {
            return self.work_as(make, Counted::default(), Worker::direct, channels);
        };
        let counted = routed.counted();
        let worker = |ring, settings, requests, intervals| {
            Worker::routed(ring, settings, routed, requests, intervals)
        };
        self.work_as(make, counted, worker, channels);
    }

    fn work_as<R: Ring, D: Dispatch>(
        self,
        make: impl FnOnce(Address, usize, usize, WaitPolicy) -> std::io::Result<R>,
        counted: Counted,
        worker: impl FnOnce(R, Settings, Requests, Intervals) -> Worker<R, D>,
        channels: &Channels,
    ) {
        let (index, stop) = (self.index, Arc::clone(&self.stop));
        let mut worker = match self.open(make, counted, worker) {
            Ok((worker, opened)) => {
                let _ = channels.ready.send(Ok(opened));
                worker
            }
            Err(error) => {
                let _ = channels.ready.send(Err(error));
                return;
            }
        };
        // No start: another worker could not open, and the run is off.
        let Ok(start) = channels.started.recv() else { return };
        worker.begin(start.start, start.origin, start.end);
        while worker.stage() != Stage::Finished {
            worker.tick(&stop);
        }
        let _ = channels.finished.send(index);
    }

    fn open<R: Ring, D: Dispatch>(
        self,
        make: impl FnOnce(Address, usize, usize, WaitPolicy) -> std::io::Result<R>,
        counted: Counted,
        worker: impl FnOnce(R, Settings, Requests, Intervals) -> Worker<R, D>,
    ) -> Result<(Worker<R, D>, Opened), StartError> {
        super::background::forward();
        if let Some(id) = self.cpu {
            core_affinity::set_for_current(core_affinity::CoreId { id });
        }
        let (wanted, places) = (self.wanted, self.settings.connections);
        let (target, io) = (self.target, self.io);
        let mut ring = make(self.address, places, self.half_bytes, self.wait)
            .map_err(|error| no_ring(io, error, target.clone(), wanted))?;
        if self.settings.open {
            ring.stamp_receives();
        }
        let (intervals, outlet) = Intervals::new(self.interval_ns, self.seed, counted);
        let mut worker = worker(ring, self.settings, self.requests, intervals);
        let deadline = worker.ring().now() + 2 * CONNECT_TIMEOUT_NS;
        while worker.open_connections() < wanted {
            worker.tick(&self.stop);
            let (refused, errno) = worker.refused();
            let given_up = refused > REFUSALS_PER_CONNECTION * wanted as u64
                || errno == libc::EMFILE
                || worker.ring().now() > deadline;
            let login_failed = !worker.greeting_error().is_empty();
            if self.stop.load(Ordering::Relaxed) {
                return Err(StartError::Interrupted);
            }
            if login_failed || given_up {
                return Err(self::refusal(&worker, &target, wanted));
            }
        }
        // SAFETY: gettid takes and touches nothing.
        let tid = unsafe { libc::gettid() } as u32;
        let first_connection = self.first_connection;
        Ok((worker, Opened { index: self.index, outlet, tid, first_connection }))
    }
}

/// A ring registers a file for each connection, which the limit of open files bounds, too.
fn no_ring(io: Io, error: std::io::Error, target: String, wanted: usize) -> StartError {
    match error.raw_os_error() {
        Some(errno @ (libc::EMFILE | libc::ENFILE)) => StartError::Connections {
            target,
            opened: 0,
            wanted,
            reason: error.to_string(),
            remedy: connection_remedy(errno),
        },
        _ => StartError::Ring { io, error },
    }
}

fn refusal<R: Ring, D: Dispatch>(worker: &Worker<R, D>, target: &str, wanted: usize) -> StartError {
    let target = target.to_owned();
    let reply = worker.greeting_error().to_owned();
    let (_, errno) = worker.refused();
    if reply.contains("max number of clients") {
        return StartError::Connections {
            target,
            opened: worker.open_connections(),
            wanted,
            reason: reply,
            remedy: connection_remedy(0),
        };
    }
    if !reply.is_empty() {
        return StartError::of_reply(target, reply);
    }
    StartError::Connections {
        target,
        opened: worker.open_connections(),
        wanted,
        reason: match errno {
            _ if !worker.ring().trouble().is_empty() => format!("TLS: {}", worker.ring().trouble()),
            0 => "the server closed them at once".to_owned(),
            errno => std::io::Error::from_raw_os_error(errno).to_string(),
        },
        remedy: connection_remedy(errno),
    }
}

fn workload(plan: &Plan, worker: u64, workers: u64, seed: u64, in_flight: usize) -> Workload {
    match plan.work {
        Work::Fill { from } => Workload::Fill(Fill::new(
            from, plan.keys, worker, workers, plan.ttl, plan.seed, in_flight,
        )),
        Work::Replay => {
            let trace = plan.played.as_ref().map(|played| Arc::clone(&played.trace));
            Workload::Replay(Replay::new(trace.unwrap_or_default(), worker, workers))
        }
        Work::Traffic { distribution } => {
            let keys = match distribution {
                Distribution::Uniform => Keys::Uniform { keys: plan.keys },
                Distribution::Zipfian { s } => Keys::Zipfian(Box::new(Zipf::new(plan.keys, s))),
                Distribution::HotSpot { keys, requests } => {
                    Keys::hot_spot(plan.keys, keys, requests)
                }
                Distribution::Gaussian { deviation } => {
                    Keys::Gaussian { keys: plan.keys, deviation: deviation * plan.keys as f64 }
                }
                Distribution::Sequential => {
                    let next = worker % plan.keys;
                    Keys::Sequential { keys: plan.keys, next, step: workers.min(plan.keys) }
                }
            };
            let mix = Mix::new(&plan.commands.list, plan.ttl);
            let traffic = Traffic::new(keys, mix, seed);
            Workload::Traffic(match plan.commands.transaction_id().zip(plan.commands.transaction) {
                Some((id, count)) => traffic.in_transactions(id, count, plan.one_key()),
                None => traffic,
            })
        }
    }
}
