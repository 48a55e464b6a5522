//! What else was going on: chaos actions, INFO and SLOWLOG give a cause its name.
//!
//! None of it is a cause by itself. A BGSAVE at the same time does not explain a slow request;
//! a fork on the main thread does, and the BGSAVE then says whose fork it was.

use std::collections::BTreeMap;

use stallion_timeline::{Chaos, Outage, Server, SlowlogEntry, Stall, StallClass};

use crate::cause::Cause;
use crate::run::Run;
use crate::words;

/// A disturbance counts as being at the same time when it began up to this long before.
const LEAD_NS: u64 = 100_000_000;

/// SLOWLOG's durations agree with the probes' to this, or to 2 ms: the loop does more than the
/// command, and redis-server reads a coarser clock.
const SLOWLOG_TOLERANCE: f64 = 0.2;

/// Disturbances that overlap a stretch of time.
pub fn chaos_in(run: &Run, from_ns: u64, to_ns: u64) -> impl Iterator<Item = &Chaos> {
    run.chaos.iter().filter(move |chaos| {
        chaos.begin_ns <= to_ns && chaos.end_ns.max(chaos.begin_ns) + LEAD_NS >= from_ns
    })
}

/// A cause in words, with what the server and the stall records say about it in this stretch:
/// What the probes say of a wait that ended when a sleeping core had woken up.
const IDLE_CORE: &str = "an idle core woke up";

/// What the probes say of a main thread that waits for one of its I/O threads.
const IO_THREAD: &str = "waits for io_thd";

/// `fork of BGSAVE`, `command KEYS * (SLOWLOG: 497 ms)`, `waits for a CPU held by stress`.
#[must_use]
pub fn label(run: &Run, cause: Cause, from_ns: u64, to_ns: u64) -> String {
    let class = match cause {
        Cause::Stall(class) => class,
        Cause::Outage => return outage_label(run, from_ns, to_ns),
        Cause::Client | Cause::Unexplained => return cause.name().to_owned(),
    };
    let what = main_subject(run, class, from_ns, to_ns);
    let job = || saving_job(run, from_ns, to_ns);
    match class {
        StallClass::Fork => job().map_or_else(|| "fork".to_owned(), |job| format!("fork of {job}")),
        StallClass::CowFault => job().map_or_else(
            || cause.name().to_owned(),
            |job| format!("copy-on-write faults during {job}"),
        ),
        StallClass::Command => command_label(run, &what, from_ns, to_ns),
        StallClass::RunQueue if what.starts_with(IO_THREAD) => {
            let (thread, holder) = what.split_once(": ").unwrap_or((&what, "another thread"));
            format!("{thread}, whose CPU {holder} had")
        }
        StallClass::RunQueue if what == IDLE_CORE => "the wake-up of an idle core".to_owned(),
        StallClass::RunQueue if what.starts_with(IDLE_CORE) => {
            "waits for a CPU (idle ones that had to wake up, and busy ones)".to_owned()
        }
        StallClass::RunQueue if !what.is_empty() => format!("waits for a CPU held by {what}"),
        StallClass::Syscall if !what.is_empty() => format!("system call {what}"),
        StallClass::Stopped | StallClass::Traced if !what.is_empty() => what,
        StallClass::Frozen if !what.is_empty() => format!("{} ({what})", cause.name()),
        StallClass::OffCpu if !what.is_empty() => what,
        StallClass::Fsync | StallClass::AofWrite | StallClass::FsyncWait if !what.is_empty() => {
            format!("{what}{}", disk_part(run, class, from_ns, to_ns))
        }
        StallClass::Reclaim | StallClass::Softirq if !what.is_empty() => {
            format!("{} ({what})", cause.name())
        }
        StallClass::BlockIo if !what.is_empty() => format!("requests of {what}"),
        _ => cause.name().to_owned(),
    }
}

/// `an outage of the slots of 127.0.0.1:7000`.
fn outage_label(run: &Run, from_ns: u64, to_ns: u64) -> String {
    let within = |outage: &&Outage| outage.start_ns < to_ns && outage.end_ns > from_ns;
    let mut nodes: Vec<&str> =
        run.outages.iter().filter(within).map(|outage| outage.node.as_str()).collect();
    nodes.sort_unstable();
    nodes.dedup();
    if nodes.is_empty() {
        return Cause::Outage.name().to_owned();
    }
    format!("an outage of the slots of {}", nodes.join(" and "))
}

/// How long the disk was busy in calls that waited for it: ` (of 412 ms the disk was busy for
/// 380 ms: 38.2 MiB in 76 requests)`; nothing when no probe watched it.
fn disk_part(run: &Run, class: StallClass, from_ns: u64, to_ns: u64) -> String {
    let mut sums = [0.0; 4];
    for stall in overlapping(run, class, from_ns, to_ns) {
        let Some(device_ns) = stall.detail.get("device_ns") else { continue };
        let figure = |name: &str| stall.detail.get(name).copied().unwrap_or(0.0);
        let parts =
            [stall.busy_ns as f64, *device_ns, figure("device_bytes"), figure("device_requests")];
        sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
    }
    let [busy_ns, device_ns, bytes, requests] = sums;
    if requests < 1.0 {
        return String::new();
    }
    format!(
        " (of {} the disk was busy for {}: {} in {})",
        words::duration(busy_ns as u64),
        words::duration(device_ns as u64),
        words::bytes(bytes),
        words::plural(requests as u64, "request")
    )
}

