//! What the servers of a cluster say of a run themselves: their counts of redirects beside the
//! client's, and their logs' words on failures beside the client's outages.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use stallion_server::Target;
use stallion_server::info::Info;
use stallion_timeline::clock::monotonic_ns;

/// Errors of a server that send a client elsewhere, with the names that the client's summary has.
const REDIRECTS: [(&str, &str); 3] = [("MOVED", "moved"), ("ASK", "ask"), ("TRYAGAIN", "tryagain")];

/// What a server's log says when something fails or is well again.
const WORDS: [&str; 4] =
    ["Cluster state changed", "Failover election won", "as failing", "FAIL message received"];

const DAY_MS: u64 = 24 * 3_600 * 1_000;

/// Lines of one log that are kept.
const LINES: usize = 40;

/// Makes every server count from zero.
pub(super) fn begin(targets: &[Target]) -> Result<(), String> {
    for target in targets {
        let mut connection = target.connect().map_err(|error| error.to_string())?;
        let reset = redis::cmd("CONFIG").arg("RESETSTAT").query::<()>(&mut connection);
        reset.map_err(|error| format!("{target}: {error}"))?;
    }
    Ok(())
}

/// Asks all servers that are left, reads all logs, and writes `servers.json` beside the client's
/// summary; gives it in lines.
pub(super) fn end(
    targets: &[Target],
    logs: &[PathBuf],
    summary: &Path,
    out: &Path,
) -> io::Result<Vec<String>> {
    let text = fs::read(summary).unwrap_or_default();
    let client: Value = serde_json::from_slice(&text).unwrap_or_default();
    let nodes: Vec<Value> = targets.iter().map(node).collect();
    let redirects = REDIRECTS.map(|(kind, name)| {
        let of_node = |node: &Value| node["errors"][kind].as_u64().unwrap_or(0);
        let servers: u64 = nodes.iter().map(of_node).sum();
        json!({"kind": kind, "client": client["redirects"][name], "servers": servers})
    });
    let lines: Vec<(String, String)> =
        logs.iter().zip(targets).flat_map(|(log, target)| lines_of(log, target)).collect();
    let recovery = recovery(&client, &lines);
    let said: Vec<Value> =
        lines.iter().map(|(node, line)| json!({"node": node, "line": line})).collect();
    let whole = json!({"redirects": redirects, "recovery": recovery, "nodes": nodes, "logs": said});
    let mut text = serde_json::to_string_pretty(&whole)?;
    text.push('\n');
    fs::write(out, text)?;
    Ok(told(&redirects, &recovery))
}

fn told(redirects: &[Value], recovery: &Value) -> Vec<String> {
    let mut told: Vec<String> = redirects
        .iter()
        .map(|row| {
            let kind = row["kind"].as_str().unwrap_or_default();
            format!("{kind}: the client counted {}, the servers {}", row["client"], row["servers"])
        })
        .collect();
    if let Some(difference_ms) = recovery["difference_ms"].as_i64() {
        told.push(format!(
            "all slots answered at {} by the client, cluster well at {} by its log: {difference_ms} ms apart",
            recovery["client_utc"].as_str().unwrap_or_default(),
            recovery["log_utc"].as_str().unwrap_or_default(),
        ));
    }
    told
}

/// One server's counts; one that is dead has none.
fn node(target: &Target) -> Value {
    let asked = target.connect().ok().and_then(|mut connection| {
        let errors = Info::ask(&mut connection, "errorstats").ok()?;
        let commands = Info::ask(&mut connection, "commandstats").ok()?;
        let count = |kind: &str| {
            let text = errors.text(&format!("errorstat_{kind}"));
            text.strip_prefix("count=").and_then(|count| count.parse::<u64>().ok()).unwrap_or(0)
        };
        let errors: serde_json::Map<String, Value> =
            REDIRECTS.iter().map(|(kind, _)| ((*kind).to_owned(), json!(count(kind)))).collect();
        let stats = |name: &str| commands.text(&format!("cmdstat_{name}")).to_owned();
        Some(json!({"errors": errors, "get": stats("get"), "set": stats("set"), "asking": stats("asking")}))
    });
    let mut node = asked.unwrap_or_else(|| json!({"dead": true}));
    let (host, port) = target.place();
    node["node"] = json!(format!("{host}:{port}"));
    node
}

