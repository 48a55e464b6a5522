//! Asks the server how it is, once a second, on a thread of its own: INFO, SLOWLOG, LATENCY.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use stallion_timeline::clock::monotonic_ns;
use stallion_timeline::{Server, SlowlogEntry};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::lag;
use super::line::Line;
use super::preflight::parse_info;
use super::topology;
use crate::plan::Credentials;
use stallion_engine::cluster::cluster_map::ClusterMap;
use stallion_resp::tree::Tree;
use stallion_rings::socket::Address;
use stallion_server::Place;

/// Time between two looks. INFO costs the server about 0.1 ms, so a look costs it 0.01 %.
const EVERY: Duration = Duration::from_secs(1);

/// A look that takes longer is given up, and the connection opened anew.
const PATIENCE: Duration = Duration::from_secs(3);

/// How soon a node of a cluster that nobody knew is looked at.
const NEW_NODES_EVERY: Duration = Duration::from_millis(200);

/// Length to which a command of SLOWLOG is shortened.
const COMMAND_CHARS: usize = 80;

/// Entries of SLOWLOG that one look asks for (Redis keeps 128 by default).
const SLOWLOG_ENTRIES: &[u8] = b"32";

/// What to ask, and whom.
#[derive(Debug, Clone)]
pub struct Poll {
    /// As the timeline names it.
    pub target: Place,
    /// Where it is.
    pub address: Address,
    /// Who to be.
    pub credentials: Credentials,
    /// The cluster that it belongs to: all its nodes are asked.
    pub cluster_map: Option<Arc<ClusterMap>>,
    /// Its topology is kept fresh.
    pub keeps_fresh: bool,
    /// Replicas are read: how far they are behind is asked, too.
    pub follows_replicas: bool,
    /// Scripts that every server is made to know, those that come later included.
    pub scripts: Vec<String>,
}

/// Looks until `stop` is set, and sends what it sees. A server that does not answer is simply
/// not heard of: its silence shows in the client's own measures.
pub fn watch(poll: &Poll, found: &Sender<Server>, stop: watch::Receiver<bool>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return;
    };
    runtime.block_on(async {
        match &poll.cluster_map {
            None => look_until(poll.clone(), found.clone(), stop).await,
            Some(cluster_map) => look_at_all(poll, cluster_map, found, stop).await,
        }
    });
}

/// Keeps the topology fresh, and looks at each node from when it is known on.
async fn look_at_all(
    poll: &Poll,
    cluster_map: &Arc<ClusterMap>,
    found: &Sender<Server>,
    mut stop: watch::Receiver<bool>,
) {
    let mut tasks = JoinSet::new();
    let credentials = poll.credentials.clone();
    if poll.keeps_fresh {
        tasks.spawn(topology::keep_fresh(Arc::clone(cluster_map), credentials, stop.clone()));
    }
    if poll.follows_replicas {
        let (cluster_map, credentials) = (Arc::clone(cluster_map), poll.credentials.clone());
        tasks.spawn(lag::follow(cluster_map, credentials, found.clone(), stop.clone()));
    }
    let mut known = 0;
    let mut ticks = interval(NEW_NODES_EVERY);
    while !*stop.borrow() {
        for address in cluster_map.addresses().into_iter().skip(known) {
            known += 1;
            let target = Place::Tcp { host: address.ip().to_string(), port: address.port() };
            let poll = Poll { target, address: Address::Tcp(address), ..poll.clone() };
            tasks.spawn(look_until(poll, found.clone(), stop.clone()));
        }
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.changed() => break,
        }
    }
    while tasks.join_next().await.is_some() {}
}

