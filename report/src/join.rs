//! N timelines become one run on one clock.

use std::path::{Path, PathBuf};

use stallion_timeline::{
    Clock, Header, Interval, PeerClock, PhaseName, ReadError, Record, Role, Stall, Timeline,
    histogram,
};
use thiserror::Error;

use crate::run::{PhaseSpan, Run, Slice, Source, port_of};
use crate::summary::{Percentiles, Summary};

/// Why timelines could not be joined.
#[derive(Debug, Error)]
pub enum JoinError {
    /// One of them could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A histogram in it is broken.
    #[error(
        "{path}: the interval at {start_ns} ns: {error}; the file was damaged after it was written"
    )]
    Histogram {
        /// The file.
        path: PathBuf,
        /// The interval's start.
        start_ns: u64,
        /// What the decoder found.
        error: histogram::DecodeError,
    },
    /// Two files were written under different clocks.
    #[error(
        "{path} was written on another boot than {reference} ({found} against {expected}), so \
         their clocks share no zero; give the file of the same run, or run `stallion probe --listen` \
         there and `stallion drive --clock` here, which measures the offset"
    )]
    OtherBoot {
        /// The file that does not fit.
        path: PathBuf,
        /// The file whose clock the report uses.
        reference: PathBuf,
        /// Its boot id.
        found: String,
        /// The reference's boot id.
        expected: String,
    },
    /// Nothing was given.
    #[error("no timeline was given; name .jsonl files or a folder that holds some")]
    Nothing,
}

/// Reads files and joins them.
///
/// # Errors
/// [`JoinError`] when a file cannot be read or is no timeline, when one of its histograms is
/// broken, or when it was written under another clock without a known offset.
pub fn join(paths: &[PathBuf]) -> Result<Run, JoinError> {
    let mut files = Vec::new();
    for path in paths {
        files.push((path.clone(), Timeline::read(path)?));
    }
    // The client's file leads: its clock is the reference, its plan and phases are the run's.
    files.sort_by_key(|(_, timeline)| precedence(timeline.header.role));
    let (reference, first) = files.first().ok_or(JoinError::Nothing)?;
    let mut run = empty_run(first);
    let (boot_id, reference) = (first.header.clock.boot_id.clone(), reference.clone());
    // A loader's intervals are traffic of their own; they count only where nothing else was run.
    let client = files
        .iter()
        .map(|(_, timeline)| timeline.header.role)
        .find(|role| matches!(role, Role::Drive | Role::Ceiling | Role::Load));
    let peers = peer_clocks(first);
    for (path, mut timeline) in files {
        if timeline.header.clock.boot_id != boot_id {
            adopt(&mut timeline.header.clock, &peers);
        }
        check_clock(&path, &timeline.header, &reference, &boot_id)?;
        let keep_intervals = Some(timeline.header.role) == client;
        absorb(&mut run, &path, timeline, keep_intervals)?;
    }
    keep_driven_servers(&mut run);
    settle(&mut run);
    Ok(run)
}

fn precedence(role: Role) -> u8 {
    match role {
        Role::Drive => 0,
        Role::Ceiling => 1,
        Role::Load => 2,
        Role::Probe => 3,
        Role::Chaos => 4,
    }
}

fn empty_run(first: &Timeline) -> Run {
    let clock = &first.header.clock;
    Run {
        sources: Vec::new(),
        header: first.header.clone(),
        summary: first
            .footer
            .as_ref()
            .map_or_else(Summary::default, |footer| Summary::of(&footer.summary)),
        origin_ns: 0,
        end_ns: 0,
        phases: Vec::new(),
        slices: Vec::new(),
        slow_ops: Vec::new(),
        stalls: Vec::new(),
        other_servers: Vec::new(),
        servers: Vec::new(),
        wall_minus_monotonic_ns: i128::from(clock.wall_ns) - i128::from(clock.monotonic_ns),
        chaos: Vec::new(),
        outages: Vec::new(),
        probes: Vec::new(),
        client_late: Vec::new(),
        losses: Vec::new(),
    }
}

/// What the leading file measured of other hosts' clocks.
fn peer_clocks(first: &Timeline) -> Vec<PeerClock> {
    let clocks = first.records.iter().filter_map(|record| match record {
        Record::PeerClock(clock) => Some(clock.clone()),
        _ => None,
    });
    clocks.collect()
}

/// Gives a file of another host the offset that was measured for its boot. Clocks drift (some
/// microseconds a second): the mean of all measurements is taken, and how far they lie from it is
/// a part of the bound.
fn adopt(clock: &mut Clock, peers: &[PeerClock]) {
    let mut measured = peers.iter().filter(|peer| peer.boot_id == clock.boot_id).peekable();
    if clock.offset_ns != 0 || measured.peek().is_none() {
        return;
    }
    let ends = |fold: fn(i64, i64) -> i64| {
        let offsets = measured.clone().map(|peer| peer.offset_ns);
        offsets.reduce(fold).unwrap_or(0)
    };
    let (least_ns, most_ns) = (ends(i64::min), ends(i64::max));
    let drift_ns = least_ns.abs_diff(most_ns);
    clock.offset_ns = i64::midpoint(least_ns, most_ns);
    let error_ns = measured.map(|peer| peer.error_ns).max().unwrap_or(0);
    clock.offset_error_ns = error_ns + drift_ns.div_ceil(2);
}

