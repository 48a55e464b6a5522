//! One shard: one thread, one ring, its own connections, workload and records.
//!
//! [`Shard::tick`] is all of the engine's control flow: issue what is due, hand it to the kernel,
//! wait, take in what came, keep house. It neither locks, allocates nor formats.

pub mod token;

pub mod flight;

pub mod ring;

pub mod connection;

pub mod ledger;

pub mod waiting;

pub mod parts;

pub mod outages;

pub mod routing;

pub mod reader;

pub mod router;

mod settings;

mod desk;

use std::sync::atomic::{AtomicBool, Ordering};

use crate::measure::interval::Counts;
use crate::measure::outcome::ErrorKind;
use crate::units::{ConnId, Nanos};

pub use desk::ASKING;
pub use settings::{Greeting, Settings};

use desk::Desk;
use ledger::Ledger;
use ring::{Completion, Reason, Ring, Usage};

/// Where a shard is in its life.
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

/// One shard.
#[derive(Debug)]
pub struct Shard<R: Ring> {
    ring: R,
    desk: Desk,
    stage: Stage,
    end: Nanos,
    next_scan: Nanos,
    /// The clock at the end of the last wait.
    now: Nanos,
    /// Something came then, and taking it in took time.
    taken_in: bool,
}

impl<R: Ring> Shard<R> {
    /// A shard that will begin to open its connections with its first tick.
    pub fn new(ring: R, settings: Settings, ledger: Ledger) -> Self {
        let mut desk = Desk::new(settings, ledger);
        let mut ring = ring;
        desk.aim(&mut ring);
        Self {
            ring,
            desk,
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
        self.desk.open_connections()
    }

    /// Connections that could not be opened so far, and the system's last error number.
    pub const fn refused(&self) -> (u64, i32) {
        self.desk.refused()
    }

    /// The text of the last error reply to a hand-shake; empty when there was none.
    pub fn greeting_error(&self) -> &str {
        self.desk.greeting_error()
    }

    /// The counts of the whole run so far.
    pub const fn totals(&self) -> Counts {
        self.desk.ledger.totals()
    }

    /// What the ring says of itself.
    pub const fn ring(&self) -> &R {
        &self.ring
    }

    /// Puts the schedule in time: `start`, the start of what counts, and the end.
    pub fn begin(&mut self, start: Nanos, origin: Nanos, end: Nanos) {
        let usage = self.ring.usage();
        self.desk.begin(start, origin, end, usage);
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
            Stage::Running => self.desk.issue(&mut self.ring, now),
            Stage::Draining { .. } => self.desk.issue_again(&mut self.ring, now),
            Stage::Opening | Stage::Finished => {}
        }
        self.desk.flush(&mut self.ring);
        let meant = self.wake_at().max(now);
        let now = self.ring.wait(meant);
        self.note_lateness(meant, now);
        (self.now, self.taken_in) = (now, false);
        while let Some(completion) = self.ring.next() {
            self.taken_in = true;
            match completion {
                Completion::Received(connection, bytes) => {
                    self.desk.receive(connection, bytes, now);
                }
                Completion::Sent(connection) => self.desk.sent(connection),
                Completion::Opened(connection) => {
                    self.desk.opened(&mut self.ring, connection, now);
                }
                Completion::Closed(connection, reason) => {
                    self.desk.closed(connection, error_of(reason), now);
                }
            }
        }
        self.keep_house(now, stop);
    }

    fn note_lateness(&mut self, meant: Nanos, done: Nanos) {
        if self.stage == Stage::Running {
            self.desk.ledger.current.late.note(meant, done);
        }
    }

    /// The next time at which something must be done though nothing has come.
    fn wake_at(&self) -> Nanos {
        let due = match self.stage {
            Stage::Running => self.desk.next_issue().min(self.end),
            Stage::Draining { deadline } => deadline.min(self.desk.next_again()),
            Stage::Opening | Stage::Finished => Nanos::NEVER,
        };
        due.min(self.next_scan).min(self.desk.ledger.boundary())
    }

    fn keep_house(&mut self, now: Nanos, stop: &AtomicBool) {
        self.desk.close_offenders(&mut self.ring, now);
        self.desk.renew(&mut self.ring, now);
        if self.desk.settle(&mut self.ring, now) || now >= self.next_scan {
            self.desk.scan(&mut self.ring, now);
            self.next_scan = now + self.desk.scan_every_ns();
        }
        if now >= self.desk.ledger.boundary() {
            let usage = self.close_books();
            self.desk.hand_over(now, usage);
        }
        match self.stage {
            Stage::Running => {
                let stopped = stop.load(Ordering::Relaxed);
                if stopped {
                    self.desk.stop_schedule(now);
                }
                let over = now >= self.end || self.desk.is_done();
                if stopped || over || self.desk.is_deserted(now) {
                    // What fell due since the last turn still goes out, where there is room.
                    self.desk.issue(&mut self.ring, now);
                    let deadline = now + self.desk.drain_ns();
                    self.stage = Stage::Draining { deadline };
                }
            }
            Stage::Draining { deadline } if self.desk.in_flight() == 0 || now >= deadline => {
                let usage = self.close_books();
                if self.desk.finish(now, usage) {
                    self.stage = Stage::Finished;
                }
            }
            Stage::Opening | Stage::Draining { .. } | Stage::Finished => {}
        }
    }

    /// What the ring knows of the interval that ends: its delays, and what the thread has used.
    fn close_books(&mut self) -> Usage {
        self.ring.move_receive_delays(&mut self.desk.ledger.current.receive_delay);
        self.ring.usage()
    }

    /// Closes every connection; for the simulated ring, which has no drop of its own.
    pub fn close_all(&mut self) {
        for index in 0..self.desk.connections() {
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
