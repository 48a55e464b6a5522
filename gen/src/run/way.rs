//! How a run's requests find their nodes, decided once at its start.

use std::sync::Arc;

use super::RunError;
use crate::cluster::slots::RequestSlots;
use crate::control::preflight::{Caller, StartError};
use crate::control::topology::{self, Found};
use crate::limits::{
    MAX_CONNECTIONS_PER_SHARD, MAX_OUTGOING_BYTES, MAX_VERSIONED_KEYS, MAX_WAITING,
};
use crate::plan::{OnError, Plan, PlanError, Topology};
use crate::resp::command::Encoder;
use crate::shard::ASKING;
use crate::shard::ring::HALVES;
use crate::shard::routing::Routing;
use crate::strategy::Strategist;
use crate::strategy::versions::Versions;

/// The cluster of a plan, asked of one of its nodes; none for a single server.
pub(super) fn find(
    plan: &Plan,
    caller: &mut Caller,
    encoder: &Encoder,
) -> Result<Option<Found>, RunError> {
    let Topology::Cluster { .. } = plan.topology else { return Ok(None) };
    let found = topology::find(&plan.target, caller)?;
    check(plan, &found, encoder)?;
    Ok(Some(found))
}

/// The bounds that only a cluster's size makes known.
fn check(plan: &Plan, found: &Found, encoder: &Encoder) -> Result<(), RunError> {
    let (conns, shards, primaries) = (plan.conns, plan.shards(), found.primaries.len());
    if conns / shards < primaries {
        return Err(StartError::FewForCluster { conns, shards, primaries }.into());
    }
    let places = routing(plan, 0, found, encoder).places();
    if places > MAX_CONNECTIONS_PER_SHARD {
        return Err(PlanError::Connections { conns: places * shards, shards }.into());
    }
    let (pipeline, request_bytes) = (plan.pipeline, longest(encoder, true));
    let bytes = (request_bytes * HALVES).checked_mul(pipeline * places);
    if bytes.is_none_or(|bytes| bytes > MAX_OUTGOING_BYTES) {
        return Err(PlanError::Memory { conns: places, pipeline, request_bytes }.into());
    }
    Ok(())
}

/// What a shard needs to know of it.
pub(super) fn routing(plan: &Plan, shard: usize, found: &Found, encoder: &Encoder) -> Routing {
    let name = |command, key| encoder.key_text(command, key);
    Routing {
        board: Arc::clone(&found.board),
        slots: RequestSlots::new(encoder.commands().len(), name),
        primaries: found.primaries.clone(),
        connections: plan.conns_of(shard),
        retries: !matches!(plan.topology, Topology::Cluster { on_error: OnError::Count }),
    }
}

/// Bytes of the longest request, with what goes before it in a cluster.
pub(super) fn longest(encoder: &Encoder, in_cluster: bool) -> usize {
    encoder.longest() + if in_cluster { ASKING.len() } else { 0 }
}

/// What a shard does for hot keys; `versions` are those of all shards.
pub(super) fn strategist(
    plan: &Plan,
    versions: Option<&Versions>,
    seed: u64,
) -> Option<Strategist> {
    let (strategy, versions) = plan.strategy.zip(versions)?;
    Some(Strategist::new(strategy, versions.clone(), (MAX_WAITING, MAX_WAITING), seed))
}

/// The versions that a run follows, if it does.
pub(super) fn versions(plan: &Plan) -> Option<Versions> {
    plan.strategy.map(|_| Versions::new((plan.keys as usize).min(MAX_VERSIONED_KEYS)))
}
