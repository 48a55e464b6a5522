//! One stretch of one worker: everything that happened in it, in arrays of fixed size.

use super::cluster::ClusterCounts;
use super::histogram::Recording;
use super::late::LateSpans;
use super::mitigation::MitigationCounts;
use super::outcome::{ErrorKind, Outcome};
use super::slow::{Sample, SlowSample};
use super::store::StoreCounts;
use crate::units::Nanos;
use stallion_resp::limits::MAX_COMMANDS;

/// Counts of one command.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CommandCounts {
    /// Answered without an error.
    pub ok: u64,
    /// Of these, reads that found something.
    pub hits: u64,
    /// Of these, reads that found nothing.
    pub misses: u64,
    /// Answered with an error.
    pub errors: u64,
}

/// Where every request of a stretch (or of a run) is.
///
/// `due = sent + unsent` and `sent = answered + timeouts + lost + in flight`, over a whole run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Intended in this stretch.
    pub due: u64,
    /// Handed to the kernel in it.
    pub sent: u64,
    /// Answered in it, with an error or without.
    pub answered: u64,
    /// Of these, with an error.
    pub failed: u64,
    /// Given up in it because no answer came in time.
    pub timeouts: u64,
    /// Lost in it with their connection.
    pub lost: u64,
}

/// What is counted besides what every run counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Slots and nodes, one by one.
    pub cluster: bool,
    /// What is done for hot keys.
    pub mitigation: bool,
    /// A store behind the cache.
    pub store: bool,
}

/// What one worker saw in one stretch.
#[derive(Debug)]
pub struct Interval {
    /// Its number, counted from the start of the schedule; warm-up comes before number 0.
    pub number: i64,
    /// Its start.
    pub start: Nanos,
    /// Its end.
    pub end: Nanos,
    /// Where the requests are.
    pub counts: Counts,
    /// Requests in flight at the end.
    pub in_flight: u64,
    /// Requests due and not sent at the end.
    pub backlog: u64,
    /// How long the oldest request that is due and has no answer had waited at the end.
    pub oldest_wait_ns: u64,
    /// By command.
    pub commands: [CommandCounts; MAX_COMMANDS],
    /// By kind of error.
    pub errors: [u64; ErrorKind::COUNT],
    /// Intended time to answer.
    pub response: Recording,
    /// Send to answer.
    pub service: Recording,
    /// Of what `response` has (in the closed model `service`), the part of the requests that never got
    /// an answer: what they had waited when they were given up, lost, or the run ended. The true time
    /// is longer.
    pub unanswered: Recording,
    /// Intended time to send.
    pub lag: Recording,
    /// The part of it in which a connection was free: the client's own.
    pub own_lag: Recording,
    /// How long connections took to open and to be greeted.
    pub connect: Recording,
    /// How long answers had lain in the kernel (a sample, and only where it is measured).
    pub receive_delay: Recording,
    /// Slow requests.
    pub slow: SlowSample,
    /// When the worker was late.
    pub late: LateSpans,
    /// Bytes handed to the kernel.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Connections opened again.
    pub reconnects: u64,
    /// Connections that ran out of receive buffers, or whose multishot receive ended.
    pub rearms: u64,
    /// CPU time of the worker's thread.
    pub cpu_ns: u64,
    /// Time the thread spun without anything to do (`--wait spin`).
    pub idle_ns: u64,
    /// System calls.
    pub syscalls: u64,
    /// What a cluster is counted by; none with a single server.
    pub cluster: Option<Box<ClusterCounts>>,
    /// What a mitigation is counted by; none without one.
    pub mitigation: Option<Box<MitigationCounts>>,
    /// What a store behind the cache is counted by; none without one.
    pub store: Option<Box<StoreCounts>>,
}

