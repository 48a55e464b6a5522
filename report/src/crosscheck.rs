//! The probes against what the server says of itself, and what the server does not say at all.

use std::collections::BTreeMap;

use serde::Serialize;
use stallion_timeline::{Server, Stall, StallClass};

use crate::cause::Cause;
use crate::evidence;
use crate::run::{Run, said_by};
use crate::words;

/// Stalls from this on would be in SLOWLOG by its default threshold, were they commands.
const MISSED_OVER_NS: u64 = 10_000_000;

/// SLOWLOG entries shorter than this are not compared: the loop's own time would blur them.
const COMPARED_OVER_US: i64 = 5_000;

/// At most this many rows of one kind, the longest first.
const ROWS: usize = 12;

/// One figure from both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// What is compared.
    pub what: String,
    /// When, on the run's axis.
    pub at_axis_ns: i64,
    /// Where the server says it.
    pub server_source: String,
    /// The server's figure, in words.
    pub server: String,
    /// The probes' figure, in words; none when they saw nothing that fits.
    pub probe: Option<String>,
    /// How much more the probes saw, in per cent of the server's figure.
    pub difference_percent: Option<f64>,
}

/// Stalls of one class that the server's own tools do not show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missed {
    /// The class.
    pub cause: Cause,
    /// How many of 10 ms and more.
    pub count: u64,
    /// Their sum.
    pub total_ns: u64,
    /// The longest.
    pub longest_ns: u64,
    /// When the longest began, on the run's axis.
    pub longest_at_axis_ns: i64,
}

/// Both sides compared.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Crosscheck {
    /// Figures that both sides have.
    pub rows: Vec<Row>,
    /// What only the probes saw. Empty without server records: then nothing was asked.
    pub missed: Vec<Missed>,
}

/// Compares the two sides.
#[must_use]
pub fn crosscheck(run: &Run) -> Crosscheck {
    if !run.probed() || run.servers.is_empty() {
        return Crosscheck::default();
    }
    let mut known = Known::default();
    let mut rows = forks(run, &mut known);
    rows.extend(copied(run));
    rows.extend(slowlog(run, &mut known));
    rows.extend(latency(run, &mut known));
    Crosscheck { rows, missed: missed(run, &known) }
}

/// Spans of stalls that the server knows of.
#[derive(Debug, Default)]
struct Known(Vec<(u64, u64)>);

impl Known {
    fn add(&mut self, stall: &Stall) {
        self.0.push((stall.start_ns, stall.end_ns));
    }

    /// A stall within one that the server knows of (a command around a fork, blocking inside an
    /// fsync) is the same event seen at another depth: half of it overlapping is enough.
    fn covers(&self, stall: &Stall) -> bool {
        self.0.iter().any(|(start, end)| {
            let from = stall.start_ns.max(*start);
            let to = stall.end_ns.min(*end);
            to.saturating_sub(from) * 2 >= stall.end_ns - stall.start_ns
        })
    }
}

fn row(
    run: &Run,
    what: String,
    at_ns: u64,
    source: &str,
    server_ns: f64,
    probe_ns: Option<u64>,
) -> Row {
    Row {
        what,
        at_axis_ns: run.axis_ns(at_ns),
        server_source: source.to_owned(),
        server: words::duration(server_ns as u64),
        probe: probe_ns.map(words::duration),
        difference_percent: probe_ns.and_then(|probe| percent_more(probe as f64, server_ns)),
    }
}

fn percent_more(probe: f64, server: f64) -> Option<f64> {
    (server > 0.0).then(|| (probe - server) / server * 100.0)
}

/// Each fork against `latest_fork_usec` of the first INFO after it.
fn forks(run: &Run, known: &mut Known) -> Vec<Row> {
    let forks: Vec<&Stall> =
        run.main_stalls().filter(|stall| stall.class == StallClass::Fork).collect();
    let mut rows = Vec::new();
    for (index, fork) in forks.iter().enumerate() {
        let next = forks[index + 1..].iter().find(|next| next.port == fork.port);
        let next_ns = next.map_or(u64::MAX, |next| next.end_ns);
        let Some((server, usec)) = evidence::info_after(run, fork, "latest_fork_usec") else {
            continue;
        };
        // A later fork has overwritten the figure.
        if server.at_ns >= next_ns || usec <= 0.0 {
            continue;
        }
        known.add(fork);
        let what = evidence::label(run, Cause::Stall(StallClass::Fork), fork.start_ns, fork.end_ns);
        rows.push(row(
            run,
            what,
            fork.start_ns,
            "INFO latest_fork_usec",
            usec * 1e3,
            Some(fork.busy_ns),
        ));
    }
    rows
}

/// Bytes copied after the last fork against `rdb_last_cow_size`, where both are known.
fn copied(run: &Run) -> Option<Row> {
    let fork = run.main_stalls().filter(|stall| stall.class == StallClass::Fork).last()?;
    let says_it = |server: &&Server| server.info.contains_key("rdb_last_cow_size");
    let last = run.said_by(fork.port).filter(says_it).last()?;
    let (server, saving) = (
        *last.info.get("rdb_last_cow_size")?,
        last.info.get("rdb_bgsave_in_progress").copied().unwrap_or(0.0),
    );
    let faults = run.main_stalls().filter(|stall| {
        let of_fork = stall.port == fork.port && stall.start_ns >= fork.start_ns;
        stall.class == StallClass::CowFault && of_fork
    });
    let copied: f64 = faults.filter_map(|stall| stall.detail.get("copied_bytes")).sum();
    (server > 0.0 && saving == 0.0 && copied > 0.0).then(|| Row {
        what: "memory copied on write".to_owned(),
        at_axis_ns: run.axis_ns(fork.start_ns),
        server_source: "INFO rdb_last_cow_size".to_owned(),
        server: words::bytes(server),
        probe: Some(words::bytes(copied)),
        difference_percent: percent_more(copied, server),
    })
}

