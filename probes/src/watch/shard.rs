//! One server of a watch: looked for, attached to, drained, and looked for again.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::thread::JoinHandle;

use stallion_timeline::clock::monotonic_ns;
use tokio::time::Instant;

use super::{Duration, ProbeError, ProbeState, Target};
use crate::attach::{Attached, Wanted, attach};
use crate::bounds::Bounds;
use crate::drain::drain;
use crate::resolve::resolve;
use crate::server::Server;
use crate::sockets::Sockets;
use stallion_timeline::{ProbeStatus, Stall};

/// How often a server that ended is looked for again.
const RESOLVE_EVERY: Duration = Duration::from_millis(200);

/// A place in the plan, and the server that is there now.
pub(super) struct Shard {
    pub(super) target: Target,
    wanted: Wanted,
    now: Now,
}

enum Now {
    Watched(Box<Watched>),
    /// Attaching takes a second, in which the other shards are not to wait.
    Attaching(JoinHandle<Result<Watched, ProbeError>>),
    /// Nobody there; when to look again.
    Gone(Instant),
}

/// A server with its probes.
pub(super) struct Watched {
    pub(super) server: Server,
    attached: Attached,
    process: OwnedFd,
    sockets: Sockets,
    bounds: Bounds,
    lost: u64,
}

/// What a shard tells of itself.
pub(super) enum News {
    /// Attached, with the state of each probe.
    Attached {
        pid: u32,
        port: u16,
        states: Vec<ProbeState>,
    },
    Stall(Stall),
    Lost(u64),
    /// Stalls that said more than the watch can hold.
    Cut(u64),
    /// The process ended.
    Ended(u32),
}

impl Shard {
    /// Attaches to the server that is there.
    pub(super) fn begin(target: Target, wanted: Wanted) -> Result<(Self, News), ProbeError> {
        let watched = Watched::begin(resolve(target)?, target, wanted)?;
        let news = watched.news();
        Ok((Self { target, wanted, now: Now::Watched(Box::new(watched)) }, news))
    }

    /// Whether a server is watched, or about to be.
    pub(super) fn is_live(&self) -> bool {
        !matches!(self.now, Now::Gone(_))
    }

    /// Takes what has arrived; looks after the process, or for another one with `follow`.
    pub(super) fn tick(
        &mut self,
        follow: bool,
        tell: &mut dyn FnMut(News),
    ) -> Result<(), ProbeError> {
        let next = match &mut self.now {
            Now::Watched(watched) => {
                let ended = watched.has_ended();
                watched.take(tell);
                if !ended {
                    return Ok(());
                }
                watched.finish(tell);
                tell(News::Ended(watched.server.pid));
                Now::Gone(Instant::now())
            }
            Now::Gone(when) if follow && Instant::now() >= *when => match resolve(self.target) {
                Ok(pid) => {
                    let (target, wanted) = (self.target, self.wanted);
                    Now::Attaching(std::thread::spawn(move || Watched::begin(pid, target, wanted)))
                }
                Err(_) => Now::Gone(Instant::now() + RESOLVE_EVERY),
            },
            Now::Attaching(thread) if thread.is_finished() => {
                let Now::Attaching(thread) =
                    std::mem::replace(&mut self.now, Now::Gone(Instant::now()))
                else {
                    return Ok(());
                };
                match thread.join() {
                    Ok(Ok(watched)) => {
                        tell(watched.news());
                        Now::Watched(Box::new(watched))
                    }
                    // It ended meanwhile: there may be another one.
                    Ok(Err(_)) if resolve(self.target).is_err() => {
                        Now::Gone(Instant::now() + RESOLVE_EVERY)
                    }
                    Ok(Err(error)) => return Err(error),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            Now::Gone(_) | Now::Attaching(_) => return Ok(()),
        };
        if let Now::Watched(old) = std::mem::replace(&mut self.now, next) {
            // Detaching waits for every CPU, several times.
            std::thread::spawn(move || drop(old));
        }
        Ok(())
    }

    /// Takes the last, before the probes are detached.
    pub(super) fn finish(&mut self, tell: &mut dyn FnMut(News)) {
        if let Now::Watched(watched) = &mut self.now {
            watched.take(tell);
            watched.finish(tell);
        }
    }
}

impl Watched {
    fn begin(pid: u32, target: Target, wanted: Wanted) -> Result<Self, ProbeError> {
        let process = open_pidfd(pid)?;
        let bounds = Bounds::of(monotonic_ns());
        let mut server = Server::of(pid);
        if let Target::Port(port) = target {
            server.port = port;
        }
        server.symbols.preload();
        let attached = attach(&server, wanted)?;
        let active = attached.states.iter().filter(|state| state.status == ProbeStatus::Active);
        server.active = active.map(|state| state.name.clone()).collect();
        Ok(Self { server, attached, process, sockets: Sockets::default(), bounds, lost: 0 })
    }

    fn news(&self) -> News {
        News::Attached {
            pid: self.server.pid,
            port: self.server.port,
            states: self.attached.states.clone(),
        }
    }

    fn take(&mut self, tell: &mut dyn FnMut(News)) {
        let bounds = &mut self.bounds;
        drain(&mut self.attached, &mut self.server, |stall| {
            if let Some(stall) = bounds.fit(stall, monotonic_ns()) {
                tell(News::Stall(stall));
            }
        });
        let lost = self.attached.lost() - self.lost;
        if lost > 0 {
            self.lost += lost;
            tell(News::Lost(lost));
        }
        let cut = self.bounds.take_cut();
        if cut > 0 {
            tell(News::Cut(cut));
        }
        if self.server.watches("network") {
            let closed = self.sockets.poll(monotonic_ns(), &mut self.server);
            closed.into_iter().for_each(|stall| tell(News::Stall(stall)));
        }
    }

    fn finish(&mut self, tell: &mut dyn FnMut(News)) {
        if let Some(stall) = crate::stalls::scheduler::unfinished(&mut self.server, monotonic_ns())
            && let Some(stall) = self.bounds.fit(stall, monotonic_ns())
        {
            tell(News::Stall(stall));
        }
        let mut rest = self.sockets.finish(&mut self.server);
        let totals = self.attached.network();
        rest.extend(crate::stalls::network::untold(totals, monotonic_ns(), &mut self.server));
        rest.into_iter().for_each(|stall| tell(News::Stall(stall)));
    }

    fn has_ended(&self) -> bool {
        let mut poll =
            libc::pollfd { fd: self.process.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid struct, and no waiting.
        let ready = unsafe { libc::poll(&raw mut poll, 1, 0) };
        ready > 0
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
