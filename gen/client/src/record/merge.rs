//! One interval over all workers.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use stallion_timeline::histogram::encode;
use stallion_timeline::silence::Look;
use stallion_timeline::{OpCounts, schema};

use super::{Layout, cluster, store};
use stallion_engine::measure::cluster_sum::ClusterSum;
use stallion_engine::measure::histogram::Sum;
use stallion_engine::measure::interval::{CommandCounts, Counts, Interval};
use stallion_engine::measure::mitigation::MitigationSum;
use stallion_engine::measure::outcome::ErrorKind;
use stallion_engine::measure::store::StoreSum;
use stallion_resp::command::Commands;
use stallion_resp::limits::MAX_COMMANDS;
use stallion_resp::units::CommandId;

/// The sum of the workers' intervals of one time. Histograms are added, never averaged.
#[derive(Debug)]
pub struct Merged {
    /// Earliest start.
    pub start_ns: u64,
    /// Latest end.
    pub end_ns: u64,
    /// Where the requests are.
    pub counts: Counts,
    /// Requests in flight at the end.
    pub in_flight: u64,
    /// Requests due and not sent at the end.
    pub backlog: u64,
    /// How long the oldest request without an answer had waited at the end.
    pub oldest_wait_ns: u64,
    /// By command.
    pub commands: [CommandCounts; MAX_COMMANDS],
    /// By kind of error.
    pub errors: [u64; ErrorKind::COUNT],
    /// Intended time to answer.
    pub response: Sum,
    /// Send to answer.
    pub service: Sum,
    /// Of the response times (in the closed model the service times), those of requests that never got
    /// an answer: lower bounds.
    pub unanswered: Sum,
    /// Intended time to send.
    pub lag: Sum,
    /// The client's own part of it.
    pub own_lag: Sum,
    /// How long answers had lain in the kernel; a sample, empty where it is not measured.
    pub receive_delay: Sum,
    /// How long connections took to open and to be greeted.
    pub connect: Sum,
    /// Slow requests.
    pub slow_count: u64,
    /// Those of which a sample was kept.
    pub slow_kept: u64,
    /// Sum of the response times of the slow ones.
    pub slow_sum_ns: u64,
    /// Bytes sent.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Connections opened again.
    pub reconnects: u64,
    /// Receives armed again.
    pub rearms: u64,
    /// CPU time of the workers.
    pub cpu_ns: u64,
    /// System calls of the workers.
    pub syscalls: u64,
    /// Busy share of the busiest worker.
    pub busy_max: f64,
    /// How long each worker was busy, and of how long, by its number, in nanoseconds.
    pub busy_ns: Vec<(f64, f64)>,
    /// Longest time that one worker waited for a core.
    pub runqueue_max_ns: u64,
    /// The sum over the workers.
    pub runqueue_ns: u64,
    /// By node and slot; none with a single server.
    pub cluster: Option<Box<ClusterSum>>,
    /// What a mitigation saved and what it cost; none without one.
    pub mitigation: Option<Box<MitigationSum>>,
    /// What the store behind the cache was asked; none without one.
    pub store: Option<Box<StoreSum>>,
}

impl Default for Merged {
    fn default() -> Self {
        Self {
            start_ns: u64::MAX,
            end_ns: 0,
            counts: Counts::default(),
            in_flight: 0,
            backlog: 0,
            oldest_wait_ns: 0,
            commands: [CommandCounts::default(); MAX_COMMANDS],
            errors: [0; ErrorKind::COUNT],
            response: Sum::default(),
            service: Sum::default(),
            unanswered: Sum::default(),
            lag: Sum::default(),
            own_lag: Sum::default(),
            receive_delay: Sum::default(),
            connect: Sum::default(),
            slow_count: 0,
            slow_kept: 0,
            slow_sum_ns: 0,
            bytes_sent: 0,
            bytes_received: 0,
            reconnects: 0,
            rearms: 0,
            cpu_ns: 0,
            syscalls: 0,
            busy_max: 0.0,
            busy_ns: Vec::new(),
            runqueue_max_ns: 0,
            runqueue_ns: 0,
            cluster: None,
            mitigation: None,
            store: None,
        }
    }
}