/// The longest entries of SLOWLOG against the command stall that fits each.
fn slowlog(run: &Run, known: &mut Known) -> Vec<Row> {
    let mut entries: Vec<_> = run
        .servers
        .iter()
        .flat_map(|server| server.slowlog.iter().map(move |entry| (server, entry)))
        .filter(|(_, entry)| entry.duration_us >= COMPARED_OVER_US)
        .collect();
    entries.sort_by_key(|(_, entry)| std::cmp::Reverse(entry.duration_us));
    let mut rows = Vec::new();
    for (server, entry) in entries {
        let fitting = run
            .main_stalls()
            .filter(|stall| said_by(server, stall.port) && evidence::fits(run, entry, stall));
        // A command's own record fits best; a stall that filled the command is as good a witness.
        let stall = fitting.min_by_key(|stall| {
            let off = stall.busy_ns.abs_diff(entry.duration_us.unsigned_abs() * 1_000);
            (stall.class != StallClass::Command, off)
        });
        if let Some(stall) = stall {
            known.add(stall);
        }
        if rows.len() < ROWS {
            let at_ns = stall.map_or(server.at_ns, |stall| stall.start_ns);
            let probe_ns = stall.map(|stall| stall.end_ns - stall.start_ns);
            rows.push(row(
                run,
                entry.command.clone(),
                at_ns,
                "SLOWLOG",
                entry.duration_us as f64 * 1e3,
                probe_ns,
            ));
        }
    }
    rows
}

/// Each new sample of LATENCY against the stall of its kind that fits it best.
fn latency(run: &Run, known: &mut Known) -> Vec<Row> {
    let mut last: BTreeMap<(&str, &str), f64> = BTreeMap::new();
    let mut asked_before: BTreeMap<&str, u64> = BTreeMap::new();
    let mut rows = Vec::new();
    for server in &run.servers {
        let before_ns = asked_before.insert(&server.target, server.at_ns);
        for (event, ms) in &server.latency_ms {
            // The first record also shows samples from before the run.
            let new = last.insert((&server.target, event), *ms) != Some(*ms);
            let (Some(before_ns), true, Some(classes)) = (before_ns, new, classes_of(event)) else {
                continue;
            };
            let stall = run
                .main_stalls()
                .filter(|stall| said_by(server, stall.port) && classes.contains(&stall.class))
                // Redis stamps a sample in whole seconds, so it may be up to one second older.
                .filter(|stall| {
                    stall.end_ns + 1_000_000_000 > before_ns && stall.start_ns < server.at_ns
                })
                .min_by_key(|stall| stall.busy_ns.abs_diff((ms * 1e6) as u64));
            if let Some(stall) = stall {
                known.add(stall);
            }
            let at_ns = stall.map_or(server.at_ns, |stall| stall.start_ns);
            rows.push(row(
                run,
                event.clone(),
                at_ns,
                "LATENCY",
                ms * 1e6,
                stall.map(|stall| stall.busy_ns),
            ));
        }
    }
    rows.truncate(ROWS);
    rows
}

/// The stalls that may be behind a LATENCY event; none for events that are not compared.
fn classes_of(event: &str) -> Option<&'static [StallClass]> {
    match event {
        "fork" => Some(&[StallClass::Fork]),
        "aof-fsync-always" => Some(&[StallClass::Fsync]),
        "aof-write" | "aof-write-alone" | "aof-write-active-child" | "aof-write-pending-fsync" => {
            Some(&[StallClass::FsyncWait, StallClass::AofWrite, StallClass::Syscall])
        }
        "command" | "fast-command" | "expire-cycle" | "eviction-cycle" | "eviction-del" => {
            Some(&[StallClass::Command])
        }
        _ => None,
    }
}

fn missed(run: &Run, known: &Known) -> Vec<Missed> {
    let mut by_class: BTreeMap<StallClass, Missed> = BTreeMap::new();
    for stall in run.main_stalls() {
        let single = stall.count <= 1 && stall.busy_ns >= MISSED_OVER_NS;
        if !single || known.covers(stall) {
            continue;
        }
        let at = run.axis_ns(stall.start_ns);
        let entry = by_class.entry(stall.class).or_insert(Missed {
            cause: Cause::Stall(stall.class),
            count: 0,
            total_ns: 0,
            longest_ns: 0,
            longest_at_axis_ns: at,
        });
        entry.count += 1;
        entry.total_ns += stall.busy_ns;
        if stall.busy_ns > entry.longest_ns {
            (entry.longest_ns, entry.longest_at_axis_ns) = (stall.busy_ns, at);
        }
    }
    let mut missed: Vec<Missed> = by_class.into_values().collect();
    missed.sort_by_key(|missed| std::cmp::Reverse(missed.total_ns));
    missed
}
