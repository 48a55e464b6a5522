//! `add-node`: an empty server joins a cluster, and gets its fair share of the slots while they are
//! in use.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use serde_json::json;
use stallion_server::ask::cluster_nodes;
use stallion_server::cluster_nodes::ClusterNode;
use stallion_server::info::Info;
use stallion_server::slots::SLOTS;

use crate::arguments::{Address, address};
use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use crate::reshard::Move;

const KNOWN_WITHIN: Duration = Duration::from_secs(40);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Let an empty server join the cluster, and move a fair share of the slots to it
#[derive(Debug, clap::Args)]
pub(crate) struct AddNode {
    /// The empty server, with cluster-enabled
    #[arg(long, value_name = "HOST:PORT", value_parser = address)]
    to: Address,
}

impl Fault for AddNode {
    fn inject(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        let Address { host, port } = &self.to;
        let to = format!("{host}:{port}");
        meet(endpoint, host, *port)?;
        let start = Instant::now();
        let primaries: Vec<ClusterNode> = cluster_nodes(&mut endpoint.connection)?
            .into_iter()
            .filter(|node| node.is_primary && node.slot_count() > 0)
            .collect();
        let (mut slots, mut keys) = (0, 0);
        for range in fair(&primaries) {
            let mut move_ = Move::prepare(endpoint, &range, Some(&to))?;
            let carried = move_.carry(endpoint, range, None)?;
            slots += carried.slots;
            keys += carried.keys;
        }
        Ok(Detail::from_iter([
            ("to".to_owned(), json!(to)),
            ("slots_moved".to_owned(), json!(slots)),
            ("keys_moved".to_owned(), json!(keys)),
            ("rebalance_ms".to_owned(), json!(start.elapsed().as_millis())),
        ]))
    }
}

/// Everybody knows the new one, so that none of them refuses it a slot.
fn meet(endpoint: &mut Endpoint, host: &str, port: u16) -> Result<(), FaultError> {
    let mut command = redis::cmd("CLUSTER");
    command.arg("MEET").arg(host).arg(port).query::<()>(&mut endpoint.connection)?;
    let start = Instant::now();
    let mut newcomer = endpoint.target.beside(host, port).connect()?;
    loop {
        let all = cluster_nodes(&mut endpoint.connection)?;
        let text: String = redis::cmd("CLUSTER").arg("INFO").query(&mut newcomer)?;
        // For a moment a newcomer thinks that the cluster is down, and takes no keys.
        let mut known = Info::parse(&text).text("cluster_state") == "ok";
        known &= cluster_nodes(&mut newcomer)?.len() == all.len();
        for node in all.iter().filter(|node| !node.has_failed) {
            let mut other = endpoint.target.beside(&node.host, node.port).connect()?;
            known &= cluster_nodes(&mut other)?.iter().any(|one| one.port == port);
        }
        if known {
            return Ok(());
        }
        if start.elapsed() > KNOWN_WITHIN {
            let text = format!("{host}:{port} is not known to all after {KNOWN_WITHIN:?}");
            return Err(FaultError::Failed(text));
        }
        endpoint.wait(LOOK_EVERY)?;
    }
}

/// From each primary as much as leaves all with the same, from its first slots on.
fn fair(primaries: &[ClusterNode]) -> Vec<RangeInclusive<u16>> {
    let each = usize::from(SLOTS) / (primaries.len() + 1);
    let mut taken = Vec::new();
    for node in primaries {
        let mut left = node.slot_count().saturating_sub(each);
        for range in &node.slots {
            let length = usize::from(range.end() - range.start()) + 1;
            let some = left.min(length);
            if some > 0 {
                taken.push(*range.start()..=range.start() + some as u16 - 1);
                left -= some;
            }
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_have_the_same_in_the_end() {
        let node = |slots: RangeInclusive<u16>| ClusterNode {
            is_primary: true,
            slots: vec![slots],
            ..ClusterNode::default()
        };
        let taken = fair(&[node(0..=8_191), node(8_192..=16_383)]);
        assert_eq!(taken, [0..=2_730, 8_192..=10_922]);
    }
}
