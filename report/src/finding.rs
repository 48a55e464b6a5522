//! What was found, in sentences that a stranger understands.

use serde::Serialize;

use crate::analysis::{Analysis, SpikeReport, Story, StoryPart};
use crate::attribute::Share;
use crate::cause::Cause;
use crate::incident;
use crate::silence;
use crate::words;

/// Shares below this are not named in a headline; the bar and the table still show them.
const NAMED_FROM_BASIS_POINTS: u32 = 100;

/// Parts of a request's time smaller than one in so many are told together.
const TOLD_FROM_ONE_IN: u64 = 100;

/// Spikes that the findings tell; the others stand in their own section.
const HEADLINES: usize = 5;

/// How a finding is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// A fact.
    Fact,
    /// Something about the measurement itself that must be kept in mind.
    Caution,
}

/// One sentence, with what stands behind it.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// How to read it.
    pub tone: Tone,
    /// The headline.
    pub headline: String,
    /// One or two sentences more; may be empty.
    pub detail: String,
    /// The spike it is about: its index in the analysis.
    pub spike: Option<usize>,
}

/// All findings in the order of their weight: what spoils the run first, then the spikes, then
/// the run as a whole.
#[must_use]
pub fn findings(analysis: &Analysis) -> Vec<Finding> {
    // The end of a server first: whatever else was measured follows from it.
    let mut all: Vec<Finding> =
        incident::ends(&analysis.run).iter().map(|text| fact(text, "")).collect();
    all.extend(silences(analysis));
    all.extend(cautions(analysis));
    all.extend(incident::victims(&analysis.run).iter().map(|text| fact(text, "")));
    for (index, spike) in analysis.spikes.iter().take(HEADLINES).enumerate() {
        all.push(Finding {
            tone: Tone::Fact,
            headline: headline(analysis, spike),
            detail: harm(spike),
            spike: Some(index),
        });
    }
    let outages = analysis.cluster.iter().flat_map(|cluster| &cluster.outages);
    all.extend(outages.take(HEADLINES).map(|outage| fact(outage.sentence(), "")));
    all.extend(onsets(analysis));
    all.extend(phases(analysis));
    all.extend(network(analysis));
    all.extend(run_as_a_whole(analysis));
    all.extend(hidden_by_service_time(analysis));
    all.extend(missed_by_the_server(analysis));
    all
}

/// `p99.9 412 ms at 12.300 s: 96 % fork of BGSAVE, 4 % unexplained`.
#[must_use]
pub fn headline(analysis: &Analysis, spike: &SpikeReport) -> String {
    let at = words::at(analysis.run.axis_ns(spike.spike.start_ns));
    let p999 = words::duration(spike.spike.response.p999_ns);
    let shares = named(&spike.spike.attribution.shares, &spike.labels);
    let causes = if shares.is_empty() { "no slow request was recorded".to_owned() } else { shares };
    format!("p99.9 {p999} at {at}: {causes}")
}

/// `96 % fork of BGSAVE, 4 % unexplained`: the shares worth naming, by falling size.
#[must_use]
pub fn named(shares: &[Share], labels: &[String]) -> String {
    let mut all: Vec<(&Share, &String)> = shares.iter().zip(labels).collect();
    all.sort_by_key(|(share, _)| std::cmp::Reverse(share.share_basis_points));
    let texts: Vec<String> = all
        .into_iter()
        .filter(|(share, _)| share.share_basis_points >= NAMED_FROM_BASIS_POINTS)
        .map(|(share, label)| format!("{} {label}", words::share(share.share_basis_points)))
        .collect();
    texts.join(", ")
}

/// How many requests a spike harmed, by how much, and what stalled the server meanwhile.
#[must_use]
pub fn harm(spike: &SpikeReport) -> String {
    let attribution = &spike.spike.attribution;
    let mut text = format!(
        "{} waited {} in sum, the slowest {}.",
        words::plural(attribution.requests, "slow request"),
        words::duration(attribution.delay_ns),
        words::duration(spike.spike.response.max_ns),
    );
    let stalls: Vec<String> = spike
        .stalled
        .iter()
        .take(3)
        .map(|(cause, ns)| format!("{} to {}", words::duration(*ns), cause.name()))
        .collect();
    if !stalls.is_empty() {
        text.push_str(&format!(" The server's main thread lost {}.", words::list(&stalls)));
    }
    if !spike.chaos.is_empty() {
        let mut actions = spike.chaos.clone();
        actions.dedup();
        text.push_str(&format!(" At the same time: {}.", words::list(&actions)));
    }
    text
}

