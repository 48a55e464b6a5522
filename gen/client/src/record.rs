//! Gathers the workers' intervals, merges those of the same time, writes the timeline, and keeps
//! the sums of what is measured. The only place where measurements are serialized.

mod cluster;

mod store;

pub mod merge;

pub mod totals;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use hdrhistogram::Histogram;
use stallion_timeline::histogram::empty;
use stallion_timeline::{ClientLate, ClusterInterval, Loss, Record, Server, SlowOp, Writer};

use crate::control::lag::LAG_FIELD;
use merge::Merged;
use stallion_engine::cluster::cluster_map::ClusterMap;
use stallion_engine::cluster::slots::slot_of;
use stallion_engine::measure::interval::Interval;
use stallion_engine::measure::outcome::Outcome;
use stallion_engine::measure::slow::Sample;
use stallion_engine::worker::intervals::IntervalOutlet;
use stallion_resp::encoder::Encoder;
use totals::Totals;

/// One second of a run, for a line on the terminal.
#[derive(Debug, Default)]
pub struct Progress {
    /// Everything of the second.
    pub merged: Merged,
    /// Since the start of what is measured; negative in the warm-up.
    pub at_ns: i64,
    /// What each server last said of itself in it.
    pub servers: Vec<Server>,
    /// By node and slot, of a cluster.
    pub cluster: Option<ClusterInterval>,
    /// When the client was late, and which slots failed, in it; of very many the first.
    pub events: Vec<Record>,
}

/// Events of one second that are told.
const EVENTS: usize = 64;

impl Progress {
    /// Keeps the newest look at each server, and the slow commands of all looks.
    fn look(&mut self, mut server: Server) {
        match self.servers.iter_mut().find(|known| known.target == server.target) {
            Some(known) => {
                server.slowlog.splice(0..0, std::mem::take(&mut known.slowlog));
                *known = server;
            }
            None => self.servers.push(server),
        }
    }
}

/// A worker as the recorder sees it.
#[derive(Debug)]
pub struct Source {
    /// Where its intervals come out.
    pub outlet: IntervalOutlet,
    /// Kernel thread id.
    pub tid: u32,
    /// Number of its first connection over the whole client.
    pub first_connection: u32,
    newest: i64,
    finished: bool,
    runqueue_ns: u64,
}

impl Source {
    /// A worker's outlet, thread and first connection.
    #[must_use]
    pub const fn new(outlet: IntervalOutlet, tid: u32, first_connection: u32) -> Self {
        Self { outlet, tid, first_connection, newest: i64::MIN, finished: false, runqueue_ns: 0 }
    }
}

/// What the recorder needs to know of the plan.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Whether requests have intended times of their own.
    pub open: bool,
    /// The workers spin: CPU time says nothing.
    pub spinning: bool,
    /// Knows the names of commands and keys.
    pub encoder: Encoder,
    /// Start of what is measured.
    pub origin_ns: u64,
    /// End of the schedule.
    pub end_ns: u64,
    /// The nodes of the cluster that is driven, if it is one.
    pub cluster_map: Option<Arc<ClusterMap>>,
}

/// The recorder.
pub struct Recorder<'a> {
    sources: Vec<Source>,
    servers: Receiver<Server>,
    writer: Option<Writer>,
    write_error: Option<io::Error>,
    layout: Layout,
    waiting: BTreeMap<i64, Merged>,
    /// Intervals to be used again.
    spare: Vec<Merged>,
    /// Memory to encode in.
    histogram: Histogram<u64>,
    second: Progress,
    second_ends_ns: u64,
    totals: Totals,
    progress: &'a mut dyn FnMut(&Progress),
}

impl<'a> Recorder<'a> {
    /// A recorder that writes to `writer`, if any, and calls `progress` each second.
    pub fn new(
        sources: Vec<Source>,
        servers: Receiver<Server>,
        writer: Option<Writer>,
        layout: Layout,
        progress: &'a mut dyn FnMut(&Progress),
    ) -> Self {
        Self {
            sources,
            servers,
            writer,
            write_error: None,
            waiting: BTreeMap::new(),
            spare: Vec::new(),
            histogram: empty(),
            second: Progress::default(),
            second_ends_ns: 0,
            totals: Totals::new(layout.open, layout.origin_ns, layout.end_ns),
            layout,
            progress,
        }
    }

