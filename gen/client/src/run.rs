//! A run from end to end: check, connect, warm up, measure, drain, sum up.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use stallion_timeline::clock::monotonic_ns;
use stallion_timeline::exchange;
use stallion_timeline::{
    Clock, Footer, Header, HostFacts, Phase, PhaseName, Record, Role, SCHEMA_VERSION, Server,
    Writer,
};
use thiserror::Error;
use tokio::sync::watch;

use crate::audit::host::Before;
use crate::audit::kernel_tls::KernelTls;
use crate::audit::link::{Link, Meter};
use crate::audit::sockets::Limits;
use crate::control::info::{Poll, watch as watch_server};
use crate::control::preflight::{Caller, Info, StartError, resolve};
use crate::control::topology::awake;
use crate::plan::{Plan, PlanError, Topology, Work};
use crate::record::{Layout, Progress, Recorder, Source};
use crate::summary::Summary;
use stallion_engine::cluster::cluster_map::ClusterMap;
use stallion_engine::mitigation::MitigationKind;
use stallion_engine::units::Nanos;
use stallion_engine::workload::arrivals::Schedule;
use stallion_null::reply::MARK;
use stallion_resp::encoder::Encoder;
use stallion_rings::socket::Address;
use stallion_rings::tls::TlsFacts;
use stallion_rings::wait::WaitPolicy;

pub mod background;

mod files;

mod sum;

mod routing_plan;

mod worker_thread;

use background::Background;
use worker_thread::{Channels, Endpoint, Opened, Start, WorkerThread};

/// Between the last connection's opening and the first request: every worker has begun by then.
const LEAD_NS: u64 = 20_000_000;

/// How often the recorder looks for finished intervals: a worker keeps several, and each look may
/// take a core that the server wants.
const RECORD_EVERY: Duration = Duration::from_millis(50);

/// Why a run failed.
#[derive(Debug, Error)]
pub enum RunError {
    /// The plan cannot be.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// It could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It ran, and what it came to could not be checked.
    #[error(
        "{written} keys were written, and then the server could not be asked about them: {error}"
    )]
    Unchecked {
        /// Writes that were answered with OK.
        written: u64,
        /// Why not.
        error: StartError,
    },
    /// The timeline could not be created.
    #[error("the timeline cannot be written: {0}; choose another --out")]
    Timeline(io::Error),
}

/// Where a run's results go, and who watches it.
pub struct Outputs<'a> {
    /// The timeline's file, if there is to be one.
    pub timeline: Option<PathBuf>,
    /// The verb that the header names.
    pub role: Role,
    /// Called each second.
    pub progress: &'a mut dyn FnMut(&Progress),
    /// Set from a signal handler: the run drains and ends in good order.
    pub stop: Arc<AtomicBool>,
}

/// What a run came to.
#[derive(Debug)]
pub struct Finished {
    /// In figures.
    pub summary: Summary,
    /// The server's INFO before it began.
    pub info: Info,
    /// It was ended by the user.
    pub interrupted: bool,
    /// The timeline broke off, for example because the disk was full; the figures are whole.
    pub timeline_error: Option<io::Error>,
}

