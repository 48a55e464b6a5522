//! Which cause it is, if any.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use crate::cause::{Cause, Kind, Strength};
use crate::facts::Facts;
use crate::rules;
use crate::scene::{Against, Scene};

/// A hit rate that is lower by less, in parts of 1, has not fallen.
pub const FALL: f64 = 0.05;
/// With nothing to compare with, a hit rate that is at least so high is no reason for alarm.
const WELL: f64 = 0.9;

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verdict", content = "cause")]
pub enum Verdict {
    /// Requests find what they ask for as often as before.
    Healthy,
    /// They do not, and this is why.
    Named(Kind),
    /// They do not, or nobody asks, and none of the known causes is shown.
    NotShown,
}

/// The verdict with everything that it stands on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Triage {
    /// What it is.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Share of the requests that found what they asked for, 0 to 1; refused ones and those for slots
    /// that nobody serves found nothing.
    pub served: Option<f64>,
    /// The same before.
    pub served_before: Option<f64>,
    /// What now was compared with: `snapshot`, `life` or `nothing`.
    pub against: String,
    /// All causes, the one that is shown best first; what is not shown says why.
    pub causes: Vec<Cause>,
    /// What else was seen, which is none of these causes.
    pub notes: Vec<String>,
}

impl Triage {
    /// The cause that was named.
    #[must_use]
    pub fn named(&self) -> Option<&Cause> {
        match self.verdict {
            Verdict::Named(kind) => self.causes.iter().find(|cause| cause.kind == kind),
            Verdict::Healthy | Verdict::NotShown => None,
        }
    }
}

/// Judges what was seen, against an earlier snapshot if there is one.
#[must_use]
pub fn triage(now: &Facts, before: Option<&Facts>) -> Triage {
    let scene = Scene::of(now, before);
    let mut causes = rules::all(&scene);
    // Stable: of two that are shown alike the one that is behind the other stays first.
    causes.sort_by_key(|cause| Reverse(cause.strength));
    let best = causes.first().filter(|cause| cause.strength >= Strength::Likely);
    let verdict = match (has_fallen(&scene, best), best) {
        (false, _) => Verdict::Healthy,
        (true, Some(cause)) => Verdict::Named(cause.kind),
        (true, None) => Verdict::NotShown,
    };
    Triage {
        verdict,
        served: scene.served(),
        served_before: scene.served_before(),
        against: match scene.against {
            Against::Snapshot(_) => "snapshot",
            Against::Life => "life",
            Against::Nothing => "nothing",
        }
        .to_owned(),
        notes: notes(&scene),
        causes,
    }
}

/// Whether less is found than before. What was never good has not fallen.
fn has_fallen(scene: &Scene<'_>, best: Option<&Cause>) -> bool {
    match (scene.served(), scene.served_before()) {
        // A cluster that is down is asked nothing that counts.
        (None, _) => true,
        (Some(now), Some(before)) => now < before - FALL,
        (Some(now), None) => best.is_some() && now < WELL || now < 1.0 - WELL,
    }
}

fn notes(scene: &Scene<'_>) -> Vec<String> {
    let now = scene.now;
    let mut notes = now.notes.clone();
    if scene.served().is_none() {
        notes.push(format!("nobody read a key in {:.1} s: watch longer (--for)", now.window_s));
    }
    if let Some(counted) = scene.counted_since().filter(|counted| counted.flushed > 0) {
        let count = counted.flushed;
        notes.push(format!("FLUSHALL or FLUSHDB was called {count} times since the snapshot"));
    }
    if let (keys, Some(before)) = scene.keys()
        && keys != before
    {
        notes.push(format!("keys: {keys}, before {before}"));
    }
    for slow in now.slow.iter().take(3) {
        notes.push(format!(
            "{} took {:.1} ms on {}, {} ago (SLOWLOG)",
            slow.command,
            slow.ms,
            slow.address,
            crate::cause::seconds(slow.ago_s)
        ));
    }
    for event in &now.latency {
        notes.push(format!(
            "{} took {:.0} ms on {}, {} ago, at most {:.0} ms (LATENCY)",
            event.event,
            event.latest_ms,
            event.address,
            crate::cause::seconds(event.ago_s),
            event.longest_ms
        ));
    }
    for stall in &now.stalls {
        notes.push(format!(
            "the main thread lost {:.1} ms of {:.1} s to {} (longest {:.1} ms; probes)",
            stall.total_ms, now.window_s, stall.class, stall.longest_ms
        ));
    }
    notes
}