fn check_clock(
    path: &Path,
    header: &Header,
    reference: &Path,
    boot_id: &str,
) -> Result<(), JoinError> {
    let clock = &header.clock;
    let unknown = clock.boot_id.is_empty() || boot_id.is_empty();
    let offset_known = clock.offset_ns != 0 || clock.offset_error_ns != 0;
    if unknown || offset_known || clock.boot_id == boot_id {
        return Ok(());
    }
    Err(JoinError::OtherBoot {
        path: path.to_owned(),
        reference: reference.to_owned(),
        found: clock.boot_id.clone(),
        expected: boot_id.to_owned(),
    })
}

fn absorb(
    run: &mut Run,
    path: &Path,
    timeline: Timeline,
    keep_intervals: bool,
) -> Result<(), JoinError> {
    let source = run.sources.len();
    let clock = timeline.header.clock.clone();
    run.sources.push(Source {
        file: path.display().to_string(),
        role: timeline.header.role,
        tool: timeline.header.tool.clone(),
        host: timeline.header.host.line(),
        target: timeline.header.target.clone(),
        records: timeline.records.len(),
        truncated: timeline.truncated(),
        torn: timeline.torn,
        end_reason: timeline.footer.as_ref().map(|footer| footer.reason.clone()),
        offset_ns: clock.offset_ns,
        offset_error_ns: clock.offset_error_ns,
    });
    run.probes.extend(timeline.header.probes);
    let on_reference =
        |time_ns: &mut u64| *time_ns = time_ns.saturating_add_signed(clock.offset_ns);
    let leads = source == 0;
    for mut record in timeline.records {
        for_each_time(&mut record, &on_reference);
        if let Record::Chaos(chaos) = &mut record {
            shift_detail(&mut chaos.detail, clock.offset_ns);
        }
        match record {
            Record::Phase(phase) if leads => run.phases.push(PhaseSpan {
                name: phase.name,
                label: phase.label,
                start_ns: phase.start_ns,
                end_ns: 0,
            }),
            Record::Interval(interval) if keep_intervals => {
                run.slices.push(slice(source, interval, path)?);
            }
            Record::SlowOp(op) if keep_intervals => run.slow_ops.push((source, op)),
            Record::ClientLate(late) if keep_intervals => {
                run.client_late.push((late.start_ns, late.end_ns));
            }
            Record::Stall(stall) => run.stalls.push(stall),
            Record::Server(server) => run.servers.push(server),
            Record::Chaos(chaos) => run.chaos.push(chaos),
            Record::Loss(loss) => run.losses.push(loss),
            Record::Outage(outage) if keep_intervals => run.outages.push(outage),
            _ => {}
        }
    }
    Ok(())
}

/// Applies a function to every time of a record.
fn for_each_time(record: &mut Record, apply: &impl Fn(&mut u64)) {
    let times: Vec<&mut u64> = match record {
        Record::Phase(phase) => vec![&mut phase.start_ns],
        Record::Interval(interval) => vec![&mut interval.start_ns, &mut interval.end_ns],
        Record::Server(server) => vec![&mut server.at_ns],
        Record::Chaos(chaos) => vec![&mut chaos.begin_ns, &mut chaos.end_ns],
        Record::Stall(stall) => vec![&mut stall.start_ns, &mut stall.end_ns],
        Record::SlowOp(op) => vec![&mut op.due_ns, &mut op.sent_ns, &mut op.done_ns],
        Record::Loss(loss) => vec![&mut loss.at_ns],
        Record::ClientLate(late) => vec![&mut late.start_ns, &mut late.end_ns],
        Record::Outage(outage) => {
            vec![&mut outage.start_ns, &mut outage.first_answer_ns, &mut outage.end_ns]
        }
        Record::Header(_) | Record::Footer(_) | Record::PeerClock(_) => Vec::new(),
    };
    for time in times {
        apply(time);
    }
}

/// The instants among the figures of a disturbance.
const DETAILED_TIMES: [&str; 6] =
    ["there_begin_ns", "there_end_ns", "back_begin_ns", "back_end_ns", "killed_ns", "replaced_ns"];

fn shift_detail(detail: &mut serde_json::Value, offset_ns: i64) {
    for name in DETAILED_TIMES {
        if let Some(time) = detail.get_mut(name)
            && let Some(time_ns) = time.as_u64()
        {
            *time = time_ns.saturating_add_signed(offset_ns).into();
        }
    }
}

/// Decodes every histogram once, so that a broken one is found here and named.
fn slice(source: usize, interval: Interval, path: &Path) -> Result<Slice, JoinError> {
    let decode = |text: &str| {
        histogram::decode(text).map_err(|error| JoinError::Histogram {
            path: path.to_owned(),
            start_ns: interval.start_ns,
            error,
        })
    };
    let response = Percentiles::of(&decode(&interval.response_hdr)?);
    let Interval { service_hdr, lag_hdr, own_lag_hdr, unanswered_hdr, .. } = &interval;
    for text in [service_hdr, lag_hdr, own_lag_hdr, unanswered_hdr] {
        decode(text)?;
    }
    Ok(Slice { source, interval, response })
}

