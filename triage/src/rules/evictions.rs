//! Evictions: keys are thrown out as fast as a good part of the misses come, and were not before.

use super::{GROWN, LARGE, against};
use crate::cause::{Cause, Kind, Strength, bytes, percent};
use crate::facts::Node;
use crate::scene::Scene;

/// Memory that is filled so far is full: the server evicts before each write that would not fit.
const FULL: f64 = 0.95;
/// Refused writes that are this share of all commands leave misses that nobody fills.
const REFUSED: f64 = 0.02;

pub(super) fn judge(scene: &Scene<'_>) -> Cause {
    let mut cause = Cause::new(Kind::Evictions);
    let (now, before) = (scene.rates(), scene.rates_before());
    let evicted_before = before.map(|rates| rates.evicted);
    let grown = now.evicted > GROWN * evicted_before.unwrap_or(0.0);
    if now.evicted > 0.0 {
        let of_misses = now.evicted / now.misses.max(f64::MIN_POSITIVE);
        cause.raise(match of_misses {
            _ if !grown => Strength::Hint,
            share if share >= LARGE => Strength::Strong,
            share if share >= LARGE / 4.0 => Strength::Likely,
            _ => Strength::Hint,
        });
        let text = format!(
            "{} keys evicted ({} of the misses)",
            against(scene, now.evicted, evicted_before),
            percent(of_misses.min(1.0))
        );
        cause.add("INFO evicted_keys", text);
    }
    if now.oom > 0.0 {
        let large = now.oom >= REFUSED * now.commands;
        cause.raise(if large { Strength::Strong } else { Strength::Likely });
        let text =
            format!("{} writes refused: misses are not filled", against(scene, now.oom, None));
        cause.add("INFO errorstat_OOM", text);
    }
    for node in scene.now.nodes.iter().filter(|node| node.primary && node.maxmemory_bytes > 0) {
        memory(&mut cause, scene, node);
    }
    if cause.strength == Strength::None {
        cause.add("INFO evicted_keys", "no key was evicted, no write refused".to_owned());
    }
    cause
}

/// How full one server is, and whether its limit was another one.
fn memory(cause: &mut Cause, scene: &Scene<'_>, node: &Node) {
    let full = node.used_memory_bytes as f64 >= FULL * node.maxmemory_bytes as f64;
    if !full && cause.strength == Strength::None {
        return;
    }
    let mut text = format!(
        "{} uses {} of {} ({})",
        node.address,
        bytes(node.used_memory_bytes),
        bytes(node.maxmemory_bytes),
        node.policy
    );
    let before = scene
        .snapshot()
        .and_then(|facts| facts.nodes.iter().find(|other| other.address == node.address));
    if let Some(before) = before {
        if before.maxmemory_bytes != node.maxmemory_bytes {
            let limit = match before.maxmemory_bytes {
                0 => "none".to_owned(),
                limit => bytes(limit),
            };
            text += &format!("; the limit was {limit}");
        }
        text += &format!("; keys {}, before {}", node.keys, before.keys);
    }
    cause.add("INFO used_memory, maxmemory", text);
}