/// One request's time in one sentence.
#[must_use]
pub fn story(story: &Story) -> String {
    let mut parts = Vec::new();
    let mut rest_ns = 0;
    for part in &story.parts {
        let part_ns = part.direct_ns + part.inherited_ns;
        if part_ns * TOLD_FROM_ONE_IN >= story.delay_ns {
            parts.push(story_part(part));
        } else {
            rest_ns += part_ns;
        }
    }
    if rest_ns > 0 {
        parts.push(format!("{} of lesser causes", words::duration(rest_ns)));
    }
    format!(
        "{} of key {} (slot {}), due at {}, waited {}: {}.",
        story.op.command.to_uppercase(),
        story.op.key,
        story.op.slot,
        words::at(story.due_axis_ns),
        words::duration(story.delay_ns),
        words::list(&parts),
    )
}

/// `44.3 ms fork of BGSAVE (238 µs of it in the queue it left)`.
fn story_part(part: &StoryPart) -> String {
    let all = words::duration(part.direct_ns + part.inherited_ns);
    let queued = words::duration(part.inherited_ns);
    match (part.direct_ns, part.inherited_ns) {
        (_, 0) => format!("{all} {}", part.label),
        (0, _) => format!("{all} in the queue left by {}", part.label),
        _ => format!("{all} {} ({queued} of it in the queue it left)", part.label),
    }
}

fn caution(headline: impl Into<String>, detail: impl Into<String>) -> Finding {
    Finding { tone: Tone::Caution, headline: headline.into(), detail: detail.into(), spike: None }
}

fn fact(headline: impl Into<String>, detail: impl Into<String>) -> Finding {
    Finding { tone: Tone::Fact, headline: headline.into(), detail: detail.into(), spike: None }
}

fn cautions(analysis: &Analysis) -> Vec<Finding> {
    let run = &analysis.run;
    let mut all = Vec::new();
    if let Some(verdict) = run.summary.verdict.as_ref().filter(|verdict| !verdict.valid) {
        all.push(caution(
            "The client calls this run invalid",
            sentence(&verdict.reasons.join("; ")),
        ));
    }
    let warnings = run.summary.verdict.iter().flat_map(|verdict| &verdict.warnings);
    all.extend(warnings.map(|warning| caution(sentence(warning).trim_end_matches('.'), "")));
    for source in run.sources.iter().filter(|source| source.truncated) {
        let torn = if source.torn { " Its last line broke off and was dropped." } else { "" };
        all.push(caution(
            format!("{} was cut off", source.file),
            format!("It has no footer: what came before the cut is analysed, what came after is unknown.{torn}"),
        ));
    }
    for source in run.sources.iter().filter(|source| source.offset_error_ns > 0) {
        let bound = words::duration(source.offset_error_ns);
        all.push(caution(
            format!("Clocks of two hosts: times of {} are right to within ±{bound}", source.file),
            "Stalls shorter than that may be given to the wrong requests.",
        ));
    }
    if !run.driven() {
        all.push(caution(
            "No client timeline was given",
            "Stalls are shown; whom they harmed is unknown.",
        ));
    } else if !run.probed() {
        all.push(caution(
            "No probe timeline was given",
            "Only the client's own lateness can be told apart; all other time is unexplained.",
        ));
    }
    if !run.other_servers.is_empty() {
        let ports: Vec<String> = run.other_servers.iter().map(u16::to_string).collect();
        let why = if analysis.cluster.is_some() {
            "Slow requests are joined with the stalls of one node of the cluster; what waited for others is unexplained."
        } else {
            "The client did not drive them; a stall of one shard does not delay another's requests."
        };
        let headline =
            format!("Stalls of other servers were left out (ports {})", words::list(&ports));
        all.push(fact(headline, why));
    }
    if !analysis.accounting.closes() {
        all.push(caution(
            "The accounting does not close",
            "See the table of the accounting: some requests have no end, or two.",
        ));
    }
    all.extend(losses(analysis));
    all
}

fn losses(analysis: &Analysis) -> Option<Finding> {
    let mut sums = std::collections::BTreeMap::new();
    for loss in &analysis.run.losses {
        *sums.entry(loss.source.as_str()).or_insert(0) += loss.count;
    }
    let texts: Vec<String> = sums
        .iter()
        .map(|(source, count)| format!("{} from {source}", words::count(*count)))
        .collect();
    (!texts.is_empty()).then(|| {
        caution("Not everything was recorded", format!("Lost records: {}.", words::list(&texts)))
    })
}