    /// Takes what the workers have handed over, and writes what is complete.
    pub fn turn(&mut self) {
        for index in 0..self.sources.len() {
            while let Ok(mut interval) = self.sources[index].outlet.full.pop() {
                self.take(index, &mut interval);
                interval.reset();
                // The queue has a place for every interval there is.
                let _ = self.sources[index].outlet.spare.push(interval);
            }
        }
        while let Ok(server) = self.servers.try_recv() {
            self.totals.server(&server);
            let record = Record::Server(server);
            self.write(&record);
            // How far a replica is behind comes more often, and is no look at all of it.
            if let Record::Server(server) = record
                && !server.info.contains_key(LAG_FIELD)
            {
                self.second.look(server);
            }
        }
        let complete = self.sources.iter().map(|source| source.newest).min().unwrap_or(i64::MIN);
        self.emit(complete);
    }

    /// Says that a worker will hand over nothing more.
    pub fn finished(&mut self, worker: usize) {
        self.turn();
        self.sources[worker].finished = true;
        self.sources[worker].newest = i64::MAX;
    }

    /// Writes a record of the run's own (a phase).
    pub fn write(&mut self, record: &Record) {
        let Some(writer) = &mut self.writer else {
            return;
        };
        if let Err(error) = writer.append(record) {
            self.fail(error);
        }
    }

    /// Writes records of the run's own.
    pub fn write_all(&mut self, records: impl IntoIterator<Item = Record>) {
        records.into_iter().for_each(|record| self.write(&record));
    }

    fn fail(&mut self, error: io::Error) {
        // A full disk ends the file, not the run: the sums go on, and the user is told.
        tracing::error!(%error, "the timeline broke off");
        self.writer = None;
        self.write_error = Some(error);
    }

    fn take(&mut self, index: usize, interval: &mut Interval) {
        let source = &mut self.sources[index];
        if !source.finished {
            source.newest = interval.number;
        }
        let runqueue_ns = runqueue_ns(source.tid).unwrap_or(source.runqueue_ns);
        let waited_ns = runqueue_ns - source.runqueue_ns.min(runqueue_ns);
        // The first reading is where the thread's life before the run is left behind.
        let waited_ns = if source.runqueue_ns == 0 { 0 } else { waited_ns };
        source.runqueue_ns = runqueue_ns;
        let first_connection = source.first_connection;
        let samples: Vec<SlowOp> = interval
            .slow
            .kept()
            .iter()
            .map(|sample| slow_op(sample, first_connection, &self.layout))
            .collect();
        let late = late_records(index, interval);
        let outages = interval.cluster.as_ref().zip(self.layout.cluster_map.as_ref());
        let outages = outages
            .map(|(counts, cluster_map)| cluster::outages(index, counts, cluster_map))
            .unwrap_or_default();
        let spare = || self.spare.pop().unwrap_or_default();
        let merged = self.waiting.entry(interval.number).or_insert_with(spare);
        merged.add(interval, (index as u32, waited_ns), &self.layout);
        for sample in samples {
            self.write(&Record::SlowOp(sample));
        }
        for record in late.into_iter().chain(outages) {
            self.write(&record);
            if self.second.events.len() < EVENTS {
                self.second.events.push(record);
            }
        }
    }

    /// Writes the intervals up to number `complete`, which no worker will add to.
    fn emit(&mut self, complete: i64) {
        while let Some(entry) = self.waiting.first_entry() {
            if *entry.key() > complete {
                break;
            }
            let mut merged = entry.remove();
            // Deflating four histograms costs milliseconds: only for a file that is there.
            if self.writer.is_some() {
                let record = merged.record(&self.layout, &mut self.histogram);
                self.write(&Record::Interval(record));
            }
            self.totals.add(&merged);
            self.tell(&merged);
            merged.clear();
            self.spare.push(merged);
        }
        if let Some(Err(error)) = self.writer.as_mut().map(Writer::flush) {
            self.fail(error);
        }
    }

