//! The cluster: its nodes, which slots they serve, and which are on their way.

use std::collections::BTreeSet;

use redis::RedisResult;
use stallion_server::Target;
use stallion_server::ask::cluster_nodes;
use stallion_server::cluster_nodes::ClusterNode;
use stallion_server::info::Info;
use stallion_server::slots::SLOTS;
use stallion_triage::facts::{Cluster, Member};

use super::{Open, address};

/// The other nodes that one node knows, with the same login.
pub(super) fn others(one: &mut Open) -> RedisResult<Vec<Target>> {
    let own: String = redis::cmd("CLUSTER").arg("MYID").query(&mut one.connection)?;
    let all = cluster_nodes(&mut one.connection)?;
    let others = all.into_iter().filter(|node| node.id != own && node.port > 0);
    Ok(others.map(|node| one.target.beside(&node.host, node.port)).collect())
}

/// The cluster as all nodes together see it: as bad as the worst says.
pub(super) fn cluster(open: &mut [Open], notes: &mut Vec<String>) -> Cluster {
    let mut cluster = Cluster { ok: true, slots_ok: SLOTS, ..Cluster::default() };
    let mut moving = BTreeSet::new();
    for one in open {
        match view(one) {
            Err(error) => {
                notes.push(format!("{}: no CLUSTER INFO ({error})", address(&one.target)))
            }
            Ok((info, nodes)) => {
                cluster.ok &= info.text("cluster_state") == "ok";
                let slots = info.number("cluster_slots_ok").and_then(|slots| slots.try_into().ok());
                cluster.slots_ok = cluster.slots_ok.min(slots.unwrap_or(0));
                moving.extend(nodes.iter().flat_map(|node| node.moving.iter().copied()));
                if cluster.members.is_empty() {
                    cluster.members =
                        nodes.iter().map(|one_of| fact(one_of, &one.target)).collect();
                }
            }
        }
    }
    cluster.slots_open = moving.len() as u32;
    cluster
}

fn view(one: &mut Open) -> RedisResult<(Info, Vec<ClusterNode>)> {
    let text: String = redis::cmd("CLUSTER").arg("INFO").query(&mut one.connection)?;
    Ok((Info::parse(&text), cluster_nodes(&mut one.connection)?))
}

fn fact(node: &ClusterNode, asked: &Target) -> Member {
    Member {
        id: node.id.clone(),
        address: address(&asked.beside(&node.host, node.port)),
        primary: node.is_primary,
        failed: node.has_failed,
        follows: node.follows.clone(),
        slots: node.slots.iter().map(|range| [*range.start(), *range.end()]).collect(),
    }
}
