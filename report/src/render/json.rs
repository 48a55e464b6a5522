//! Everything in figures, for programs. Units are in the names; times called `…_axis_ns` count
//! from the start of the measured phase.

use serde_json::{Value, json};

use crate::analysis::{Analysis, SpikeReport};
use crate::attribute::Attribution;
use crate::finding::{findings, headline, story};

/// Version of this object's form.
const FORMAT: u32 = 1;

/// The report as one JSON object, indented.
#[must_use]
pub fn render(analysis: &Analysis) -> String {
    let run = &analysis.run;
    let value = json!({
        "format": FORMAT,
        "sources": run.sources,
        "target": run.header.target,
        "plan": run.header.plan,
        "host": run.header.host,
        "origin_ns": run.origin_ns,
        "measured_seconds": analysis.traffic.seconds,
        "client": run.summary,
        "findings": findings(analysis),
        "baseline": analysis.baseline,
        "latency": analysis.latency,
        "traffic": analysis.traffic,
        "attribution": attribution(&analysis.total, None),
        "phases": analysis.phases.iter().map(|phase| json!({
            "name": phase.span.name,
            "label": phase.span.label,
            "start_axis_ns": run.axis_ns(phase.span.start_ns),
            "end_axis_ns": run.axis_ns(phase.span.end_ns),
            "response": phase.response,
            "attribution": attribution(&phase.attribution, Some(&phase.labels)),
        })).collect::<Vec<_>>(),
        "disturbances": analysis.onsets.iter().map(|onset| json!({
            "action": onset.action,
            "begin_axis_ns": run.axis_ns(onset.begin_ns),
            "end_axis_ns": run.axis_ns(onset.end_ns),
            "stalled": onset.stalled_ns.iter().map(|(cause, busy_ns)| {
                json!({"cause": cause, "busy_ns": busy_ns})
            }).collect::<Vec<_>>(),
            "slowest_ns": onset.slowest_ns,
            "attribution": attribution(&onset.attribution, Some(&onset.labels)),
        })).collect::<Vec<_>>(),
        "spikes": analysis.spikes.iter().map(|told| spike(analysis, told)).collect::<Vec<_>>(),
        "spikes_untold": {"count": analysis.spikes_untold.0, "delay_ns": analysis.spikes_untold.1},
        "worst_requests": analysis.worst,
        "around_disturbances": analysis.around,
        "commands": analysis.commands,
        "cluster": analysis.cluster,
        "stalled": analysis.stalled,
        "crosscheck": analysis.crosscheck,
        "accounting": analysis.accounting,
        "probes": run.probes,
        "losses": run.losses,
    });
    let mut text = serde_json::to_string_pretty(&value).unwrap_or_default();
    text.push('\n');
    text
}

fn spike(analysis: &Analysis, told: &SpikeReport) -> Value {
    let spike = &told.spike;
    json!({
        "headline": headline(analysis, told),
        "start_axis_ns": analysis.run.axis_ns(spike.start_ns),
        "end_axis_ns": analysis.run.axis_ns(spike.end_ns),
        "response": spike.response,
        "service": spike.service,
        "chaos": told.chaos,
        "stalled": told.stalled.iter().map(|(cause, busy_ns)| {
            json!({"cause": cause, "busy_ns": busy_ns})
        }).collect::<Vec<_>>(),
        "attribution": attribution(&spike.attribution, Some(&told.labels)),
        "worst_requests": told.worst.iter().map(|worst| {
            json!({"story": story(worst), "request": worst})
        }).collect::<Vec<_>>(),
    })
}

/// Shares in per cent, which add up to 100 exactly in hundredths.
fn attribution(attribution: &Attribution, labels: Option<&[String]>) -> Value {
    let shares = attribution.shares.iter().enumerate().map(|(index, share)| {
        json!({
            "cause": share.cause,
            "label": labels.map_or(share.cause.name(), |labels| &labels[index]),
            "direct_ns": share.direct_ns,
            "inherited_ns": share.inherited_ns,
            "share_percent": f64::from(share.share_basis_points) / 100.0,
        })
    });
    json!({
        "requests": attribution.requests,
        "sampled": attribution.sampled,
        "delay_ns": attribution.delay_ns,
        "shares": shares.collect::<Vec<_>>(),
    })
}