impl Interval {
    /// An empty interval.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            number: 0,
            start: Nanos(0),
            end: Nanos(0),
            counts: Counts::default(),
            in_flight: 0,
            backlog: 0,
            oldest_wait_ns: 0,
            commands: [CommandCounts::default(); MAX_COMMANDS],
            errors: [0; ErrorKind::COUNT],
            response: Recording::default(),
            service: Recording::default(),
            unanswered: Recording::default(),
            lag: Recording::default(),
            own_lag: Recording::default(),
            connect: Recording::default(),
            receive_delay: Recording::default(),
            slow: SlowSample::new(seed),
            late: LateSpans::default(),
            bytes_sent: 0,
            bytes_received: 0,
            reconnects: 0,
            rearms: 0,
            cpu_ns: 0,
            idle_ns: 0,
            syscalls: 0,
            cluster: None,
            mitigation: None,
            store: None,
        }
    }

    /// An empty interval with what else is to be counted.
    #[must_use]
    pub fn counting(seed: u64, counted: Counted) -> Self {
        Self {
            cluster: counted.cluster.then(Box::default),
            mitigation: counted.mitigation.then(Box::default),
            store: counted.store.then(Box::default),
            ..Self::new(seed)
        }
    }

    /// Counts the end of one request. In the closed model due and sent are the same, so that
    /// only the service time is recorded (`open` is false) and the reader uses it for both.
    #[inline]
    pub fn end_request(&mut self, sample: Sample, open: bool, slow_ns: u64) {
        let command = &mut self.commands[sample.command.index()];
        match sample.outcome {
            Outcome::Ok => {
                command.ok += 1;
                self.counts.answered += 1;
            }
            Outcome::Hit => {
                command.ok += 1;
                command.hits += 1;
                self.counts.answered += 1;
            }
            Outcome::Miss => {
                command.ok += 1;
                command.misses += 1;
                self.counts.answered += 1;
            }
            Outcome::Error(kind) => {
                command.errors += 1;
                self.errors[kind as usize] += 1;
                self.counts.answered += 1;
                self.counts.failed += 1;
            }
            Outcome::Timeout => self.counts.timeouts += 1,
            Outcome::Lost => self.counts.lost += 1,
        }
        let response_ns = sample.done.since(sample.due);
        if matches!(sample.outcome, Outcome::Timeout | Outcome::Lost) {
            let waited_ns = if open { response_ns } else { sample.done.since(sample.sent) };
            self.unanswered.record(waited_ns);
        }
        if open {
            self.response.record(response_ns);
        }
        self.service.record(sample.done.since(sample.sent));
        if response_ns >= slow_ns {
            self.slow.offer(sample);
        }
    }

    /// Counts the end of requests that were sent together and got the usual answer: so many of
    /// each command (`reads` has a bit for each that reads), with the response time in the open
    /// model, and the service time.
    #[inline]
    pub fn end_fast_path(
        &mut self,
        by_command: &[u32],
        reads: u32,
        response_ns: Option<u64>,
        service_ns: u64,
    ) {
        let mut count = 0;
        for (index, (command, answered)) in self.commands.iter_mut().zip(by_command).enumerate() {
            let answered = u64::from(*answered);
            command.ok += answered;
            command.hits += answered * u64::from(reads >> index & 1);
            count += answered;
        }
        self.counts.answered += count;
        if let Some(response_ns) = response_ns {
            self.response.record_many(response_ns, count);
        }
        self.service.record_many(service_ns, count);
    }

    /// Counts a request of the open model that was never sent and has waited for so long.
    pub fn never_sent(&mut self, waited_ns: u64) {
        self.response.record(waited_ns);
        self.unanswered.record(waited_ns);
    }

    /// Makes it ready to be used again. The histograms are drained by the recorder.
    pub fn reset(&mut self) {
        self.counts = Counts::default();
        self.commands = [CommandCounts::default(); MAX_COMMANDS];
        self.errors = [0; ErrorKind::COUNT];
        self.slow.clear();
        self.late.clear();
        (self.bytes_sent, self.bytes_received) = (0, 0);
        (self.reconnects, self.rearms) = (0, 0);
        (self.cpu_ns, self.idle_ns, self.syscalls) = (0, 0, 0);
        (self.in_flight, self.backlog, self.oldest_wait_ns) = (0, 0, 0);
        if let Some(cluster) = &mut self.cluster {
            cluster.reset();
        }
        if let Some(mitigation) = &mut self.mitigation {
            mitigation.reset();
        }
        if let Some(store) = &mut self.store {
            store.reset();
        }
    }
}