impl Merged {
    /// Adds one worker's interval and empties its histograms.
    /// `ring` is the worker's number, `runqueue_ns` the time that it waited for a core.
    pub fn add(
        &mut self,
        interval: &mut Interval,
        (ring, runqueue_ns): (u32, u64),
        layout: &Layout,
    ) {
        if let Some(counts) = &interval.cluster {
            self.cluster.get_or_insert_default().add(counts, ring);
        }
        if let Some(counts) = interval.mitigation.as_mut().filter(|counts| !counts.is_empty()) {
            self.mitigation.get_or_insert_default().add(counts);
        }
        if let Some(counts) = interval.store.as_mut().filter(|counts| !counts.is_empty()) {
            self.store.get_or_insert_default().add(counts);
        }
        self.start_ns = self.start_ns.min(interval.start.0);
        self.end_ns = self.end_ns.max(interval.end.0);
        self.add_counts(interval.counts, &interval.commands, &interval.errors);
        self.in_flight += interval.in_flight;
        self.backlog += interval.backlog;
        self.oldest_wait_ns = self.oldest_wait_ns.max(interval.oldest_wait_ns);
        interval.service.drain_into(&mut self.service);
        interval.response.drain_into(&mut self.response);
        interval.unanswered.drain_into(&mut self.unanswered);
        interval.lag.drain_into(&mut self.lag);
        interval.own_lag.drain_into(&mut self.own_lag);
        interval.receive_delay.drain_into(&mut self.receive_delay);
        interval.connect.drain_into(&mut self.connect);
        self.slow_count += interval.slow.seen();
        self.slow_kept += interval.slow.kept().len() as u64;
        self.slow_sum_ns += interval.slow.sum_ns();
        self.bytes_sent += interval.bytes_sent;
        self.bytes_received += interval.bytes_received;
        self.reconnects += interval.reconnects;
        self.rearms += interval.rearms;
        self.cpu_ns += interval.cpu_ns;
        self.syscalls += interval.syscalls;
        let wall_ns = interval.end.since(interval.start).max(1) as f64;
        let busy = if layout.spinning {
            1.0 - interval.idle_ns as f64 / wall_ns
        } else {
            interval.cpu_ns as f64 / wall_ns
        };
        let busy = busy.clamp(0.0, 1.0);
        self.busy_max = self.busy_max.max(busy);
        self.add_busy(ring as usize, (busy * wall_ns, wall_ns));
        self.runqueue_max_ns = self.runqueue_max_ns.max(runqueue_ns);
        self.runqueue_ns += runqueue_ns;
    }

    /// Adds a later interval, for sums over a longer time. `busy_max` and `runqueue_max_ns`
    /// become the largest of all.
    pub fn absorb(&mut self, later: &Self) {
        self.start_ns = self.start_ns.min(later.start_ns);
        self.end_ns = self.end_ns.max(later.end_ns);
        self.add_counts(later.counts, &later.commands, &later.errors);
        (self.in_flight, self.backlog) = (later.in_flight, later.backlog);
        self.oldest_wait_ns = later.oldest_wait_ns;
        for (sum, part) in [
            (&mut self.response, &later.response),
            (&mut self.service, &later.service),
            (&mut self.unanswered, &later.unanswered),
            (&mut self.lag, &later.lag),
            (&mut self.own_lag, &later.own_lag),
            (&mut self.receive_delay, &later.receive_delay),
            (&mut self.connect, &later.connect),
        ] {
            sum.add(part);
        }
        self.slow_count += later.slow_count;
        self.slow_kept += later.slow_kept;
        self.slow_sum_ns += later.slow_sum_ns;
        self.bytes_sent += later.bytes_sent;
        self.bytes_received += later.bytes_received;
        self.reconnects += later.reconnects;
        self.rearms += later.rearms;
        self.cpu_ns += later.cpu_ns;
        self.syscalls += later.syscalls;
        self.busy_max = self.busy_max.max(later.busy_max);
        for (ring, busy) in later.busy_ns.iter().enumerate() {
            self.add_busy(ring, *busy);
        }
        self.runqueue_max_ns = self.runqueue_max_ns.max(later.runqueue_max_ns);
        self.runqueue_ns += later.runqueue_ns;
        if let Some(later) = &later.cluster {
            self.cluster.get_or_insert_default().absorb(later);
        }
        if let Some(later) = &later.mitigation {
            self.mitigation.get_or_insert_default().absorb(later);
        }
        if let Some(later) = &later.store {
            self.store.get_or_insert_default().absorb(later);
        }
    }

    fn add_busy(&mut self, ring: usize, (busy_ns, wall_ns): (f64, f64)) {
        if self.busy_ns.len() <= ring {
            self.busy_ns.resize(ring + 1, (0.0, 0.0));
        }
        self.busy_ns[ring].0 += busy_ns;
        self.busy_ns[ring].1 += wall_ns;
    }

    /// Busy share of each worker by its number, 0 to 1.
    #[must_use]
    pub fn busy(&self) -> Vec<f64> {
        self.busy_ns.iter().map(|(busy_ns, wall_ns)| busy_ns / wall_ns.max(1.0)).collect()
    }

    fn add_counts(
        &mut self,
        counts: Counts,
        commands: &[CommandCounts; MAX_COMMANDS],
        errors: &[u64; ErrorKind::COUNT],
    ) {
        self.counts.due += counts.due;
        self.counts.sent += counts.sent;
        self.counts.answered += counts.answered;
        self.counts.failed += counts.failed;
        self.counts.timeouts += counts.timeouts;
        self.counts.lost += counts.lost;
        for (sum, part) in self.commands.iter_mut().zip(commands) {
            sum.ok += part.ok;
            sum.hits += part.hits;
            sum.misses += part.misses;
            sum.errors += part.errors;
        }
        for (sum, part) in self.errors.iter_mut().zip(errors) {
            *sum += part;
        }
    }