async fn look_until(poll: Poll, found: Sender<Server>, mut stop: watch::Receiver<bool>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut line: Option<Line> = None;
    let mut newest: Option<i64> = None;
    loop {
        let last = tokio::select! {
            _ = ticks.tick() => false,
            _ = stop.changed() => true,
        };
        let looked = timeout(PATIENCE, async {
            if line.is_none() {
                let mut opened = Line::open(&poll.address, &poll.credentials).await.ok()?;
                for script in &poll.scripts {
                    // One that knows no scripts says so to the requests.
                    let _ = opened.ask(&[b"SCRIPT", b"LOAD", script.as_bytes()]).await.ok()?;
                }
                line = Some(opened);
            }
            look(line.as_mut()?, &poll, &mut newest).await.ok()
        })
        .await;
        match looked {
            Ok(Some(server)) => {
                if found.send(server).is_err() {
                    return;
                }
            }
            _ => {
                tracing::info!(server = %poll.target, "does not answer INFO; a new connection is opened");
                line = None;
            }
        }
        if last || *stop.borrow() {
            return;
        }
    }
}

async fn look(line: &mut Line, poll: &Poll, newest: &mut Option<i64>) -> std::io::Result<Server> {
    let before_ns = monotonic_ns();
    let info = line.ask(&[b"INFO", b"everything"]).await?;
    let after_ns = monotonic_ns();
    let slowlog = line.ask(&[b"SLOWLOG", b"GET", SLOWLOG_ENTRIES]).await?;
    let latency = line.ask(&[b"LATENCY", b"LATEST"]).await?;
    let entries: Vec<SlowlogEntry> = slowlog.list().iter().filter_map(slowlog_entry).collect();
    let seen = *newest;
    *newest = entries.iter().map(|entry| entry.id).max().max(seen).or(Some(-1));
    Ok(Server {
        at_ns: before_ns + (after_ns - before_ns) / 2,
        target: poll.credentials.url(&poll.target),
        info: numbers(&info.text().unwrap_or_default()),
        // The first look only learns where the log stands: what is in it is older than the run.
        slowlog: entries.into_iter().filter(|entry| seen.is_some_and(|id| entry.id > id)).collect(),
        latency_ms: latency.list().iter().filter_map(latency_event).collect(),
    })
}

/// The fields of INFO that are numbers; `ok` and `err` of a status count as 1 and 0, and of a replica
/// (`slave0`) its lag is taken, as `slave0_lag` in seconds.
fn numbers(info: &str) -> BTreeMap<String, f64> {
    parse_info(info)
        .into_iter()
        .filter(|(name, _)| !name.starts_with("cmdstat_") && !name.starts_with("latency_"))
        .filter_map(|(name, value)| number(name, &value))
        .collect()
}

fn number(name: String, value: &str) -> Option<(String, f64)> {
    if let Some(lag) = value.split(',').find_map(|part| part.strip_prefix("lag=")) {
        return Some((format!("{name}_lag"), lag.parse().ok()?));
    }
    match value {
        "ok" => Some((name, 1.0)),
        "err" => Some((name, 0.0)),
        _ => value.parse().ok().map(|number| (name, number)),
    }
}

fn slowlog_entry(tree: &Tree) -> Option<SlowlogEntry> {
    let [id, unix_s, duration_us, words, ..] = tree.list() else {
        return None;
    };
    let words: Vec<String> = words.list().iter().filter_map(Tree::text).map(readable).collect();
    Some(SlowlogEntry {
        id: id.integer()?,
        unix_s: unix_s.integer()?,
        duration_us: duration_us.integer()?,
        command: words.join(" ").chars().take(COMMAND_CHARS).collect(),
    })
}

/// A word of a command as people can read it; a value of other bytes becomes their number.
fn readable(word: String) -> String {
    let strange = |letter: char| letter.is_control() || letter == char::REPLACEMENT_CHARACTER;
    if word.chars().any(strange) { format!("({} bytes)", word.len()) } else { word }
}

fn latency_event(tree: &Tree) -> Option<(String, f64)> {
    let [name, _, latest_ms, ..] = tree.list() else {
        return None;
    };
    Some((name.text()?, latest_ms.integer()? as f64))
}
