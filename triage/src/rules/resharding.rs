//! Resharding: slots are on their way, or have other owners than before though no node was replaced,
//! and clients that go by the old map are sent elsewhere.

use std::collections::BTreeMap;

use super::against;
use crate::cause::{Cause, Kind, Strength, per_second, percent};
use crate::facts::Cluster;
use crate::scene::{SLOTS, Scene};

/// Redirects that are this share of the commands are felt.
const FELT: f64 = 0.01;
/// Without anything else known: so many come from a map that is old.
const MANY: f64 = 0.05;

pub(super) fn judge(scene: &Scene<'_>) -> Cause {
    let mut cause = Cause::new(Kind::Resharding);
    let Some(cluster) = &scene.now.cluster else {
        cause.add("INFO cluster_enabled", "there is no cluster".to_owned());
        return cause;
    };
    let rates = scene.rates();
    let share = rates.redirected / rates.commands.max(f64::MIN_POSITIVE);
    // What was refused as down or loading was not sent elsewhere, and is another cause's.
    let before = scene.rates_before().map(|rates| rates.redirected);
    let felt = share >= FELT || rates.migrated > 0.0;
    let moved = scene.snapshot().and_then(|before| before.cluster.as_ref());
    let moved = moved.map_or(0, |before| other_owners(cluster, before));
    if cluster.slots_open > 0 {
        cause.raise(if felt { Strength::Strong } else { Strength::Likely });
        let text = format!("{} slots are on their way between two nodes", cluster.slots_open);
        cause.add("CLUSTER NODES", text);
    }
    if moved > 0 {
        cause.raise(if felt { Strength::Strong } else { Strength::Likely });
        let text = format!(
            "{moved} of {SLOTS:.0} slots ({}) have another owner than before",
            percent(f64::from(moved) / SLOTS)
        );
        cause.add("CLUSTER NODES", text);
    }
    if rates.migrated > 0.0 {
        cause.raise(Strength::Likely);
        let text = format!("{} calls of MIGRATE and RESTORE", per_second(rates.migrated));
        cause.add("INFO cmdstat_migrate, cmdstat_restore", text);
    }
    if rates.redirected > 0.0 {
        // After a failover clients have an old map, too.
        let replaced = cluster.members.iter().any(|member| member.failed);
        cause.raise(if share >= MANY && !replaced { Strength::Likely } else { Strength::Hint });
        let text = format!(
            "{} requests sent elsewhere, {} of the commands",
            against(scene, rates.redirected, before),
            percent(share.min(1.0))
        );
        cause.add("INFO errorstat_MOVED, _ASK, _TRYAGAIN", text);
    }
    if cause.evidence.is_empty() {
        let text = "no slot is on its way or has another owner, no request is sent elsewhere";
        cause.add("CLUSTER NODES", text.to_owned());
    }
    cause
}

/// How many slots have another owner, those left out that the owner's own replica took over.
fn other_owners(now: &Cluster, before: &Cluster) -> u32 {
    let mut owner: BTreeMap<u16, &str> = BTreeMap::new();
    for member in &before.members {
        for [first, last] in &member.slots {
            owner.extend((*first..=*last).map(|slot| (slot, member.id.as_str())));
        }
    }
    let follows = |id: &str| {
        let member = before.members.iter().find(|member| member.id == id)?;
        member.follows.as_deref()
    };
    let mut count = 0;
    for member in &now.members {
        let slots = member.slots.iter().flat_map(|[first, last]| *first..=*last);
        let others = slots.filter(|slot| {
            let Some(was) = owner.get(slot) else { return false };
            *was != member.id && follows(&member.id) != Some(was)
        });
        count += others.count() as u32;
    }
    count
}
