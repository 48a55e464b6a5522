//! One worker: one thread, one ring, its own connections, workload and records.
//!
//! [`Worker::tick`] is all of the engine's control flow: issue what is due, hand it to the kernel,
//! wait, take in what came, keep house. It neither locks, allocates nor formats.

pub mod flight;

pub mod connection;

pub mod intervals;

mod connections;

pub mod waiting;

pub mod fan_out;

pub mod outages;

pub mod routing;

pub mod replica_reader;

pub mod router;

mod settings;

mod accounting;

mod dispatcher;

use std::sync::atomic::{AtomicBool, Ordering};

use crate::measure::interval::Counts;
use crate::measure::outcome::ErrorKind;
use crate::units::{ConnId, Nanos};

pub use dispatcher::{ASKING, Direct, Dispatch, Routed};
pub use settings::{Greeting, Requests, RoutedSettings, Settings};

use crate::ring::{Completion, Reason, Ring, Usage};
use dispatcher::Dispatcher;
use intervals::Intervals;

/// Where a worker is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Opening connections; nothing is due yet.
    Opening,
    /// Sending what is due.
    Running,
    /// Nothing more is sent; answers are awaited until the deadline.
    Draining {
        /// What is not answered then is given up.
        deadline: Nanos,
    },
    /// All is accounted for.
    Finished,
}

/// One worker.
#[derive(Debug)]
pub struct Worker<R: Ring, D: Dispatch> {
    ring: R,
    dispatcher: Dispatcher<D>,
    stage: Stage,
    end: Nanos,
    next_scan: Nanos,
    /// The clock at the end of the last wait.
    now: Nanos,
    /// Something came then, and taking it in took time.
    taken_in: bool,
}

impl<R: Ring> Worker<R, Direct> {
    /// A worker for a single server. It begins to open its connections with its first tick.
    pub fn direct(ring: R, settings: Settings, requests: Requests, intervals: Intervals) -> Self {
        Self::with(ring, Dispatcher::direct(settings, requests, intervals))
    }
}

impl<R: Ring> Worker<R, Routed> {
    /// A worker that finds the node of each request.
    pub fn routed(
        ring: R,
        settings: Settings,
        routed: RoutedSettings,
        requests: Requests,
        intervals: Intervals,
    ) -> Self {
        Self::with(ring, Dispatcher::routed(settings, routed, requests, intervals))
    }
}

impl<R: Ring, D: Dispatch> Worker<R, D> {
    fn with(mut ring: R, mut dispatcher: Dispatcher<D>) -> Self {
        D::aim(&mut dispatcher, &mut ring);
        Self {
            ring,
            dispatcher,
            stage: Stage::Opening,
            end: Nanos::NEVER,
            next_scan: Nanos(0),
            now: Nanos(0),
            taken_in: true,
        }
    }

    /// Where it is in its life.
    pub const fn stage(&self) -> Stage {
        self.stage
    }

    /// Connections that are open.
    pub const fn open_connections(&self) -> usize {
        self.dispatcher.open_connections()
    }

    /// Connections that could not be opened so far, and the system's last error number.
    pub const fn refused(&self) -> (u64, i32) {
        self.dispatcher.refused()
    }

    /// The text of the last error reply to a hand-shake; empty when there was none.
    pub fn greeting_error(&self) -> &str {
        self.dispatcher.greeting_error()
    }

    /// The counts of the whole run so far.
    pub const fn totals(&self) -> Counts {
        self.dispatcher.intervals().totals()
    }

    /// What the ring says of itself.
    pub const fn ring(&self) -> &R {
        &self.ring
    }

    /// Puts the schedule in time: `start`, the start of what counts, and the end.
    pub fn begin(&mut self, start: Nanos, origin: Nanos, end: Nanos) {
        let usage = self.ring.usage();
        self.dispatcher.begin(start, origin, end, usage);
        (self.stage, self.end) = (Stage::Running, end);
        // The wait for the others' connections was no lateness.
        (self.now, self.taken_in) = (self.ring.now(), false);
        // In the closed model nothing else wakes it.
        self.next_scan = self.next_scan.min(start);
    }

