//! The cluster: who its members are, which slots they serve, and which are on their way.

use std::collections::BTreeSet;

use redis::RedisResult;
use stallion_triage::facts::{Cluster, Member};

use super::{Open, address};
use crate::info::Info;
use crate::members::{self, SLOTS, members};
use crate::target::Target;

/// The other members that one node knows, with the same login.
pub(super) fn others(one: &mut Open) -> RedisResult<Vec<Target>> {
    let own: String = redis::cmd("CLUSTER").arg("MYID").query(&mut one.connection)?;
    let all = members(&mut one.connection)?;
    let others = all.into_iter().filter(|member| member.id != own && member.port > 0);
    Ok(others.map(|member| one.target.beside(&member.host, member.port)).collect())
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
            Ok((info, members)) => {
                cluster.ok &= info.text("cluster_state") == "ok";
                let slots = info.number("cluster_slots_ok").and_then(|slots| slots.try_into().ok());
                cluster.slots_ok = cluster.slots_ok.min(slots.unwrap_or(0));
                moving.extend(members.iter().flat_map(|member| member.moving.iter().copied()));
                if cluster.members.is_empty() {
                    cluster.members =
                        members.iter().map(|one_of| fact(one_of, &one.target)).collect();
                }
            }
        }
    }
    cluster.slots_open = moving.len() as u32;
    cluster
}

fn view(one: &mut Open) -> RedisResult<(Info, Vec<members::Member>)> {
    let text: String = redis::cmd("CLUSTER").arg("INFO").query(&mut one.connection)?;
    Ok((Info::parse(&text), members(&mut one.connection)?))
}

fn fact(member: &members::Member, asked: &Target) -> Member {
    Member {
        id: member.id.clone(),
        address: address(&asked.beside(&member.host, member.port)),
        primary: member.is_primary,
        failed: member.has_failed,
        follows: member.follows.clone(),
        slots: member.slots.iter().map(|range| [*range.start(), *range.end()]).collect(),
    }
}