fn onsets(analysis: &Analysis) -> Vec<Finding> {
    let told = analysis.onsets.iter().filter(|onset| onset.attribution.delay_ns > 0);
    told.map(|onset| {
        let at = words::at(analysis.run.axis_ns(onset.begin_ns));
        let causes = named(&onset.attribution.shares, &onset.labels);
        fact(
            format!("Onset of {} at {at}: {causes}", onset.action),
            format!(
                "{} in its first 250 ms, the slowest {}.",
                words::plural(onset.attribution.requests, "slow request"),
                words::duration(onset.slowest_ns)
            ),
        )
    })
    .collect()
}

fn phases(analysis: &Analysis) -> Vec<Finding> {
    let told = analysis.phases.iter().filter(|phase| phase.attribution.delay_ns > 0);
    told.map(|phase| {
        let p999 = phase.response.map_or(0, |response| response.p999_ns);
        let (span, run) = (&phase.span, &analysis.run);
        let from = words::at(run.axis_ns(span.start_ns));
        let to = words::at(run.axis_ns(span.end_ns));
        fact(
            format!(
                "Phase “{}”: p99.9 {}; slow time is {}",
                span.label,
                words::duration(p999),
                named(&phase.attribution.shares, &phase.labels)
            ),
            format!(
                "{from} to {to}, {}.",
                words::plural(phase.attribution.requests, "slow request")
            ),
        )
    })
    .collect()
}

/// A server that answered nothing, and requests that never got an answer.
fn silences(analysis: &Analysis) -> Vec<Finding> {
    let run = &analysis.run;
    let detail = silence::about_unanswered(run);
    let found = silence::silences(run);
    let told =
        found.iter().take(HEADLINES).map(|one| caution(silence::sentence(run, one), &detail));
    match detail.is_empty() || !found.is_empty() {
        true => told.collect(),
        false => vec![fact("Some requests never got an answer", &detail)],
    }
}

fn network(analysis: &Analysis) -> Option<Finding> {
    let text = incident::network(&analysis.run);
    let detail = "Each harms its own connection; none of it is counted as a cause of a spike.";
    (!text.is_empty()).then(|| fact(format!("On the network: {text}"), detail))
}

fn run_as_a_whole(analysis: &Analysis) -> Option<Finding> {
    if !analysis.run.driven() {
        return None;
    }
    let total = &analysis.total;
    if total.delay_ns == 0 && silence::unanswered(&analysis.run) > 0 {
        return None;
    }
    if total.delay_ns == 0 {
        return Some(fact("Nothing was slow", "No request was over the slow threshold."));
    }
    let labels: Vec<String> =
        total.shares.iter().map(|share| share.cause.name().to_owned()).collect();
    let explained = 10_000 - total.share_of(Cause::Unexplained);
    let headline = if analysis.spikes.is_empty() {
        format!(
            "No spike stands out from a quiet p99.9 of {}; {} of the slow time is explained",
            words::duration(analysis.baseline.p999_ns),
            words::share(explained)
        )
    } else {
        format!("{} of all slow time in the run is explained", words::share(explained))
    };
    let spikes = analysis.spikes.len() as u64 + analysis.spikes_untold.0;
    Some(fact(
        headline,
        format!(
            "{} of {} answered, {} in sum, {}: {}.",
            words::plural(total.requests, "slow request"),
            words::count(analysis.traffic.answered),
            words::duration(total.delay_ns),
            words::plural(spikes, "spike"),
            named(&total.shares, &labels),
        ),
    ))
}

/// Coordinated omission, shown: a client that waits before it sends sees only service time.
fn hidden_by_service_time(analysis: &Analysis) -> Option<Finding> {
    let (response, service) = (analysis.latency.response?, analysis.latency.service?);
    let hidden = response.p999_ns > service.p999_ns.saturating_mul(2);
    hidden.then(|| {
        fact(
            format!(
                "Service time alone would hide this: its p99.9 is {}, users waited {}",
                words::duration(service.p999_ns),
                words::duration(response.p999_ns)
            ),
            "Response time counts from the moment at which a request was due, service time from its sending.",
        )
    })
}

fn missed_by_the_server(analysis: &Analysis) -> Option<Finding> {
    let missed = &analysis.crosscheck.missed;
    let all_ns = missed.iter().map(|missed| missed.total_ns).sum();
    let texts: Vec<String> = missed
        .iter()
        .map(|missed| format!("{} of {}", words::duration(missed.total_ns), missed.cause.name()))
        .collect();
    (!missed.is_empty()).then(|| {
        fact(
            format!("The server's own tools are silent about {} of stalls", words::duration(all_ns)),
            format!(
                "Neither SLOWLOG nor LATENCY nor latest_fork_usec shows {} (single stalls of 10 ms and more).",
                words::list(&texts)
            ),
        )
    })
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.is_empty() || text.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}
