//! One watch from start to end: resolve, attach, stream, sum up.

use std::path::PathBuf;
use std::time::Duration;

use stallion_timeline::{ProbeState, Stall};

use crate::error::ProbeError;
use crate::resolve::Target;
use crate::summary::Summary;

/// What to watch, and for how long.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Which server.
    pub target: Target,
    /// Where the timeline goes; none only reports to the caller.
    pub out: Option<PathBuf>,
    /// Ends the watch; without it a signal or the server's end does.
    pub duration: Option<Duration>,
    /// The shortest stretch on the CPU that counts as a stall.
    pub threshold: Duration,
    /// When the server ends, wait for another one at the same port.
    pub follow: bool,
}

/// What happens during a watch, as it happens.
#[derive(Debug)]
pub enum Notice<'a> {
    /// The probes are attached to this process, and the timeline has its header.
    Attached {
        /// The host's process id of the server.
        pid: u32,
        /// State of each probe.
        states: &'a [ProbeState],
    },
    /// A stall was seen.
    Stall(&'a Stall),
    /// Events were lost.
    Lost(u64),
    /// The server ended.
    ServerEnded(u32),
}

/// Watches as planned, and returns the sums.
///
/// # Errors
/// [`ProbeError`]: no server, no permission, no probe attached, or a timeline that cannot be
/// written. What was seen before is in the timeline then.
#[cfg(not(feature = "ebpf"))]
pub fn watch(_plan: &Plan, _notice: impl FnMut(Notice<'_>)) -> Result<Summary, ProbeError> {
    Err(ProbeError::NotBuilt)
}

#[cfg(feature = "ebpf")]
pub use attached::watch;

#[cfg(feature = "ebpf")]
mod attached {
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

    use stallion_timeline::clock::monotonic_ns;
    use stallion_timeline::{
        Clock, Footer, Header, HostFacts, Loss, ProbeStatus, Record, Role, SCHEMA_VERSION, Writer,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;
    use tokio::signal::unix::{SignalKind, signal};
    use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

    use super::{Duration, Notice, Plan, ProbeError, ProbeState, Summary, Target};
    use crate::attach::{Attached, attach};
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
        ServerEnded,
    }

    /// Watches as planned, and returns the sums.
    ///
    /// # Errors
    /// [`ProbeError`]: no server, no permission, no probe attached, or a timeline that cannot be
    /// written. What was seen before is in the timeline then.
    pub fn watch(plan: &Plan, mut notice: impl FnMut(Notice<'_>)) -> Result<Summary, ProbeError> {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(run(plan, &mut notice))
    }

    /// What the loop needs beside the plan.
    struct Watch<'a> {
        plan: &'a Plan,
        writer: Option<Writer>,
        summary: Summary,
        notice: &'a mut dyn FnMut(Notice<'_>),
    }

    async fn run(plan: &Plan, notice: &mut dyn FnMut(Notice<'_>)) -> Result<Summary, ProbeError> {
        let deadline = plan.duration.map(|duration| Instant::now() + duration);
        let mut pid = resolve(plan.target)?;
        let mut watch = Watch { plan, writer: None, summary: Summary::default(), notice };
        let ending = loop {
            let ending = watch.one_process(pid, deadline).await?;
            match ending {
                Ending::ServerEnded if plan.follow => {
                    match next_server(plan.target, deadline).await? {
                        Ok(next) => pid = next,
                        Err(ending) => break ending,
                    }
                }
                ending => break ending,
            }
        };
        watch.finish(&ending)
    }

    /// Waits for another server at the same port, or for the end of the watch.
    async fn next_server(
        target: Target,
        deadline: Option<Instant>,
    ) -> Result<Result<u32, Ending>, ProbeError> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut ticks = interval(RESOLVE_EVERY);
        loop {
            tokio::select! {
                _ = interrupt.recv() => return Ok(Err(Ending::Signal)),
                _ = terminate.recv() => return Ok(Err(Ending::Signal)),
                () = reached(deadline) => return Ok(Err(Ending::Time)),
                _ = ticks.tick() => if let Ok(pid) = resolve(target) {
                    return Ok(Ok(pid));
                },
            }
        }
    }

    async fn reached(deadline: Option<Instant>) {
        match deadline {
            Some(deadline) => sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    }

    impl Watch<'_> {
        /// Watches one process until it, the time, or the user ends it.
        async fn one_process(
            &mut self,
            pid: u32,
            deadline: Option<Instant>,
        ) -> Result<Ending, ProbeError> {
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut terminate = signal(SignalKind::terminate())?;
            // SAFETY: an OwnedFd keeps its number until it is dropped, and AsyncFd owns it.
            let ended =
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
                    _ = interrupt.recv() => break Ending::Signal,
                    _ = terminate.recv() => break Ending::Signal,
                    () = reached(deadline) => break Ending::Time,
                    _ = ended.readable() => break Ending::ServerEnded,
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
                        Ending::Time => "complete".to_owned(),
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
}
