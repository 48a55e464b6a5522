//! A watch with the kernel side in place.

use stallion_timeline::clock::monotonic_ns;
use stallion_timeline::{
    Clock, Footer, Header, HostFacts, Loss, Record, Role, SCHEMA_VERSION, Writer,
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use super::shard::{News, Shard};
use super::{Duration, Notice, Plan, ProbeError, ProbeState, Summary, Target};
use crate::attach::Wanted;
use crate::capability::bpf::may_load;

/// How often the ring buffers are emptied: 4 MiB last for 20 ms of a storm of 2 million events a
/// second, and people see stalls as they happen.
const DRAIN_EVERY: Duration = Duration::from_millis(20);

/// Why a watch ended.
#[derive(Debug, Clone, Copy)]
enum Ending {
    Signal,
    Time,
    Caller,
    ServerEnded,
}

/// Watches as planned, and returns the sums. `ended` is asked 50 times a second whether the
/// caller wants it to end; SIGINT, SIGTERM, the plan's duration and the last server's end do so
/// anyway.
///
/// # Errors
/// [`ProbeError`]: no server, no permission, no probe attached, or a timeline that cannot be
/// written. What was seen before is in the timeline then.
pub fn watch(
    plan: &Plan,
    ended: impl Fn() -> bool,
    mut notice: impl FnMut(Notice<'_>),
) -> Result<Summary, ProbeError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run(
        plan,
        &ended,
        &mut notice,
    ))
}

async fn run(
    plan: &Plan,
    ended: &dyn Fn() -> bool,
    notice: &mut dyn FnMut(Notice<'_>),
) -> Result<Summary, ProbeError> {
    // First: without privileges not even the owner of a socket can be found.
    if !may_load() {
        return Err(ProbeError::NotPermitted);
    }
    let mut stop = Stop::new(plan, ended)?;
    let wanted = Wanted {
        threshold_ns: u64::try_from(plan.threshold.as_nanos()).unwrap_or(u64::MAX),
        probes: plan.probes,
        without: plan.without,
    };
    let (mut shards, mut attached) = (Vec::new(), Vec::new());
    for target in &plan.targets {
        let (shard, news) = Shard::begin(*target, wanted)?;
        shards.push(shard);
        attached.push(news);
    }
    let mut scribe = Scribe { writer: None, summary: Summary::default(), notice, failure: None };
    scribe.begin(plan, &attached)?;
    attached.into_iter().for_each(|news| scribe.tell(news));
    let ending = loop {
        if let Some(ending) = stop.asked_within(DRAIN_EVERY).await {
            break ending;
        }
        for shard in &mut shards {
            shard.tick(plan.follow, &mut |news| scribe.tell(news))?;
        }
        scribe.flush()?;
        if !plan.follow && !shards.iter().any(Shard::is_live) {
            break Ending::ServerEnded;
        }
    };
    for shard in &mut shards {
        shard.finish(&mut |news| scribe.tell(news));
    }
    scribe.finish(ending)
}

/// Everything that ends a watch from outside.
struct Stop<'a> {
    interrupt: Signal,
    terminate: Signal,
    deadline: Option<Instant>,
    ended: &'a dyn Fn() -> bool,
}

impl<'a> Stop<'a> {
    fn new(plan: &Plan, ended: &'a dyn Fn() -> bool) -> Result<Self, ProbeError> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            deadline: plan.duration.map(|duration| Instant::now() + duration),
            ended,
        })
    }

    /// Waits for one of them, but not for long.
    async fn asked_within(&mut self, patience: Duration) -> Option<Ending> {
        let next = Instant::now() + patience;
        tokio::select! {
            _ = self.interrupt.recv() => Some(Ending::Signal),
            _ = self.terminate.recv() => Some(Ending::Signal),
            () = sleep_until(self.deadline.map_or(next, |deadline| deadline.min(next))) => {
                if (self.ended)() {
                    Some(Ending::Caller)
                } else if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                    Some(Ending::Time)
                } else {
                    None
                }
            }
        }
    }
}

/// Writes the timeline, sums up, and tells the caller.
struct Scribe<'a> {
    writer: Option<Writer>,
    summary: Summary,
    notice: &'a mut dyn FnMut(Notice<'_>),
    /// The first line that could not be written.
    failure: Option<std::io::Error>,
}

