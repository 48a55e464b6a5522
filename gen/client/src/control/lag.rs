//! How many bytes of its primary's stream of writes each replica has not made yet.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use stallion_timeline::Server;
use stallion_timeline::clock::monotonic_ns;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::line::Line;
use super::preflight::parse_info;
use crate::plan::Credentials;
use stallion_engine::cluster::cluster_map::ClusterMap;
use stallion_rings::socket::Address;
use stallion_server::Place;

/// The field of a server's record that has it.
pub const LAG_FIELD: &str = "replica_lag_bytes";

/// Time between two looks.
const EVERY: Duration = Duration::from_millis(250);

/// A pair that does not answer within this is passed over, and asked on new connections.
const PATIENCE: Duration = Duration::from_millis(500);

/// Looks at every replica until `stop` is set.
pub(super) async fn follow(
    cluster_map: Arc<ClusterMap>,
    credentials: Credentials,
    found: Sender<Server>,
    mut stop: watch::Receiver<bool>,
) {
    let mut lines = BTreeMap::new();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !*stop.borrow() {
        for (primary, replica) in cluster_map.pairs() {
            let addresses = cluster_map.address(primary).zip(cluster_map.address(replica));
            let Some((primary, replica)) = addresses else { continue };
            let asked = timeout(PATIENCE, lag(&mut lines, &credentials, primary, replica)).await;
            let Ok(Some(bytes)) = asked else {
                lines.remove(&primary);
                lines.remove(&replica);
                continue;
            };
            let target = Place::Tcp { host: replica.ip().to_string(), port: replica.port() };
            let info = BTreeMap::from([(LAG_FIELD.to_owned(), bytes)]);
            let (at_ns, target) = (monotonic_ns(), credentials.url(&target));
            if found.send(Server { at_ns, target, info, ..Server::default() }).is_err() {
                return;
            }
        }
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stop.changed() => {}
        }
    }
}

/// The primary is asked before and after the replica: its offset goes on meanwhile, and the mean of
/// the two is what it was when the replica was asked.
async fn lag(
    lines: &mut BTreeMap<SocketAddr, Line>,
    credentials: &Credentials,
    primary: SocketAddr,
    replica: SocketAddr,
) -> Option<f64> {
    let before = offset(lines, credentials, primary, "master_repl_offset").await?;
    let applied = offset(lines, credentials, replica, "slave_repl_offset").await?;
    let after = offset(lines, credentials, primary, "master_repl_offset").await?;
    Some((f64::midpoint(before, after) - applied).max(0.0))
}

async fn offset(
    lines: &mut BTreeMap<SocketAddr, Line>,
    credentials: &Credentials,
    address: SocketAddr,
    field: &str,
) -> Option<f64> {
    if let std::collections::btree_map::Entry::Vacant(place) = lines.entry(address) {
        place.insert(Line::open(&Address::Tcp(address), credentials).await.ok()?);
    }
    let answer = lines.get_mut(&address)?.ask(&[b"INFO", b"replication"]).await.ok()?;
    parse_info(&answer.text()?).into_iter().find_map(|(name, value)| {
        let is_it = name == field;
        value.parse().ok().filter(|_| is_it)
    })
}
