//! The verdict for somebody who was woken up by it: what, why, what to do; then the rest.

use std::fmt::Write as _;

use crate::cause::{Cause, Strength, per_second, percent};
use crate::facts::Facts;
use crate::scene::Scene;
use crate::verdict::{Triage, Verdict};

/// In lines. `before` says what was compared with, as `snapshot.json, 12 min ago`.
#[must_use]
pub fn text(triage: &Triage, now: &Facts, before: &str) -> String {
    let mut text = head(triage, now, before);
    // Writing to a String cannot fail.
    if let Some(cause) = triage.named() {
        let _ = writeln!(text, "\nCAUSE    {}{}", cause.kind.words(), certainty(cause.strength));
        lines(&mut text, cause);
        let _ = writeln!(text, "\nDO       {}", cause.kind.remedy());
    }
    let others: Vec<&Cause> =
        triage.causes.iter().filter(|cause| Some(*cause) != triage.named()).collect();
    let (seen, not): (Vec<&Cause>, Vec<&Cause>) =
        others.into_iter().partition(|cause| cause.strength > Strength::None);
    for cause in seen {
        let what = match triage.verdict {
            Verdict::Named(_) if cause.strength >= Strength::Likely => {
                " (may be a consequence, or a second cause)"
            }
            _ => " (does not explain it)",
        };
        let what = if triage.verdict == Verdict::Healthy { "" } else { what };
        let _ = writeln!(text, "\nseen     {}{what}", cause.kind.words());
        lines(&mut text, cause);
    }
    if !not.is_empty() {
        text.push('\n');
    }
    for cause in not {
        let why = cause.evidence.first().map_or("", |evidence| &evidence.text);
        let _ = writeln!(text, "not      {}: {why}", cause.kind.words());
    }
    if !triage.notes.is_empty() {
        text.push('\n');
    }
    for note in &triage.notes {
        let _ = writeln!(text, "note     {note}");
    }
    text
}

fn head(triage: &Triage, now: &Facts, before: &str) -> String {
    let share = |share: Option<f64>| share.map_or_else(|| "unknown".to_owned(), percent);
    let rates = Scene::of(now, None).rates();
    let was = match triage.served_before {
        Some(before) => format!(", was {}", percent(before)),
        None => String::new(),
    };
    let verdict = match triage.verdict {
        Verdict::Healthy => "HEALTHY ",
        Verdict::Named(_) => "FALLEN  ",
        Verdict::NotShown => "NO CAUSE",
    };
    let mut text = format!(
        "{verdict} {} of the requests found what they asked for{was}\n         {} reads, {} misses, {} \
         refused, in {:.1} s on {} server{}\n         compared with {before}\n",
        share(triage.served),
        per_second(rates.reads),
        per_second(rates.misses),
        per_second(rates.refused),
        now.window_s,
        now.nodes.len(),
        if now.nodes.len() == 1 { "" } else { "s" },
    );
    if triage.verdict == Verdict::NotShown {
        text += "         none of the causes that this program knows is shown\n";
    }
    text
}

fn certainty(strength: Strength) -> &'static str {
    match strength {
        Strength::Likely => " (likely)",
        _ => "",
    }
}

fn lines(text: &mut String, cause: &Cause) {
    for evidence in &cause.evidence {
        let _ = writeln!(text, "         - {}  [{}]", evidence.text, evidence.source);
    }
}