/// A probe may watch all shards of a host, of which a client drives one, or the nodes of a cluster:
/// another one's fork does not delay its requests. Without a client, or with one of an unknown port,
/// all are kept.
fn keep_driven_servers(run: &mut Run) {
    let named = port_of(&run.header.target).filter(|_| run.driven());
    let is_cluster = run.slow_ops.iter().any(|(_, op)| op.node.is_some());
    let clusters = run.slices.iter().filter_map(|slice| slice.interval.cluster.as_ref());
    let nodes = clusters.filter(|_| is_cluster).flat_map(|cluster| &cluster.nodes);
    let mut driven: Vec<u16> = nodes.filter_map(|node| port_of(&node.node)).chain(named).collect();
    driven.sort_unstable();
    driven.dedup();
    if !run.stalls.iter().any(|stall| driven.contains(&stall.port)) {
        return;
    }
    let other = |stall: &Stall| !driven.contains(&stall.port) && stall.port != 0;
    let mut ports: Vec<u16> =
        run.stalls.iter().filter(|stall| other(stall)).map(|stall| stall.port).collect();
    ports.sort_unstable();
    ports.dedup();
    run.other_servers = ports;
    run.stalls.retain(|stall| !other(stall));
}

/// Sorts everything by time, closes the phases and finds both ends of the axis.
fn settle(run: &mut Run) {
    run.slices.sort_by_key(|slice| slice.interval.start_ns);
    run.slow_ops.sort_by_key(|(_, op)| (op.done_ns, op.due_ns));
    run.stalls.sort_by_key(|stall| stall.start_ns);
    run.servers.sort_by_key(|server| server.at_ns);
    run.chaos.sort_by_key(|chaos| chaos.begin_ns);
    run.phases.sort_by_key(|phase| phase.start_ns);
    let first = run.slices.first().map(|slice| slice.interval.start_ns);
    let last = run.slices.iter().map(|slice| slice.interval.end_ns).max();
    run.end_ns = last.unwrap_or_else(|| last_instant(run));
    if run.phases.is_empty() {
        let start_ns = first.or_else(|| first_instant(run)).unwrap_or(0);
        run.phases.push(PhaseSpan {
            name: PhaseName::Measure,
            label: String::new(),
            start_ns,
            end_ns: 0,
        });
    }
    let starts: Vec<u64> = run.phases.iter().skip(1).map(|phase| phase.start_ns).collect();
    for (index, phase) in run.phases.iter_mut().enumerate() {
        phase.end_ns = starts.get(index).copied().unwrap_or(run.end_ns.max(phase.start_ns));
    }
    let origin = run.measured_spans().next().map(|span| span.start_ns);
    run.origin_ns = origin.unwrap_or(run.phases[0].start_ns);
}

fn first_instant(run: &Run) -> Option<u64> {
    let stalls = run.stalls.iter().map(|stall| stall.start_ns);
    let chaos = run.chaos.iter().map(|chaos| chaos.begin_ns);
    stalls.chain(chaos).chain(run.servers.iter().map(|server| server.at_ns)).min()
}

fn last_instant(run: &Run) -> u64 {
    let stalls = run.stalls.iter().map(|stall| stall.end_ns);
    let chaos = run.chaos.iter().map(|chaos| chaos.end_ns);
    let servers = run.servers.iter().map(|server| server.at_ns);
    stalls.chain(chaos).chain(servers).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(boot_id: &str, offset_ns: i64, error_ns: u64) -> PeerClock {
        let (at_ns, peer) = (0, "10.0.0.5:7979".to_owned());
        PeerClock { at_ns, peer, boot_id: boot_id.to_owned(), offset_ns, error_ns }
    }

    #[test]
    fn another_hosts_clock_gets_its_offset_with_the_drift_in_the_bound() {
        let peers =
            [measured("there", 1_000, 30), measured("else", 7, 7), measured("there", 1_100, 40)];
        let mut clock = Clock { boot_id: "there".to_owned(), ..Clock::of_this_host() };
        adopt(&mut clock, &peers);
        assert_eq!((clock.offset_ns, clock.offset_error_ns), (1_050, 90));
        let mut unknown = Clock { boot_id: "nowhere".to_owned(), ..Clock::of_this_host() };
        adopt(&mut unknown, &peers);
        assert_eq!((unknown.offset_ns, unknown.offset_error_ns), (0, 0));
    }

    #[test]
    fn ports_of_targets() {
        assert_eq!(port_of("redis://127.0.0.1:7000"), Some(7000));
        assert_eq!(port_of("redis://[::1]:6379/0"), Some(6379));
        assert_eq!(port_of("127.0.0.1:7001"), Some(7001));
        assert_eq!(port_of("redis://host"), None);
        assert_eq!(port_of(""), None);
    }
}
