//! The tables that Markdown and HTML share: titles and rows of plain text.

use stallion_timeline::ProbeStatus;

use crate::analysis::Analysis;
use crate::attribute::{Attribution, Share};
use crate::summary::plan_rows;
use crate::words;

/// A table of plain text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Column titles.
    pub head: Vec<&'static str>,
    /// Rows, each as long as the head.
    pub rows: Vec<Vec<String>>,
}

/// Response, service and lag percentiles side by side.
#[must_use]
pub fn percentiles(analysis: &Analysis) -> Table {
    let latency = &analysis.latency;
    let columns = [latency.response, latency.service, latency.schedule_lag, latency.own_lag];
    let names = ["p50", "p90", "p99", "p99.9", "p99.99", "max"];
    let rows = names.iter().enumerate().map(|(row, name)| {
        let figure = |column: &Option<crate::summary::Percentiles>| {
            column.map_or_else(
                || "–".to_owned(),
                |p| {
                    let mark = if p.at_least.has(row) { "≥ " } else { "" };
                    format!("{mark}{}", words::duration(p.rows()[row].1))
                },
            )
        };
        std::iter::once((*name).to_owned()).chain(columns.iter().map(figure)).collect()
    });
    Table {
        head: vec!["", "response", "service", "schedule lag", "client's own lag"],
        rows: if latency.response.is_some() { rows.collect() } else { Vec::new() },
    }
}

/// The shares of an attribution, the largest first.
#[must_use]
pub fn shares(attribution: &Attribution, labels: &[String]) -> Table {
    let mut shares: Vec<(&Share, &String)> = attribution.shares.iter().zip(labels).collect();
    shares.sort_by_key(|(share, _)| std::cmp::Reverse(share.share_basis_points));
    Table {
        head: vec!["share", "cause", "while it lasted", "behind others it delayed"],
        rows: shares
            .into_iter()
            .map(|(share, label)| {
                vec![
                    words::share(share.share_basis_points),
                    label.clone(),
                    words::duration(share.direct_ns),
                    words::duration(share.inherited_ns),
                ]
            })
            .collect(),
    }
}

/// Stalled time by class.
#[must_use]
pub fn stalled(analysis: &Analysis) -> Table {
    let rows = analysis.stalled.iter().map(|sum| {
        vec![
            sum.cause.name().to_owned(),
            words::duration(sum.main_ns),
            words::count(sum.count),
            words::duration(sum.longest_ns),
            words::duration(sum.background_ns),
        ]
    });
    Table {
        head: vec!["stall", "main thread", "count", "longest single", "other threads"],
        rows: rows.collect(),
    }
}

/// Probes against the server's own figures.
#[must_use]
pub fn crosscheck(analysis: &Analysis) -> Table {
    let rows = analysis.crosscheck.rows.iter().map(|row| {
        vec![
            words::at(row.at_axis_ns),
            row.what.clone(),
            row.server_source.clone(),
            row.server.clone(),
            row.probe.clone().unwrap_or_else(|| "not seen".to_owned()),
            row.difference_percent
                .map_or_else(|| "–".to_owned(), |percent| format!("{percent:+.1} %")),
        ]
    });
    Table {
        head: vec!["at", "what", "server's source", "server says", "probes saw", "difference"],
        rows: rows.collect(),
    }
}

/// Stalls that the server's tools do not show.
#[must_use]
pub fn missed(analysis: &Analysis) -> Table {
    let rows = analysis.crosscheck.missed.iter().map(|missed| {
        vec![
            missed.cause.name().to_owned(),
            words::count(missed.count),
            words::duration(missed.total_ns),
            words::duration(missed.longest_ns),
            words::at(missed.longest_at_axis_ns),
        ]
    });
    Table { head: vec!["stall", "count", "sum", "longest", "longest at"], rows: rows.collect() }
}

/// The equations of the accounting.
#[must_use]
pub fn accounting(analysis: &Analysis) -> Table {
    let rows = analysis.accounting.checks.iter().map(|check| {
        vec![
            check.source.clone(),
            check.equation.clone(),
            words::count(check.left),
            words::count(check.right),
            if check.closes { "closes".to_owned() } else { "does not close".to_owned() },
        ]
    });
    Table { head: vec!["figures of", "equation", "left", "right", ""], rows: rows.collect() }
}

/// State of each probe.
#[must_use]
pub fn probes(analysis: &Analysis) -> Table {
    let rows = analysis.run.probes.iter().map(|probe| {
        let status = match probe.status {
            ProbeStatus::Active => "active",
            ProbeStatus::Disabled => "disabled",
            ProbeStatus::Failed => "failed",
        };
        vec![probe.name.clone(), status.to_owned(), probe.hook.clone(), probe.reason.clone()]
    });
    Table { head: vec!["probe", "state", "hooks", "why"], rows: rows.collect() }
}

/// The files and what became of them.
#[must_use]
pub fn sources(analysis: &Analysis) -> Table {
    let rows = analysis.run.sources.iter().map(|source| {
        let end = match &source.end_reason {
            Some(reason) => reason.clone(),
            None => "cut off".to_owned(),
        };
        vec![
            source.file.clone(),
            format!("{:?}", source.role).to_lowercase(),
            words::count(source.records as u64),
            end,
            source.tool.clone(),
            source.host.clone(),
        ]
    });
    Table { head: vec!["file", "of", "records", "end", "written by", "host"], rows: rows.collect() }
}

/// The plan's fields and the host's facts.
#[must_use]
pub fn plan(analysis: &Analysis) -> Table {
    let host = &analysis.run.header.host;
    let facts = [
        ("clock source", &host.clocksource),
        ("huge pages", &host.transparent_hugepage),
        ("governor", &host.governor),
    ];
    let facts = facts.into_iter().filter(|(_, value)| !value.is_empty());
    let rows = plan_rows(&analysis.run.header.plan)
        .into_iter()
        .chain(facts.map(|(name, value)| (name.to_owned(), value.clone())));
    Table {
        head: vec!["setting", "value"],
        rows: rows.map(|(name, value)| vec![name, value]).collect(),
    }
}
