//! A degraded cluster: a node is down, nobody serves some slots, or a server came back emptier than it
//! was. A single server that restarted is a cluster of one.

use crate::cause::{Cause, Kind, Strength, per_second, percent, seconds};
use crate::facts::{Cluster, Facts, Member, Node, Silent};
use crate::scene::{SLOTS, Scene};

/// A server that has less of its keys than this came back without them.
const EMPTIER: f64 = 0.5;

pub(super) fn judge(scene: &Scene<'_>) -> Cause {
    let mut cause = Cause::new(Kind::DegradedCluster);
    let now = scene.now;
    for silent in &now.silent {
        unanswered(&mut cause, now.cluster.as_ref(), silent);
    }
    if let Some(cluster) = &now.cluster {
        state(&mut cause, cluster);
    }
    let down = scene.counted().down;
    if down > 0 {
        cause.raise(Strength::Strong);
        let rate = per_second(down as f64 / now.window_s.max(0.001));
        cause.add(
            "INFO errorstat_CLUSTERDOWN",
            format!("{rate} requests refused as down or loading"),
        );
    }
    if let Some(before) = scene.snapshot() {
        emptier(&mut cause, now, before);
    }
    if cause.evidence.is_empty() {
        let text = match &now.cluster {
            Some(cluster) => format!(
                "cluster_state is ok, {} of {SLOTS:.0} slots are served, all {} nodes answer",
                cluster.slots_ok,
                now.nodes.len()
            ),
            None => "the server answers, and has not lost its keys".to_owned(),
        };
        cause.add("CLUSTER INFO, CLUSTER NODES", text);
    }
    cause
}

/// A node that did not answer. Through a tunnel or a container's port the addresses that nodes
/// announce lead nowhere, and clients elsewhere may reach them: the cluster has to say that one is
/// down.
fn unanswered(cause: &mut Cause, cluster: Option<&Cluster>, silent: &Silent) {
    let Silent { address, reason } = silent;
    let is_it = |member: &&Member| member.address == *address;
    let member = cluster.and_then(|cluster| cluster.members.iter().find(is_it));
    let whole = cluster.is_some_and(|cluster| cluster.ok && !lacks_slots(cluster));
    let (strength, what) = match member {
        Some(member) if whole && !member.failed => {
            (Strength::Hint, "is not reachable from here, while the cluster itself calls it well")
        }
        Some(member) if !member.slots.is_empty() => (Strength::Strong, "does not answer"),
        _ => (Strength::Hint, "does not answer"),
    };
    cause.raise(strength);
    cause.add("connect", format!("{address} {what}: {reason}"));
}

fn lacks_slots(cluster: &Cluster) -> bool {
    f64::from(cluster.slots_ok) < SLOTS
}

fn state(cause: &mut Cause, cluster: &Cluster) {
    if !cluster.ok {
        cause.raise(Strength::Strong);
        cause.add("CLUSTER INFO", "cluster_state is fail: the cluster refuses requests".to_owned());
    }
    if lacks_slots(cluster) {
        cause.raise(Strength::Strong);
        let share = f64::from(cluster.slots_ok) / SLOTS;
        let text =
            format!("{} of {SLOTS:.0} slots are served ({})", cluster.slots_ok, percent(share));
        cause.add("CLUSTER INFO cluster_slots_ok", text);
    }
    for member in cluster.members.iter().filter(|member| member.failed) {
        let serves = !member.slots.is_empty();
        cause.raise(if serves { Strength::Strong } else { Strength::Hint });
        let what = match (member.primary, serves) {
            (_, true) => "its slots have no other node",
            (true, false) => "a primary that another node has replaced",
            (false, false) => "a replica",
        };
        cause.add("CLUSTER NODES", format!("{} has failed ({what})", member.address));
    }
}

/// Servers that started anew or changed places, and have fewer keys than were there before.
fn emptier(cause: &mut Cause, now: &Facts, before: &Facts) {
    for node in now.nodes.iter().filter(|node| node.primary) {
        let restarted = |then: &&Node| then.address == node.address && then.run_id != node.run_id;
        let then = match before.nodes.iter().find(restarted) {
            Some(then) => {
                Some((then, format!("started anew {} ago", seconds(node.uptime_s as f64))))
            }
            None => replaced(node, now, before)
                .map(|then| (then, format!("has taken the place of {}", then.address))),
        };
        let Some((then, how)) = then else { continue };
        let fewer = (node.keys as f64) < EMPTIER * then.keys as f64;
        cause.raise(if fewer { Strength::Likely } else { Strength::Hint });
        let text = format!("{} {how}, with {} keys; before {}", node.address, node.keys, then.keys);
        cause.add("INFO run_id, uptime_in_seconds, keyspace", text);
    }
}

/// The primary of the snapshot whose replica a primary was then.
fn replaced<'a>(node: &Node, now: &Facts, before: &'a Facts) -> Option<&'a Node> {
    let cluster = before.cluster.as_ref()?;
    let is = now.cluster.as_ref()?.members.iter().find(|one| one.address == node.address)?;
    let was = cluster.members.iter().find(|one| one.id == is.id)?;
    let primary = was.follows.as_ref().filter(|_| is.follows.is_none())?;
    let old = cluster.members.iter().find(|one| one.id == *primary)?;
    before.nodes.iter().find(|one| one.address == old.address)
}