fn lines_of(log: &Path, target: &Target) -> Vec<(String, String)> {
    let (host, port) = target.place();
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines = text.lines().filter(|line| WORDS.iter().any(|word| line.contains(word)));
    lines.take(LINES).map(|line| (format!("{host}:{port}"), line.to_owned())).collect()
}

/// When the last outage was over, by the client and by the logs; null without an outage.
fn recovery(client: &Value, lines: &[(String, String)]) -> Value {
    let outages = client["cluster"]["outages"].as_array().map_or(&[][..], Vec::as_slice);
    let end_ns = outages.iter().filter_map(|outage| outage["end_ns"].as_u64()).max();
    let failed = |(_, line): &&(String, String)| line.contains("changed: fail");
    let first = lines.iter().filter(failed).filter_map(|(_, line)| ms_of_day(line)).min();
    let ok = lines.iter().filter(|(_, line)| line.contains("changed: ok"));
    // Each server says so when it starts, too.
    let after = |ms: &u64| first.is_some_and(|first| (ms + DAY_MS - first) % DAY_MS < DAY_MS / 2);
    let well = ok.filter_map(|(_, line)| ms_of_day(line)).filter(after).max();
    let (Some(end_ns), Some(well_ms)) = (end_ns, well) else { return Value::Null };
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let ago_ms = monotonic_ns().saturating_sub(end_ns) / 1_000_000;
    let client_ms = (wall.as_millis() as u64).saturating_sub(ago_ms) % DAY_MS;
    json!({
        "client_utc": clock(client_ms),
        "log_utc": clock(well_ms),
        "difference_ms": client_ms.cast_signed() - well_ms.cast_signed(),
    })
}

/// The time of day in a line of a server's log: `4711:M 21 Nov 2026 05:55:36.123 * …`.
fn ms_of_day(line: &str) -> Option<u64> {
    let time = line.split_whitespace().nth(4)?;
    let (clock, ms) = time.split_once('.')?;
    let mut parts = clock.split(':').map(str::parse::<u64>);
    let mut next = || parts.next()?.ok();
    let (hours, minutes, seconds) = (next()?, next()?, next()?);
    Some(((hours * 60 + minutes) * 60 + seconds) * 1_000 + ms.parse::<u64>().ok()?)
}

fn clock(ms: u64) -> String {
    let s = ms / 1_000;
    format!("{:02}:{:02}:{:02}.{:03}", s / 3_600, s / 60 % 60, s % 60, ms % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_is_compared_with_the_last_good_word_after_a_failure() {
        let line = |time: &str, word: &str| {
            ("a".to_owned(), format!("7:M 21 Nov 2026 {time} * Cluster state changed: {word}"))
        };
        let lines = [
            line("05:00:00.000", "ok"),
            line("05:10:00.000", "fail"),
            line("05:10:03.250", "ok"),
            line("05:10:03.150", "ok"),
        ];
        let now_ns = monotonic_ns();
        let client = json!({"cluster": {"outages": [{"end_ns": now_ns}]}});
        let found = recovery(&client, &lines);
        assert_eq!(found["log_utc"], "05:10:03.250");
        assert!(found["difference_ms"].is_i64(), "{found}");
        assert_eq!(recovery(&client, &lines[..1]), Value::Null, "nothing failed");
        assert_eq!(ms_of_day("no time here"), None);
        assert_eq!(clock(86_399_999), "23:59:59.999");
    }
}
