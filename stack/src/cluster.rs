//! Servers become a cluster: slots to the primaries, everybody meets, replicas follow.

use std::thread;
use std::time::{Duration, Instant};

use redis::{Connection, RedisResult};
use stallion_server::Target;
use stallion_server::ask::cluster_nodes;
use stallion_server::info::Info;
use stallion_server::slots::SLOTS;

use crate::error::StackError;

/// How long all steps together may take: nodes hear of each other once a second.
const JOINED_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Makes a cluster of servers that are empty; the first `primaries` of them serve the slots evenly.
/// `ports` are where the others reach each: its port for clients, and its bus.
pub(crate) fn join(
    targets: &[Target],
    ports: &[(u16, u16)],
    primaries: usize,
) -> Result<(), StackError> {
    let mut nodes = Vec::new();
    for target in targets {
        nodes.push(target.connect().map_err(|error| StackError::Cluster(error.to_string()))?);
    }
    let refused = |error: redis::RedisError| StackError::Cluster(error.to_string());
    for (number, node) in nodes.iter_mut().enumerate() {
        // Of two nodes with the same epoch one must give way, which would cost a second.
        let mut epoch = redis::cmd("CLUSTER");
        epoch.arg("SET-CONFIG-EPOCH").arg(number + 1).query::<()>(node).map_err(refused)?;
        if number < primaries {
            let border = |part: usize| part * usize::from(SLOTS) / primaries;
            let mut slots = redis::cmd("CLUSTER");
            slots.arg("ADDSLOTS").arg((border(number)..border(number + 1)).collect::<Vec<_>>());
            slots.query::<()>(node).map_err(refused)?;
        }
    }
    for (target, (port, bus)) in targets.iter().zip(ports).skip(1) {
        let (host, _) = target.place();
        let mut meet = redis::cmd("CLUSTER");
        meet.arg("MEET").arg(host).arg(port).arg(bus);
        meet.query::<()>(&mut nodes[0]).map_err(refused)?;
    }
    let count = nodes.len();
    let start = Instant::now();
    wait(start, &mut nodes, "they do not meet", |node| Ok(cluster_nodes(node)?.len() == count))?;
    follow(start, &mut nodes, primaries)?;
    wait(start, &mut nodes, "its state is not ok, or a replica does not follow", |node| {
        let text: String = redis::cmd("CLUSTER").arg("INFO").query(node)?;
        let replication = Info::ask(node, "replication")?;
        let is_linked =
            replication.text("role") == "master" || replication.text("master_link_status") == "up";
        let replicas = cluster_nodes(node)?.iter().filter(|node| !node.is_primary).count();
        let is_known = replicas == count - primaries;
        Ok(Info::parse(&text).text("cluster_state") == "ok" && is_linked && is_known)
    })
}

/// Waits until replicas have what their primary has.
pub(crate) fn await_links(replicas: &[Target]) -> Result<(), StackError> {
    let mut nodes = Vec::new();
    for target in replicas {
        nodes.push(target.connect().map_err(|error| StackError::Cluster(error.to_string()))?);
    }
    wait(Instant::now(), &mut nodes, "a replica does not follow its primary", |node| {
        Ok(Info::ask(node, "replication")?.text("master_link_status") == "up")
    })
}

/// Each further node becomes the replica of a primary, in turn.
fn follow(start: Instant, nodes: &mut [Connection], primaries: usize) -> Result<(), StackError> {
    for number in primaries..nodes.len() {
        let primary = &mut nodes[number % primaries];
        let id: RedisResult<String> = redis::cmd("CLUSTER").arg("MYID").query(primary);
        let id = id.map_err(|error| StackError::Cluster(error.to_string()))?;
        // Until their hand-shake is over it knows the primary by another name.
        wait(start, &mut nodes[number..=number], "a replica does not know its primary", |node| {
            redis::cmd("CLUSTER").arg("REPLICATE").arg(&id).query::<()>(node).map(|()| true)
        })?;
    }
    Ok(())
}

/// Waits until all nodes say yes.
fn wait(
    start: Instant,
    nodes: &mut [Connection],
    what: &str,
    mut is_done: impl FnMut(&mut Connection) -> RedisResult<bool>,
) -> Result<(), StackError> {
    for node in nodes {
        // A node that has not heard of a primary yet, for one, refuses to follow it.
        while !is_done(node).unwrap_or(false) {
            if start.elapsed() > JOINED_WITHIN {
                return Err(StackError::Cluster(format!("{what} within {JOINED_WITHIN:?}")));
            }
            thread::sleep(LOOK_EVERY);
        }
    }
    Ok(())
}