    fn tell(&mut self, merged: &Merged) {
        if self.second_ends_ns == 0 {
            self.second_ends_ns = merged.start_ns + 1_000_000_000;
        }
        let end_ns = merged.end_ns;
        self.second.merged.absorb(merged);
        if end_ns >= self.second_ends_ns {
            self.second.at_ns = end_ns as i64 - self.layout.origin_ns as i64;
            let cluster = self.second.merged.cluster.as_ref().zip(self.layout.cluster_map.as_ref());
            self.second.cluster =
                cluster.map(|(sum, cluster_map)| cluster::record(sum, cluster_map));
            log(&self.second);
            (self.progress)(&self.second);
            self.second.merged.clear();
            self.second.servers.clear();
            self.second.events.clear();
            self.second_ends_ns = end_ns + 1_000_000_000;
        }
    }

    /// Writes all that is left and gives back the sums, the file (to be finished), and what went
    /// wrong with it.
    pub fn finish(mut self) -> (Totals, Option<Writer>, Option<io::Error>) {
        self.turn();
        self.emit(i64::MAX);
        (self.totals, self.writer, self.write_error)
    }
}

/// What of a second belongs into a log.
fn log(second: &Progress) {
    let merged = &second.merged;
    if merged.reconnects > 0 {
        tracing::info!(connections = merged.reconnects, "opened again");
    }
    let errors = merged.errors_by_name();
    if !errors.is_empty() {
        tracing::info!(?errors, "answers that were errors");
    }
    for event in &second.events {
        if let Record::Outage(outage) = event {
            tracing::warn!(node = outage.node, slots = outage.slots, "slots failed");
        }
    }
}

/// When a worker was late in an interval, and how often that was not kept.
fn late_records(ring: usize, interval: &Interval) -> Vec<Record> {
    let spans = interval.late.kept().iter();
    let mut records: Vec<Record> = spans
        .map(|(start, end)| {
            Record::ClientLate(ClientLate { start_ns: start.0, end_ns: end.0, ring: ring as u32 })
        })
        .collect();
    if interval.late.dropped() > 0 {
        let (source, count) = ("client_late".to_owned(), interval.late.dropped());
        records.push(Record::Loss(Loss { at_ns: interval.end.0, source, count }));
    }
    records
}

fn slow_op(sample: &Sample, first_connection: u32, layout: &Layout) -> SlowOp {
    let Layout { encoder, cluster_map, .. } = layout;
    let node = sample.node.zip(cluster_map.as_ref());
    let slot = slot_of(&encoder.key_text(sample.command, sample.key)).0;
    SlowOp {
        due_ns: sample.due.0,
        sent_ns: sample.sent.0,
        done_ns: sample.done.0,
        command: encoder.commands().name(sample.command).to_owned(),
        key: sample.key.0,
        slot,
        connection: first_connection + sample.connection.0,
        outcome: match sample.outcome {
            Outcome::Ok | Outcome::Hit => stallion_timeline::Outcome::Ok,
            Outcome::Miss => stallion_timeline::Outcome::Miss,
            Outcome::Error(_) => stallion_timeline::Outcome::Error,
            Outcome::Timeout => stallion_timeline::Outcome::Timeout,
            Outcome::Lost => stallion_timeline::Outcome::Lost,
        },
        ahead: sample.ahead,
        own_lag_ns: sample.sent.since(sample.ready.max(sample.due)),
        node: node
            .and_then(|(node, cluster_map)| cluster_map.address(node))
            .map(|place| place.to_string()),
    }
}

/// Time that a thread has been runnable and not running: the second number of schedstat.
fn runqueue_ns(tid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/self/task/{tid}/schedstat")).ok()?;
    text.split_whitespace().nth(1)?.parse().ok()
}
