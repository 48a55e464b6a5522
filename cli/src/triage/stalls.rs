//! A watch of the server's stalls by the probes, for as long as its counters are watched.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use stallion_probes::summary::class_name;
use stallion_probes::{Choice, Notice, Plan, Target, Without, watch};
use stallion_stack::survey::SurveyError;
use stallion_timeline::{StallClass, ThreadRole};
use stallion_triage::Facts;
use stallion_triage::facts::Stall;

/// The programs are verified one by one; on a slow host that takes seconds.
const ATTACHED_WITHIN: Duration = Duration::from_secs(30);
/// Stretches of the main thread that are shorter are no stalls.
const THRESHOLD: Duration = Duration::from_millis(1);

/// Asks while the probes watch. A host that refuses them is a note, and no failure.
pub(super) fn watched(
    target: &stallion_server::Target,
    ask: impl FnOnce(&mut dyn FnMut()) -> Result<Facts, SurveyError>,
) -> Result<Facts, SurveyError> {
    let (_, port) = target.place();
    if !target.is_local() || port == 0 {
        let mut facts = ask(&mut || {})?;
        facts.notes.push("no probes: the server is on another host (run it there)".to_owned());
        return Ok(facts);
    }
    let over = AtomicBool::new(false);
    let counts = AtomicBool::new(false);
    let (ready, attached) = channel();
    thread::scope(|scope| {
        let watch = scope.spawn(|| stalls(port, &over, &counts, ready));
        // An error here is the end of the thread: it is told below.
        let _ = attached.recv_timeout(ATTACHED_WITHIN);
        let facts = ask(&mut || counts.store(true, Ordering::Relaxed));
        over.store(true, Ordering::Relaxed);
        let stalls = watch.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let mut facts = facts?;
        match stalls {
            Ok(stalls) => facts.stalls = stalls,
            Err(reason) => facts.notes.push(format!("no probes: {reason}")),
        }
        Ok(facts)
    })
}

/// What stalls the main thread from when it counts until it is over, the largest first.
fn stalls(
    port: u16,
    over: &AtomicBool,
    counts: &AtomicBool,
    ready: Sender<()>,
) -> Result<Vec<Stall>, String> {
    let plan = Plan {
        targets: vec![Target::Port(port)],
        out: None,
        duration: None,
        threshold: THRESHOLD,
        follow: false,
        probes: Choice::default(),
        without: Without::default(),
    };
    let mut all: BTreeMap<StallClass, Stall> = BTreeMap::new();
    let notice = |notice: Notice<'_>| match notice {
        Notice::Attached { .. } => {
            // Nobody may be waiting any more.
            let _ = ready.send(());
        }
        Notice::Stall(stall)
            if stall.thread == ThreadRole::Main && counts.load(Ordering::Relaxed) =>
        {
            let ms = stall.busy_ns as f64 / 1e6;
            let one = all.entry(stall.class).or_default();
            one.class = class_name(stall.class).to_owned();
            one.count += stall.count;
            one.total_ms += ms;
            one.longest_ms = one.longest_ms.max(ms);
        }
        Notice::Stall(_) | Notice::Lost(_) | Notice::ServerEnded(_) => {}
    };
    watch(&plan, || over.load(Ordering::Relaxed), notice).map_err(|error| error.to_string())?;
    let mut all: Vec<Stall> = all.into_values().collect();
    all.retain(|stall| stall.total_ms >= THRESHOLD.as_secs_f64() * 1e3);
    all.sort_by(|one, other| other.total_ms.total_cmp(&one.total_ms));
    Ok(all)
}