    /// One turn: issue, send, wait, take in, keep house.
    pub fn tick(&mut self, stop: &AtomicBool) {
        // A turn in which nothing came has just read the clock.
        let now = if self.taken_in { self.ring.now() } else { self.now };
        // Taking in is a matter of microseconds, unless somebody took the core meanwhile.
        self.note_lateness(self.now, now);
        match self.stage {
            Stage::Running => D::issue(&mut self.dispatcher, &mut self.ring, now),
            Stage::Draining { .. } => D::issue_again(&mut self.dispatcher, &mut self.ring, now),
            Stage::Opening | Stage::Finished => {}
        }
        self.dispatcher.flush(&mut self.ring);
        let meant = self.wake_at().max(now);
        let now = self.ring.wait(meant);
        self.note_lateness(meant, now);
        (self.now, self.taken_in) = (now, false);
        while let Some(completion) = self.ring.next() {
            self.taken_in = true;
            match completion {
                Completion::Received(connection, bytes) => {
                    self.dispatcher.receive(connection, bytes, now);
                }
                Completion::Sent(connection) => self.dispatcher.sent(connection),
                Completion::Opened(connection) => {
                    self.dispatcher.opened(&mut self.ring, connection, now);
                }
                Completion::Closed(connection, reason) => {
                    self.dispatcher.closed(connection, error_of(reason), now);
                }
            }
        }
        self.keep_house(now, stop);
    }

    fn note_lateness(&mut self, meant: Nanos, done: Nanos) {
        if self.stage == Stage::Running {
            self.dispatcher.interval().late.note(meant, done);
        }
    }

    /// The next time at which something must be done though nothing has come.
    fn wake_at(&self) -> Nanos {
        let due = match self.stage {
            Stage::Running => D::next_issue(&self.dispatcher).min(self.end),
            Stage::Draining { deadline } => deadline.min(D::next_again(&self.dispatcher)),
            Stage::Opening | Stage::Finished => Nanos::NEVER,
        };
        due.min(self.next_scan).min(self.dispatcher.intervals().boundary())
    }

    fn keep_house(&mut self, now: Nanos, stop: &AtomicBool) {
        self.dispatcher.close_offenders(&mut self.ring, now);
        self.dispatcher.renew(&mut self.ring, now);
        if D::settle(&mut self.dispatcher, &mut self.ring, now) || now >= self.next_scan {
            self.dispatcher.scan(&mut self.ring, now);
            self.next_scan = now + self.dispatcher.scan_every_ns();
        }
        if now >= self.dispatcher.intervals().boundary() {
            let usage = self.close_books();
            self.dispatcher.hand_over(now, usage);
        }
        match self.stage {
            Stage::Running => {
                let stopped = stop.load(Ordering::Relaxed);
                if stopped {
                    self.dispatcher.stop_schedule(now);
                }
                let over = now >= self.end || self.dispatcher.is_done();
                if stopped || over || self.dispatcher.is_deserted(now) {
                    // What fell due since the last turn still goes out, where there is room.
                    D::issue(&mut self.dispatcher, &mut self.ring, now);
                    let deadline = now + self.dispatcher.drain_ns();
                    self.stage = Stage::Draining { deadline };
                }
            }
            Stage::Draining { deadline } if self.dispatcher.in_flight() == 0 || now >= deadline => {
                let usage = self.close_books();
                if self.dispatcher.finish(now, usage) {
                    self.stage = Stage::Finished;
                }
            }
            Stage::Opening | Stage::Draining { .. } | Stage::Finished => {}
        }
    }

    /// What the ring knows of the interval that ends: its delays, and what the thread has used.
    fn close_books(&mut self) -> Usage {
        self.ring.move_receive_delays(&mut self.dispatcher.interval().receive_delay);
        self.ring.usage()
    }

    /// Closes every connection; for the simulated ring, which has no drop of its own.
    pub fn close_all(&mut self) {
        for index in 0..self.dispatcher.connections() {
            self.ring.close(ConnId(index as u32));
        }
    }
}

const fn error_of(reason: Reason) -> (ErrorKind, i32) {
    match reason {
        Reason::Refused(errno) => (ErrorKind::Connect, errno),
        Reason::EndOfStream => (ErrorKind::Disconnect, 0),
        Reason::Broken(errno) => (ErrorKind::Disconnect, errno),
    }
}