/// Runs a plan.
///
/// # Errors
/// [`RunError`] when it cannot be started; a run that has begun always ends in a summary.
pub fn run(plan: &Plan, outputs: &mut Outputs<'_>) -> Result<Finished, RunError> {
    let encoder = plan.encoder();
    plan.check(encoder.longest())?;
    let plan = &*awake(plan)?;
    let schedule = plan.schedule().map_err(PlanError::from)?;
    files::make_room(plan.conns);
    let _aside = Background::of(&plan.cores);
    let (mut caller, info) = Caller::with_info(plan)?;
    let cluster = routing_plan::find(plan, &mut caller, &encoder)?;
    routing_plan::load_scripts(plan, &mut caller, cluster.as_ref())?;
    let tls = tls_facts(plan, &caller);
    drop(caller);
    let address = resolve(&plan.target)?;
    let peer = peer_clock(plan)?;
    let versions = routing_plan::versions(plan);
    let store = routing_plan::SharedStore::open(plan)?;
    let endpoint =
        Endpoint { address: address.clone(), cluster: cluster.as_ref(), versions, store };
    let mut workers = WorkerThreads::open(plan, &endpoint, &encoder, &schedule, &outputs.stop)?;
    tracing::info!(server = %plan.target, connections = plan.conns, cpus = ?plan.cores, "connected");
    let times = Times::of(plan, monotonic_ns() + LEAD_NS);
    let writer = create_timeline(plan, tls.as_ref(), outputs).map_err(RunError::Timeline)?;
    let (found, servers) = channel();
    let link = Link::towards(&address, plan.link_bits_per_s);
    let server_is_local = address.is_local();
    let poll = poll(plan, address, cluster.as_ref().map(routing_plan::RoutingPlan::cluster_map));
    let cluster_map = poll.cluster_map.clone().filter(|_| poll.keeps_fresh);
    let watcher = Watcher::start(poll, found).map_err(StartError::Thread)?;
    let layout = Layout {
        open: schedule.is_open(),
        spinning: plan.wait == WaitPolicy::Spin,
        encoder: encoder.clone(),
        origin_ns: times.origin_ns,
        end_ns: times.end_ns,
        cluster_map: cluster_map.clone(),
    };
    let host = Before::now();
    let mut meter = Meter::new(link, times.origin_ns, times.end_ns);
    let sources = workers.sources();
    let mut recorder = Recorder::new(sources, servers, writer, layout, &mut *outputs.progress);
    write_phases(plan, &times, &mut recorder);
    recorder.write_all(peer);
    workers.start(&times);
    workers.record_until_done(&mut recorder, &mut meter);
    watcher.stop();
    workers.join();
    let end_ns = monotonic_ns();
    let interrupted = outputs.stop.load(Ordering::Relaxed);
    tracing::info!(interrupted, "every request has its end");
    let drain_ns = times.end_ns.min(end_ns);
    recorder.write(&phase(PhaseName::Drain, drain_ns, ""));
    // A prober that has ended by now leaves the first measurement to stand alone.
    recorder.write_all(peer_clock(plan).ok().flatten());
    let (totals, writer, mut timeline_error) = recorder.finish();
    let around = sum::Around {
        host: host.end(&plan.cores, server_is_local),
        link: meter.found(),
        sockets: buffer_warnings(plan, encoder.longest()),
        null_server: info.contains_key(MARK),
        timeline_cut: timeline_error.is_some(),
        cluster_map,
        tls,
        store_trouble: endpoint.store.as_ref().and_then(routing_plan::SharedStore::trouble),
    };
    let summary = sum::up(plan, &schedule, &totals, around);
    if let Some(writer) = writer {
        timeline_error = writer.finish(footer(end_ns, interrupted, &summary)).err();
    }
    Ok(Finished { summary, info, interrupted, timeline_error })
}

fn footer(end_ns: u64, interrupted: bool, summary: &Summary) -> Footer {
    let reason = if interrupted { "interrupted" } else { "complete" }.to_owned();
    Footer { end_ns, reason, summary: json!(summary) }
}

/// What is asked of the server, or of the nodes on the cluster map, while the run lasts.
fn poll(plan: &Plan, address: Address, cluster_map: Option<Arc<ClusterMap>>) -> Poll {
    Poll {
        target: plan.target.clone(),
        address,
        credentials: plan.credentials.clone(),
        cluster_map,
        keeps_fresh: matches!(plan.topology, Topology::Cluster { .. }),
        follows_replicas: matches!(plan.mitigation, Some(MitigationKind::ReplicaRead { .. })),
        scripts: plan.scripts().map(str::to_owned).collect(),
    }
}

/// The clock of the server's host, if it is to be asked.
fn peer_clock(plan: &Plan) -> Result<Option<Record>, StartError> {
    let asked = plan.clock.map(|peer| {
        exchange::ask(peer, monotonic_ns).map_err(|error| StartError::Clock { peer, error })
    });
    Ok(asked.transpose()?.map(Record::PeerClock))
}

/// Requests and answers of a pipeline that do not fit into a socket's buffers.
fn buffer_warnings(plan: &Plan, request_bytes: usize) -> Vec<String> {
    let fits = Limits::of_this_host();
    let reply_bytes = plan.value_size.longest() + "$536870912\r\n\r\n".len();
    fits.map_or_else(Vec::new, |fits| fits.warnings(plan.pipeline, request_bytes, reply_bytes))
}

/// When a run begins, counts and ends.
#[derive(Debug, Clone, Copy)]
struct Times {
    start_ns: u64,
    origin_ns: u64,
    end_ns: u64,
}

impl Times {
    fn of(plan: &Plan, start_ns: u64) -> Self {
        let origin_ns = start_ns + plan.warmup_ns;
        let end_ns = match plan.work {
            Work::Fill { .. } => u64::MAX,
            Work::Traffic { .. } | Work::Replay => origin_ns + plan.duration_ns,
        };
        Self { start_ns, origin_ns, end_ns }
    }
}

/// What TLS came to with the first server, and that it is not the kernel's.
fn tls_facts(plan: &Plan, caller: &Caller) -> Option<TlsFacts> {
    let (client, (version, cipher)) = plan.credentials.tls.as_ref().zip(caller.agreed())?;
    Some(TlsFacts {
        version,
        cipher,
        checked: client.checked(),
        client_certificate: client.has_certificate(),
        resumes: client.resumes(),
        kernel: KernelTls::of_this_host().words(),
    })
}