/// What the stalls of a class were about, for the one with most time in the stretch.
fn main_subject(run: &Run, class: StallClass, from_ns: u64, to_ns: u64) -> String {
    let mut time: BTreeMap<&str, u64> = BTreeMap::new();
    for stall in overlapping(run, class, from_ns, to_ns) {
        *time.entry(subject(&stall.what)).or_default() += stall.busy_ns;
    }
    let all: u64 = time.values().sum();
    let longest = time.into_iter().max_by_key(|(_, busy_ns)| *busy_ns);
    longest.map_or_else(String::new, |(what, busy_ns)| {
        let alone = what.is_empty() || busy_ns * 10 >= all * 9;
        if alone { what.to_owned() } else { format!("{what} and others") }
    })
}

/// `redis-server (712) had the core` is about redis-server: threads of one name count as one.
fn subject(what: &str) -> &str {
    let name = what.strip_suffix(" had the core").unwrap_or(what);
    match name.rsplit_once(" (") {
        Some((name, id)) if id.trim_end_matches(')').parse::<u32>().is_ok() => name,
        _ => name,
    }
}

fn overlapping(
    run: &Run,
    class: StallClass,
    from_ns: u64,
    to_ns: u64,
) -> impl Iterator<Item = &Stall> {
    run.main_stalls().filter(move |stall| {
        stall.class == class && stall.start_ns < to_ns && stall.end_ns > from_ns
    })
}

/// The command of the background job that was saving at the time.
fn saving_job(run: &Run, from_ns: u64, to_ns: u64) -> Option<&'static str> {
    let by_chaos = chaos_in(run, from_ns, to_ns).find_map(|chaos| match chaos.action.as_str() {
        "bgsave" => Some("BGSAVE"),
        "aof-rewrite" => Some("BGREWRITEAOF"),
        _ => None,
    });
    by_chaos.or_else(|| {
        let at_work =
            run.main_stalls().find(|stall| stall.start_ns < to_ns && stall.end_ns > from_ns);
        let port = at_work.map_or(0, |stall| stall.port);
        let after = run.said_by(port).filter(|server| server.at_ns >= from_ns);
        after.take(2).find_map(|server| {
            let on = |field: &str| server.info.get(field).is_some_and(|value| *value > 0.0);
            if on("rdb_bgsave_in_progress") {
                Some("BGSAVE")
            } else if on("aof_rewrite_in_progress") {
                Some("BGREWRITEAOF")
            } else {
                None
            }
        })
    })
}

fn command_label(run: &Run, what: &str, from_ns: u64, to_ns: u64) -> String {
    let longest =
        overlapping(run, StallClass::Command, from_ns, to_ns).max_by_key(|stall| stall.busy_ns);
    let entry = longest.and_then(|stall| slowlog_of(run, stall));
    match (entry, what.is_empty()) {
        (Some(entry), _) => format!(
            "command {} (SLOWLOG: {})",
            entry.command,
            words::duration(entry.duration_us.unsigned_abs() * 1_000)
        ),
        (None, false) => format!("command {what}"),
        (None, true) => "slow commands".to_owned(),
    }
}

/// The SLOWLOG entry that fits a stall in time and, within its tolerance, in duration.
#[must_use]
pub fn slowlog_of<'a>(run: &'a Run, stall: &Stall) -> Option<&'a SlowlogEntry> {
    let entries = run.said_by(stall.port).flat_map(|server| &server.slowlog);
    let fitting = entries.filter(|entry| fits(run, entry, stall));
    fitting.min_by_key(|entry| distance_us(entry, stall))
}

/// Whether a SLOWLOG entry may be this stall.
#[must_use]
pub fn fits(run: &Run, entry: &SlowlogEntry, stall: &Stall) -> bool {
    let (from_ns, to_ns) = possible_span(run, entry);
    let tolerance_us = (entry.duration_us as f64 * SLOWLOG_TOLERANCE).max(2_000.0);
    i128::from(stall.start_ns) < to_ns
        && i128::from(stall.end_ns) > from_ns
        && distance_us(entry, stall) as f64 <= tolerance_us
}

/// How far the durations are apart. A command that was preempted or faulted has a span longer
/// than its time on the CPU, and SLOWLOG counts the span.
fn distance_us(entry: &SlowlogEntry, stall: &Stall) -> u64 {
    let span_us = (stall.end_ns - stall.start_ns) / 1_000;
    let busy_us = stall.busy_ns / 1_000;
    let entry_us = entry.duration_us.unsigned_abs();
    span_us.abs_diff(entry_us).min(busy_us.abs_diff(entry_us))
}

/// SLOWLOG gives whole seconds of wall time, of the start in some versions and of the end in
/// others, so the entry lies anywhere between the earliest and the latest reading.
fn possible_span(run: &Run, entry: &SlowlogEntry) -> (i128, i128) {
    let second_ns = i128::from(entry.unix_s) * 1_000_000_000 - run.wall_minus_monotonic_ns;
    let duration_ns = i128::from(entry.duration_us) * 1_000;
    (second_ns - duration_ns, second_ns + 1_000_000_000 + duration_ns)
}

/// The first record of a stall's server after it in which a field of INFO stands.
#[must_use]
pub fn info_after<'a>(run: &'a Run, stall: &Stall, field: &str) -> Option<(&'a Server, f64)> {
    run.said_by(stall.port)
        .filter(|server| server.at_ns >= stall.end_ns)
        .find_map(|server| Some((server, *server.info.get(field)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_had_the_core_is_named_without_its_thread() {
        assert_eq!(subject("cc1 (28796) had the core"), "cc1");
        assert_eq!(subject("lto cgu.08 (7) had the core"), "lto cgu.08");
        assert_eq!(subject("KEYS (pattern)"), "KEYS (pattern)");
        assert_eq!(subject(""), "");
    }
}
