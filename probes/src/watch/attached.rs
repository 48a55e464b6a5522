//! A watch with the kernel side in place.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use stallion_timeline::clock::monotonic_ns;
use stallion_timeline::{
    Clock, Footer, Header, HostFacts, Loss, ProbeStatus, Record, Role, SCHEMA_VERSION, Writer,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use super::{Duration, Notice, Plan, ProbeError, ProbeState, Summary, Target};
use crate::attach::{Attached, attach};
use crate::capability::bpf::may_load;
use crate::drain::drain;
use crate::resolve::resolve;
use crate::server::Server;

/// How often the ring buffer is emptied: its 4 MiB last for 20 ms of a storm of 2 million
/// events a second, and people see stalls as they happen.
const DRAIN_EVERY: Duration = Duration::from_millis(20);

/// How often a server that ended is looked for again.
const RESOLVE_EVERY: Duration = Duration::from_millis(200);

/// Why a watch of one process ended.
enum Ending {
    Signal,
    Time,
    Caller,
    ServerEnded,
}

/// Watches as planned, and returns the sums. `ended` is asked 50 times a second whether the
/// caller wants it to end; SIGINT, SIGTERM, the plan's duration and the server's end do so
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

/// What the loop needs beside the plan.
struct Watch<'a> {
    plan: &'a Plan,
    writer: Option<Writer>,
    summary: Summary,
    notice: &'a mut dyn FnMut(Notice<'_>),
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
    let mut pid = resolve(plan.target)?;
    let mut watch = Watch { plan, writer: None, summary: Summary::default(), notice };
    let ending = loop {
        match watch.one_process(pid, &mut stop).await? {
            Ending::ServerEnded if plan.follow => {
                tokio::select! {
                    ending = stop.asked() => break ending,
                    next = next_server(plan.target) => pid = next,
                }
            }
            ending => break ending,
        }
    };
    watch.finish(&ending)
}

/// Waits for another server at the same port.
async fn next_server(target: Target) -> u32 {
    loop {
        if let Ok(pid) = resolve(target) {
            return pid;
        }
        sleep(RESOLVE_EVERY).await;
    }
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

    /// Waits until one of them does.
    async fn asked(&mut self) -> Ending {
        loop {
            let next = Instant::now() + DRAIN_EVERY;
            tokio::select! {
                _ = self.interrupt.recv() => return Ending::Signal,
                _ = self.terminate.recv() => return Ending::Signal,
                () = sleep_until(self.deadline.map_or(next, |deadline| deadline.min(next))) => {
                    if (self.ended)() {
                        return Ending::Caller;
                    }
                    if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                        return Ending::Time;
                    }
                }
            }
        }
    }
}

impl Watch<'_> {
    /// Watches one process until it, the time, or the user ends it.
    async fn one_process(&mut self, pid: u32, stop: &mut Stop<'_>) -> Result<Ending, ProbeError> {
        // SAFETY: an OwnedFd keeps its number until it is dropped, and AsyncFd owns it.
        let process =
            unsafe { AsyncFd::register_with_interest(open_pidfd(pid)?, Interest::READABLE) }
                .map_err(std::io::Error::from)?;
        let mut server = Server::of(pid);
        let threshold_ns = u64::try_from(self.plan.threshold.as_nanos()).unwrap_or(u64::MAX);
        let mut attached = attach(&server, threshold_ns)?;
        server.active = active(&attached.states);
        self.begin(pid, &attached.states)?;
        let mut lost = 0;
        let mut ticks = interval(DRAIN_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ending = loop {
            tokio::select! {
                ending = stop.asked() => break ending,
                _ = process.readable() => break Ending::ServerEnded,
                _ = ticks.tick() => self.take(&mut attached, &mut server, &mut lost)?,
            }
        };
        self.take(&mut attached, &mut server, &mut lost)?;
        if matches!(ending, Ending::ServerEnded) {
            (self.notice)(Notice::ServerEnded(pid));
        }
        Ok(ending)
    }

    /// Writes the header (once: a server that is followed keeps its file) and says so.
    fn begin(&mut self, pid: u32, states: &[ProbeState]) -> Result<(), ProbeError> {
        if let (Some(out), None) = (&self.plan.out, &self.writer) {
            self.writer = Some(Writer::create(out, header(self.plan, pid, states))?);
        }
        (self.notice)(Notice::Attached { pid, states });
        Ok(())
    }

    /// Takes everything that has arrived.
    fn take(
        &mut self,
        attached: &mut Attached,
        server: &mut Server,
        lost_before: &mut u64,
    ) -> Result<(), ProbeError> {
        let mut failure = None;
        drain(attached, server, |stall| {
            self.summary.add(&stall);
            (self.notice)(Notice::Stall(&stall));
            if let Some(writer) = &mut self.writer
                && failure.is_none()
            {
                failure = writer.append(&Record::Stall(stall)).err();
            }
        });
        let lost = attached.lost() - *lost_before;
        if lost > 0 {
            *lost_before += lost;
            self.lose(lost)?;
        }
        if let Some(writer) = &mut self.writer {
            writer.flush()?;
        }
        failure.map_or(Ok(()), |error| Err(error.into()))
    }

    fn lose(&mut self, count: u64) -> Result<(), ProbeError> {
        self.summary.lost += count;
        (self.notice)(Notice::Lost(count));
        if let Some(writer) = &mut self.writer {
            writer.append(&Record::Loss(Loss {
                at_ns: monotonic_ns(),
                source: "ring buffer".to_owned(),
                count,
            }))?;
        }
        Ok(())
    }

    fn finish(self, ending: &Ending) -> Result<Summary, ProbeError> {
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

fn active(states: &[ProbeState]) -> Vec<String> {
    states
        .iter()
        .filter(|state| state.status == ProbeStatus::Active)
        .map(|state| state.name.clone())
        .collect()
}

fn header(plan: &Plan, pid: u32, states: &[ProbeState]) -> Header {
    Header {
        schema: SCHEMA_VERSION,
        tool: concat!("stallion ", env!("CARGO_PKG_VERSION")).to_owned(),
        role: Role::Probe,
        host: HostFacts::of_this_host(),
        clock: Clock::of_this_host(),
        plan: serde_json::json!({
            "pid": pid,
            "threshold_ns": plan.threshold.as_nanos() as u64,
            "duration_s": plan.duration.map(|duration| duration.as_secs_f64()),
        }),
        target: match plan.target {
            Target::Port(port) => format!("redis://127.0.0.1:{port}"),
            Target::Pid(pid) => format!("pid:{pid}"),
        },
        probes: states.to_vec(),
    }
}

/// A descriptor that becomes readable when the process ends.
fn open_pidfd(pid: u32) -> std::io::Result<OwnedFd> {
    // SAFETY: the system call takes two numbers and returns a new descriptor or an error.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and nobody else owns it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd as RawFd) };
    debug_assert!(fd.as_raw_fd() >= 0);
    Ok(fd)
}