fn create_timeline(
    plan: &Plan,
    tls: Option<&TlsFacts>,
    outputs: &Outputs<'_>,
) -> io::Result<Option<Writer>> {
    let Some(path) = &outputs.timeline else {
        return Ok(None);
    };
    let mut asked = serde_json::to_value(plan).unwrap_or(Value::Null);
    if let Some(tls) = tls {
        asked["tls"] = json!(tls);
    }
    let header = Header {
        schema: SCHEMA_VERSION,
        tool: concat!("stallion ", env!("CARGO_PKG_VERSION")).to_owned(),
        role: outputs.role,
        host: HostFacts::of_this_host(),
        clock: Clock::of_this_host(),
        plan: asked,
        target: plan.credentials.url(&plan.target),
        probes: Vec::new(),
    };
    Writer::create(path, header).map(Some)
}

fn phase(name: PhaseName, start_ns: u64, label: &str) -> Record {
    Record::Phase(Phase { name, start_ns, label: label.to_owned() })
}

fn write_phases(plan: &Plan, times: &Times, recorder: &mut Recorder<'_>) {
    if matches!(plan.work, Work::Fill { .. }) {
        return recorder.write(&phase(PhaseName::Fill, times.start_ns, ""));
    }
    if plan.warmup_ns > 0 {
        recorder.write(&phase(PhaseName::Warmup, times.start_ns, ""));
    }
    if plan.labels.iter().all(|label| label.at_ns > 0) {
        recorder.write(&phase(PhaseName::Measure, times.origin_ns, ""));
    }
    for label in &plan.labels {
        recorder.write(&phase(PhaseName::Measure, times.origin_ns + label.at_ns, &label.text));
    }
}

/// The workers' threads, from their opening to their end.
struct WorkerThreads {
    threads: Vec<JoinHandle<()>>,
    starts: Vec<Sender<Start>>,
    opened: Vec<Opened>,
    done: Receiver<usize>,
}

impl WorkerThreads {
    /// Starts a thread for each worker and waits until all connections are open.
    fn open(
        plan: &Plan,
        endpoint: &Endpoint<'_>,
        encoder: &Encoder,
        schedule: &Schedule,
        stop: &Arc<AtomicBool>,
    ) -> Result<Self, StartError> {
        let (ready, readied) = channel();
        let (finished, done) = channel();
        let mut workers =
            Self { threads: Vec::new(), starts: Vec::new(), opened: Vec::new(), done };
        for index in 0..plan.workers() {
            let (start, started) = channel();
            let worker = WorkerThread::new(plan, index, endpoint, encoder.clone(), schedule, stop);
            let channels = Channels { ready: ready.clone(), started, finished: finished.clone() };
            let thread = std::thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || worker.work(&channels))
                .map_err(StartError::Thread)?;
            workers.threads.push(thread);
            workers.starts.push(start);
        }
        drop(ready);
        // A worker that failed to open has said so and gone; the others see their start's sender
        // dropped and go too.
        workers.opened = readied.iter().take(plan.workers()).collect::<Result<_, _>>()?;
        workers.opened.sort_by_key(|opened| opened.index);
        Ok(workers)
    }

    fn sources(&mut self) -> Vec<Source> {
        std::mem::take(&mut self.opened)
            .into_iter()
            .map(|opened| Source::new(opened.outlet, opened.tid, opened.first_connection))
            .collect()
    }

    fn start(&self, times: &Times) {
        for start in &self.starts {
            let _ = start.send(Start {
                start: Nanos(times.start_ns),
                origin: Nanos(times.origin_ns),
                end: Nanos(times.end_ns),
            });
        }
    }

    fn record_until_done(&mut self, recorder: &mut Recorder<'_>, meter: &mut Meter) {
        let mut left = self.threads.len();
        while left > 0 {
            match self.done.recv_timeout(RECORD_EVERY) {
                Ok(worker) => {
                    recorder.finished(worker);
                    left -= 1;
                }
                Err(RecvTimeoutError::Timeout) => {
                    recorder.turn();
                    meter.look(monotonic_ns());
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn join(&mut self) {
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// The thread that asks the server how it is.
struct Watcher {
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl Watcher {
    fn start(poll: Poll, found: Sender<Server>) -> io::Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || watch_server(&poll, &found, stopped))?;
        Ok(Self { stop, thread })
    }

    /// Ends it after one last look.
    fn stop(self) {
        let _ = self.stop.send(true);
        let _ = self.thread.join();
    }
}
