//! What happened at an instant and claims no time of the main thread: trouble on single
//! connections, and the OOM killer. It is counted and told, and never blamed for a spike: a
//! client that stops to read does not slow another one.

use std::collections::{BTreeMap, BTreeSet};

use stallion_timeline::{Stall, StallClass};

use crate::run::Run;
use crate::words;

/// How the probes tell a victim of the OOM killer.
const KILLED: &str = "chosen by the OOM killer";

/// Kinds of trouble on a connection as the probes tell them, and their nouns for one and for many.
const TROUBLES: [(&str, &str, &str); 4] = [
    ("retransmit to ", "retransmit", "retransmits"),
    ("zero window: ", "client that did not read", "clients that did not read"),
    ("reset by ", "reset by a client", "resets by clients"),
    ("reset of ", "reset by the server's side", "resets by the server's side"),
];

/// Trouble of at least this length is told with it; what is summed within a millisecond is not.
const LASTS_FROM_NS: u64 = 10_000_000;

/// What stalls of one kind of trouble add up to.
#[derive(Debug, Default)]
struct Trouble<'a> {
    count: u64,
    /// Events on each peer.
    peers: BTreeMap<&'a str, u64>,
    longest_ns: u64,
}

/// `4 retransmitted segments (mostly to 10.0.0.7:51234), 1 client that did not read …`; empty
/// when nothing was seen.
#[must_use]
pub fn network(run: &Run) -> String {
    let mut parts = Vec::new();
    for (prefix, one, many) in TROUBLES {
        let mut trouble = Trouble::default();
        for stall in measured(run, StallClass::Network) {
            if let Some(peer) = stall.what.strip_prefix(prefix) {
                trouble.count += stall.count;
                let peer = peer.split(" does").next().unwrap_or_default();
                *trouble.peers.entry(peer).or_default() += stall.count;
                trouble.longest_ns = trouble.longest_ns.max(stall.end_ns - stall.start_ns);
            }
        }
        if trouble.count > 0 {
            parts.push(trouble.told(if trouble.count == 1 { one } else { many }));
        }
    }
    words::list(&parts)
}

/// `The kernel's OOM killer chose the server …`: each victim with its time on the run's axis.
#[must_use]
pub fn victims(run: &Run) -> Vec<String> {
    let killed = run.stalls.iter().filter(|stall| {
        stall.class == StallClass::Reclaim && stall.busy_ns == 0 && stall.what.ends_with(KILLED)
    });
    let told: BTreeSet<(u64, String)> = killed
        .map(|stall| {
            let whom = match stall.what.strip_suffix(KILLED).map(str::trim) {
                None | Some("") => format!("the server (process {})", stall.pid),
                Some(child) => format!("{child} of process {}", stall.pid),
            };
            (stall.start_ns, whom)
        })
        .collect();
    let sentence = |(at_ns, whom): (u64, String)| {
        format!("The kernel's OOM killer chose {whom} at {}", words::at(run.axis_ns(at_ns)))
    };
    told.into_iter().map(sentence).collect()
}

/// `The server on port 6379 (process 42) ended at 3.000 s: killed by SIGKILL from bash (7)`.
#[must_use]
pub fn ends(run: &Run) -> Vec<String> {
    let ended = run.stalls.iter().filter(|stall| stall.class == StallClass::Exited);
    ended
        .map(|stall| {
            let place =
                if stall.port == 0 { String::new() } else { format!(" on port {}", stall.port) };
            let (pid, at) = (stall.pid, words::at(run.axis_ns(stall.start_ns)));
            format!("The server{place} (process {pid}) ended at {at}: {}", stall.what)
        })
        .collect()
}

fn measured(run: &Run, class: StallClass) -> impl Iterator<Item = &Stall> {
    run.stalls.iter().filter(move |stall| stall.class == class && run.measured(stall.start_ns))
}

impl Trouble<'_> {
    fn told(&self, noun: &str) -> String {
        let mut text = format!("{} {noun}", words::count(self.count));
        if let Some((peer, _)) = self.peers.iter().max_by_key(|(_, count)| **count) {
            let mostly = if self.peers.len() > 1 { "mostly " } else { "" };
            text = format!("{text} ({mostly}{peer})");
        }
        if self.longest_ns >= LASTS_FROM_NS {
            text = format!("{text} for up to {}", words::duration(self.longest_ns));
        }
        text
    }
}
