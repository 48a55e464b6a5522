//! Whether the runs are to be believed, and what else differs between them besides what was measured.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;
use stallion_timeline::{Record, Timeline};

/// Fields of INFO that say how a server is set up.
const SERVER_FIELDS: [&str; 6] = [
    "aof_enabled",
    "cluster_enabled",
    "configured_hz",
    "connected_slaves",
    "io_threads_active",
    "maxmemory",
];

/// What a plan holds that does not bear on the figures.
const NOT_THE_WORKLOAD: [&str; 2] = ["target", "labels"];

/// One row of both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// What: `validity`, `host`, `tool`, `target`, `plan: rate`, `server: maxmemory`.
    pub what: String,
    /// Of the first side; several values when its runs differ.
    pub before: String,
    /// Of the second side.
    pub after: String,
    /// It makes the comparison doubtful.
    pub doubtful: bool,
}

/// The validity of both sides, and everything in which their hosts, plans and servers differ.
#[must_use]
pub fn conditions(before: &[&Timeline], after: &[&Timeline]) -> Vec<Condition> {
    let row = |what: &str, read: &dyn Fn(&Timeline) -> String| {
        let [before, after] = [values(before, read), values(after, read)];
        let doubtful = before != after;
        Condition { what: what.to_owned(), before, after, doubtful }
    };
    let mut rows = vec![validity(before, after)];
    rows.extend(reasons(before).map(|before| why(before, String::new())));
    rows.extend(reasons(after).map(|after| why(String::new(), after)));
    rows.push(row("host", &|run| run.header.host.line()));
    rows.push(row("host name", &|run| run.header.host.name.clone()));
    rows.push(row("huge pages", &|run| run.header.host.transparent_hugepage.clone()));
    rows.push(row("governor", &|run| run.header.host.governor.clone()));
    rows.push(row("tool", &|run| run.header.tool.clone()));
    rows.push(Condition { doubtful: false, ..row("target", &|run| run.header.target.clone()) });
    for name in plan_names(before.iter().chain(after)) {
        rows.push(row(&format!("plan: {name}"), &|run| text(run.header.plan.get(&name))));
    }
    for field in SERVER_FIELDS {
        rows.push(row(&format!("server: {field}"), &|run| said(run, field)));
    }
    rows.retain(|row| row.what == VALIDITY || row.before != row.after);
    rows
}

/// The row that is always there.
pub(crate) const VALIDITY: &str = "validity";

fn validity(before: &[&Timeline], after: &[&Timeline]) -> Condition {
    let believed = |runs: &[&Timeline]| runs.iter().all(|run| invalid_because(run).is_none());
    let side = |runs: &[&Timeline]| {
        values(runs, &|run| match invalid_because(run) {
            None if run.footer.is_none() => "unknown: the run was cut off".to_owned(),
            None => "valid".to_owned(),
            Some(_) => "invalid".to_owned(),
        })
    };
    Condition {
        what: VALIDITY.to_owned(),
        before: side(before),
        after: side(after),
        doubtful: !believed(before) || !believed(after),
    }
}

/// One reason of one side.
fn why(before: String, after: String) -> Condition {
    Condition { what: "why invalid".to_owned(), before, after, doubtful: true }
}

fn reasons(runs: &[&Timeline]) -> impl Iterator<Item = String> {
    let all = runs.iter().filter_map(|run| invalid_because(run)).flatten();
    all.collect::<BTreeSet<String>>().into_iter()
}

/// Why a run's figures are not the server's; none when they are, or nothing is known.
fn invalid_because(run: &Timeline) -> Option<Vec<String>> {
    let verdict = run.footer.as_ref()?.summary.get("verdict")?;
    if verdict.get("valid").and_then(Value::as_bool)? {
        return None;
    }
    let reasons = verdict.get("reasons").and_then(Value::as_array);
    Some(reasons.into_iter().flatten().map(|reason| text(Some(reason))).collect())
}

fn values(runs: &[&Timeline], read: &dyn Fn(&Timeline) -> String) -> String {
    let distinct: BTreeSet<String> = runs.iter().map(|run| read(run)).collect();
    distinct.into_iter().collect::<Vec<String>>().join(" | ")
}

fn plan_names<'a>(runs: impl Iterator<Item = &'a &'a Timeline>) -> BTreeSet<String> {
    runs.filter_map(|run| run.header.plan.as_object())
        .flat_map(|plan| plan.keys().cloned())
        .filter(|name| !NOT_THE_WORKLOAD.contains(&name.as_str()))
        .collect()
}

/// What the server first said of itself while the run lasted.
fn said(run: &Timeline, field: &str) -> String {
    let first = run.records.iter().find_map(|record| match record {
        Record::Server(server) => server.info.get(field),
        _ => None,
    });
    first.map_or_else(String::new, ToString::to_string)
}

fn text(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