impl Scribe<'_> {
    /// Writes the header. A server that is followed keeps its file.
    fn begin(&mut self, plan: &Plan, attached: &[News]) -> Result<(), ProbeError> {
        if let Some(out) = &plan.out {
            self.writer = Some(Writer::create(out, header(plan, attached))?);
        }
        Ok(())
    }

    fn tell(&mut self, news: News) {
        match news {
            News::Attached { pid, port, states } => {
                (self.notice)(Notice::Attached { pid, port, states: &states });
            }
            News::Stall(stall) => {
                self.summary.add(&stall);
                (self.notice)(Notice::Stall(&stall));
                self.append(&Record::Stall(stall));
            }
            News::Lost(count) => {
                self.summary.lost += count;
                (self.notice)(Notice::Lost(count));
                let source = "ring buffer".to_owned();
                self.append(&Record::Loss(Loss { at_ns: monotonic_ns(), source, count }));
            }
            News::Cut(count) => {
                self.summary.cut += count;
                let source = "the probes' events, which were cut to the watch".to_owned();
                self.append(&Record::Loss(Loss { at_ns: monotonic_ns(), source, count }));
            }
            News::Ended(pid) => (self.notice)(Notice::ServerEnded(pid)),
        }
    }

    fn append(&mut self, record: &Record) {
        if let Some(writer) = &mut self.writer
            && self.failure.is_none()
        {
            self.failure = writer.append(record).err();
        }
    }

    fn flush(&mut self) -> Result<(), ProbeError> {
        if let Some(writer) = &mut self.writer {
            writer.flush()?;
        }
        self.failure.take().map_or(Ok(()), |error| Err(error.into()))
    }

    fn finish(mut self, ending: Ending) -> Result<Summary, ProbeError> {
        self.flush()?;
        if let Some(writer) = self.writer {
            writer.finish(Footer {
                end_ns: monotonic_ns(),
                reason: match ending {
                    Ending::Signal => "interrupted".to_owned(),
                    Ending::Time | Ending::Caller => "complete".to_owned(),
                    Ending::ServerEnded => "the server ended".to_owned(),
                },
                summary: self.summary.to_json(),
            })?;
        }
        Ok(self.summary)
    }
}

fn header(plan: &Plan, attached: &[News]) -> Header {
    let servers: Vec<(u32, u16, &[ProbeState])> = attached
        .iter()
        .filter_map(|news| match news {
            News::Attached { pid, port, states } => Some((*pid, *port, states.as_slice())),
            _ => None,
        })
        .collect();
    let targets: Vec<String> = plan.targets.iter().map(|target| url(*target)).collect();
    Header {
        schema: SCHEMA_VERSION,
        tool: concat!("stallion ", env!("CARGO_PKG_VERSION")).to_owned(),
        role: Role::Probe,
        host: HostFacts::of_this_host(),
        clock: Clock::of_this_host(),
        plan: serde_json::json!({
            "pid": servers.first().map(|(pid, ..)| pid),
            "servers": servers
                .iter()
                .map(|(pid, port, _)| serde_json::json!({"pid": pid, "port": port}))
                .collect::<Vec<_>>(),
            "threshold_ns": plan.threshold.as_nanos() as u64,
            "duration_s": plan.duration.map(|duration| duration.as_secs_f64()),
            "probes": plan.probes.to_string(),
        }),
        target: targets.join(","),
        probes: states(&servers),
    }
}

fn url(target: Target) -> String {
    match target {
        Target::Port(port) => format!("redis://127.0.0.1:{port}"),
        Target::Pid(pid) => format!("pid:{pid}"),
    }
}

/// The first server's states, and those of others that differ, with their ports.
fn states(servers: &[(u32, u16, &[ProbeState])]) -> Vec<ProbeState> {
    let Some(((_, _, first), others)) = servers.split_first() else {
        return Vec::new();
    };
    let mut all = first.to_vec();
    for (_, port, states) in others {
        for state in states.iter().filter(|state| !first.contains(state)) {
            let reason = format!("port {port}: {}", state.reason);
            all.push(ProbeState { reason, ..state.clone() });
        }
    }
    all
}
