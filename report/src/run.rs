//! All timelines of a run on one clock: what every later module reads.

use hdrhistogram::Histogram;
use serde::Serialize;
use stallion_timeline::{
    Chaos, Header, Interval, Loss, Outage, PhaseName, ProbeState, Role, Server, SlowOp, Stall,
    ThreadRole, histogram,
};

use crate::summary::{Percentiles, Summary};

/// One file that was joined.
#[derive(Debug, Clone, Serialize)]
pub struct Source {
    /// Its path as it was given.
    pub file: String,
    /// The verb that wrote it.
    pub role: Role,
    /// Name and version of the program.
    pub tool: String,
    /// The host in one line.
    pub host: String,
    /// The server it was about.
    pub target: String,
    /// Records between header and footer.
    pub records: usize,
    /// It has no footer: the run was cut off.
    pub truncated: bool,
    /// Its last line broke off in its middle and was dropped.
    pub torn: bool,
    /// Why the run ended, as the footer says.
    pub end_reason: Option<String>,
    /// What was added to its times.
    pub offset_ns: i64,
    /// That offset is right to within plus or minus this.
    pub offset_error_ns: u64,
}

/// A stretch of the run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhaseSpan {
    /// Which phase.
    pub name: PhaseName,
    /// What it is about, in the scenario's words; may be empty.
    pub label: String,
    /// Its start.
    pub start_ns: u64,
    /// Its end.
    pub end_ns: u64,
}

/// One interval with its percentiles read.
#[derive(Debug, Clone)]
pub struct Slice {
    /// Which of [`Run::sources`] it comes from.
    pub source: usize,
    /// The interval as stored; histograms stay encoded, because decoded ones take 0.3 MB each.
    pub interval: Interval,
    /// Response time; none when nothing was answered.
    pub response: Option<Percentiles>,
}

/// Which histogram of an interval.
#[derive(Debug, Clone, Copy)]
pub enum Distribution {
    /// Intended time to answer.
    Response,
    /// Send to answer.
    Service,
    /// Intended time to send.
    Lag,
    /// The client's own part of the lag.
    OwnLag,
    /// Of the response times, those of requests without an answer: lower bounds.
    Unanswered,
}

/// All timelines on one clock.
#[derive(Debug, Clone)]
pub struct Run {
    /// The files.
    pub sources: Vec<Source>,
    /// The client's header, or the first file's.
    pub header: Header,
    /// The client's own summary; all unknown without a complete drive file.
    pub summary: Summary,
    /// Zero of the run's axis: the start of the first measured phase.
    pub origin_ns: u64,
    /// The last instant that any record names.
    pub end_ns: u64,
    /// Phases in the order of time.
    pub phases: Vec<PhaseSpan>,
    /// Intervals in the order of time.
    pub slices: Vec<Slice>,
    /// Slow requests, with the index of their source, in the order of `done_ns`.
    pub slow_ops: Vec<(usize, SlowOp)>,
    /// Stalls of the server in the order of their start.
    pub stalls: Vec<Stall>,
    /// Ports of other servers whose stalls were left out, because the client did not drive them.
    pub other_servers: Vec<u16>,
    /// What the server said of itself.
    pub servers: Vec<Server>,
    /// Wall time minus monotonic time, in nanoseconds: SLOWLOG knows only wall time.
    pub wall_minus_monotonic_ns: i128,
    /// Disturbances that Stallion made.
    pub chaos: Vec<Chaos>,
    /// When slots of a cluster failed, as each ring of the client saw it.
    pub outages: Vec<Outage>,
    /// State of each probe.
    pub probes: Vec<ProbeState>,
    /// When the client had something to do and did not run.
    pub client_late: Vec<(u64, u64)>,
    /// What could not be recorded.
    pub losses: Vec<Loss>,
}