    /// Errors by name, those that happened.
    #[must_use]
    pub fn errors_by_name(&self) -> BTreeMap<String, u64> {
        ErrorKind::ALL
            .into_iter()
            .map(|kind| (kind.name().to_owned(), self.errors[kind as usize]))
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    /// Counts by the name of the command, of those that there were any of.
    #[must_use]
    pub fn ops_by_name(&self, commands: &Commands) -> BTreeMap<String, OpCounts> {
        let named = |(index, counts): (usize, &CommandCounts)| {
            let CommandCounts { ok, hits, misses, errors } = *counts;
            let name = commands.name(CommandId(index as u8)).to_owned();
            (name, OpCounts { ok, hits, misses, errors })
        };
        let there = |(_, counts): &(usize, &CommandCounts)| **counts != CommandCounts::default();
        self.commands.iter().enumerate().filter(there).map(named).collect()
    }

    /// What of it tells whether the server answers.
    #[must_use]
    pub fn look(&self) -> Look {
        let errors = |kind: ErrorKind| self.errors[kind as usize];
        Look {
            start_ns: self.start_ns,
            end_ns: self.end_ns,
            due: self.counts.due,
            answered: self.counts.answered - self.counts.failed,
            waiting: self.in_flight + self.backlog,
            refused: errors(ErrorKind::Connect),
            reset: errors(ErrorKind::Disconnect),
            loading: errors(ErrorKind::Loading),
            errors: self.counts.failed,
        }
    }

    /// Intended time to answer; in the closed model that is the service time.
    #[must_use]
    pub const fn response_of(&self, open: bool) -> &Sum {
        if open { &self.response } else { &self.service }
    }

    /// Makes it ready for another interval, with the memory that it has.
    pub fn clear(&mut self) {
        let Self {
            response,
            service,
            lag,
            own_lag,
            receive_delay,
            connect,
            unanswered,
            cluster,
            mitigation,
            store,
            busy_ns,
            ..
        } = std::mem::take(self);
        self.busy_ns = busy_ns;
        self.busy_ns.clear();
        (self.mitigation, self.store) = (mitigation, store);
        (self.response, self.service, self.lag, self.cluster) = (response, service, lag, cluster);
        (self.own_lag, self.receive_delay, self.connect) = (own_lag, receive_delay, connect);
        self.unanswered = unanswered;
        for sum in [
            &mut self.response,
            &mut self.service,
            &mut self.lag,
            &mut self.own_lag,
            &mut self.receive_delay,
            &mut self.connect,
            &mut self.unanswered,
        ] {
            sum.clear();
        }
        if let Some(cluster) = &mut self.cluster {
            cluster.clear();
        }
        if let Some(mitigation) = &mut self.mitigation {
            mitigation.clear();
        }
        if let Some(store) = &mut self.store {
            store.clear();
        }
    }

    /// As the timeline has it; `histogram` is memory to work in.
    #[must_use]
    pub fn record(&self, layout: &Layout, histogram: &mut Histogram<u64>) -> schema::Interval {
        let mut encoded = |sum: &Sum| {
            sum.write_to(histogram);
            encode(histogram)
        };
        let ops = self.ops_by_name(layout.encoder.commands());
        schema::Interval {
            start_ns: self.start_ns,
            end_ns: self.end_ns,
            due: self.counts.due,
            sent: self.counts.sent,
            answered: self.counts.answered,
            timeouts: self.counts.timeouts,
            lost: self.counts.lost,
            in_flight: self.in_flight,
            backlog: self.backlog,
            oldest_wait_ns: self.oldest_wait_ns,
            ops,
            errors: self.errors_by_name(),
            response_hdr: encoded(self.response_of(layout.open)),
            service_hdr: encoded(&self.service),
            unanswered_hdr: encoded(&self.unanswered),
            lag_hdr: encoded(&self.lag),
            own_lag_hdr: encoded(&self.own_lag),
            bytes_sent: self.bytes_sent,
            bytes_received: self.bytes_received,
            client_cpu_ns: self.cpu_ns,
            client_busy_max: self.busy_max,
            client_busy: self.busy().into_iter().map(rounded).collect(),
            client_runqueue_ns: self.runqueue_ns,
            client_syscalls: self.syscalls,
            reconnects: self.reconnects,
            slow_count: self.slow_count,
            slow_sum_ns: self.slow_sum_ns,
            cluster: self
                .cluster
                .as_ref()
                .zip(layout.cluster_map.as_ref())
                .map(|(sum, cluster_map)| cluster::record(sum, cluster_map)),
            store: self.store.as_ref().map(|sum| store::record(sum, &mut encoded)),
        }
    }
}

/// A share to a thousandth: more digits would only be bytes.
fn rounded(share: f64) -> f64 {
    (share * 1_000.0).round() / 1_000.0
}