impl Run {
    /// Seconds and parts of one on the run's own axis, in nanoseconds.
    #[must_use]
    pub fn axis_ns(&self, time_ns: u64) -> i64 {
        time_ns.cast_signed() - self.origin_ns.cast_signed()
    }

    /// Whether a time lies in a measured phase.
    #[must_use]
    pub fn measured(&self, time_ns: u64) -> bool {
        self.measured_spans().any(|span| (span.start_ns..=span.end_ns).contains(&time_ns))
    }

    /// The measured phases.
    pub fn measured_spans(&self) -> impl Iterator<Item = &PhaseSpan> {
        self.phases.iter().filter(|span| span.name == PhaseName::Measure)
    }

    /// Intervals whose middle lies in a measured phase.
    pub fn measured_slices(&self) -> impl Iterator<Item = &Slice> {
        self.slices.iter().filter(|slice| self.measured(slice.middle_ns()))
    }

    /// Those and the intervals in which answers were awaited afterwards: every request that was due in a
    /// measured phase has its end in one of them.
    pub fn counted_slices(&self) -> impl Iterator<Item = &Slice> {
        let drains = self.phases.iter().filter(|span| span.name == PhaseName::Drain);
        let drain_ns = drains.map(|span| span.start_ns).min().unwrap_or(u64::MAX);
        self.slices
            .iter()
            .filter(move |slice| self.measured(slice.middle_ns()) || slice.middle_ns() >= drain_ns)
    }

    /// Stalls of the thread that runs the event loop.
    pub fn main_stalls(&self) -> impl Iterator<Item = &Stall> {
        self.stalls.iter().filter(|stall| stall.thread == ThreadRole::Main)
    }

    /// What one server said of itself: that of a stall's port, which is 0 when it is unknown.
    pub fn said_by(&self, port: u16) -> impl Iterator<Item = &Server> {
        self.servers.iter().filter(move |server| said_by(server, port))
    }

    /// Whether a probe timeline is among the files.
    #[must_use]
    pub fn probed(&self) -> bool {
        self.sources.iter().any(|source| source.role == Role::Probe)
    }

    /// Whether a client's timeline is among the files.
    #[must_use]
    pub fn driven(&self) -> bool {
        !self.slices.is_empty()
    }
}

/// Whether a record is about the server of a port. Where one of the two is unknown there was only one.
#[must_use]
pub fn said_by(server: &Server, port: u16) -> bool {
    port == 0 || port_of(&server.target).is_none_or(|of| of == port)
}

/// The port in `redis://host:6379`, with or without what stands around it.
#[must_use]
pub fn port_of(target: &str) -> Option<u16> {
    let address = target.split("://").last()?.split('/').next()?;
    address.rsplit_once(':')?.1.parse().ok()
}

impl Slice {
    /// The middle of the interval.
    #[must_use]
    pub fn middle_ns(&self) -> u64 {
        self.interval.start_ns.midpoint(self.interval.end_ns)
    }

    fn encoded(&self, which: Distribution) -> &str {
        match which {
            Distribution::Response => &self.interval.response_hdr,
            Distribution::Service => &self.interval.service_hdr,
            Distribution::Lag => &self.interval.lag_hdr,
            Distribution::OwnLag => &self.interval.own_lag_hdr,
            Distribution::Unanswered => &self.interval.unanswered_hdr,
        }
    }
}

/// Merges one distribution over intervals: percentiles are read from the sum, never averaged.
pub fn merged<'a>(
    slices: impl IntoIterator<Item = &'a Slice>,
    which: Distribution,
) -> Histogram<u64> {
    let mut sum = histogram::empty();
    // Most intervals have no unanswered request: an empty histogram would be 0.3 MB for nothing.
    let encoded = slices.into_iter().map(|slice| slice.encoded(which));
    for text in encoded.filter(|text| !text.is_empty()) {
        // `join` decoded every histogram once, so that none is left to fail here.
        if let Ok(part) = histogram::decode(text) {
            let _ = sum.add(&part);
        }
    }
    sum
}
