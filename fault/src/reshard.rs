//! `reshard`: slots move to another node while they are in use, key by key, as `redis-cli --cluster
//! reshard` does it (Redis Cluster Specification, "Live resharding").

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use redis::{Connection, RedisResult};
use serde_json::json;
use stallion_timeline::clock::monotonic_ns;

use crate::arguments::{Slots, slots};
use crate::endpoint::Endpoint;
use crate::error::FaultError;
use crate::fault::{Detail, Fault};
use stallion_server::ask::cluster_nodes;
use stallion_server::cluster_nodes::ClusterNode;
use stallion_server::duration;

/// Keys of one MIGRATE: it stops the source for as long as it takes, about 10 us a key here.
const KEYS_AT_ONCE: u32 = 20;
/// Between two of them the servers serve.
const PAUSE: Duration = Duration::from_millis(1);
/// A MIGRATE that takes longer has failed.
const MIGRATE_TIMEOUT_MS: u32 = 5_000;

/// Move slots of a cluster to another node while they are in use
#[derive(Debug, clap::Args)]
pub(crate) struct Reshard {
    /// The slots to move
    #[arg(long, value_name = "A-B", value_parser = slots, default_value = "0-99")]
    slots: Slots,
    /// The primary that gets them, as host:port or node id; by default the one with the fewest slots
    #[arg(long, value_name = "NODE")]
    to: Option<String>,
    /// Move them back after this time
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
    lasts: Option<Duration>,
}

impl Fault for Reshard {
    fn inject(&self, endpoint: &mut Endpoint) -> Result<Detail, FaultError> {
        let slots = self.slots.0.clone();
        let mut move_ = Move::prepare(endpoint, &slots, self.to.as_deref())?;
        let there = move_.carry(endpoint, slots.clone(), None);
        let Some(lasts) = self.lasts.filter(|_| there.is_ok()) else {
            return there.map(|carried| move_.detail(&slots, &carried, None));
        };
        // Back again also when the wait was cut short.
        let waited = endpoint.wait(lasts);
        let homes = std::mem::take(&mut move_.homes);
        let back = move_.carry(&Endpoint::unhurried(endpoint)?, slots.clone(), Some(&homes))?;
        waited?;
        Ok(move_.detail(&slots, &there?, Some(&back)))
    }
}

/// What one direction took.
pub(crate) struct Carried {
    begin_ns: u64,
    end_ns: u64,
    pub(crate) slots: u64,
    pub(crate) keys: u64,
}

/// Slots on their way to one node.
pub(crate) struct Move {
    primaries: BTreeMap<String, (ClusterNode, Connection)>,
    to: String,
    /// Who served each slot before.
    homes: BTreeMap<u16, String>,
}

impl Move {
    /// Who serves the slots now, and who shall.
    pub(crate) fn prepare(
        endpoint: &mut Endpoint,
        slots: &RangeInclusive<u16>,
        to: Option<&str>,
    ) -> Result<Self, FaultError> {
        let mut primaries = BTreeMap::new();
        for node in cluster_nodes(&mut endpoint.connection)? {
            if node.is_primary && !node.has_failed {
                let connection = endpoint.target.beside(&node.host, node.port).connect()?;
                primaries.insert(node.id.clone(), (node, connection));
            }
        }
        let mut homes = BTreeMap::new();
        for slot in slots.clone() {
            let owner = primaries.values().find(|(node, _)| node.serves(slot));
            let (owner, _) = owner
                .ok_or_else(|| FaultError::Failed(format!("nobody serves the slot {slot}")))?;
            homes.insert(slot, owner.id.clone());
        }
        let named = |node: &ClusterNode| match to {
            Some(to) => format!("{}:{}", node.host, node.port) == to || node.id == to,
            // By itself: away from the first slot's node, to whoever has the fewest slots.
            None => homes.get(slots.start()) != Some(&node.id),
        };
        let found = primaries.values().map(|(node, _)| node).filter(|node| named(node));
        let to = found.min_by_key(|node| node.slot_count()).map(|node| node.id.clone());
        let to = to.ok_or_else(|| {
            FaultError::Failed("`--to` is HOST:PORT of another primary of the cluster".to_owned())
        })?;
        Ok(Self { primaries, to, homes })
    }

    /// Moves slots to `to`, or to where they were. An interrupt is heeded between two slots: none is
    /// left half-way.
    pub(crate) fn carry(
        &mut self,
        endpoint: &Endpoint,
        slots: RangeInclusive<u16>,
        homes: Option<&BTreeMap<u16, String>>,
    ) -> Result<Carried, FaultError> {
        let begin_ns = monotonic_ns();
        let (mut moved, mut keys) = (0, 0);
        for slot in slots {
            let (from, to) = match homes {
                None => (self.homes.get(&slot).cloned().unwrap_or_default(), self.to.clone()),
                Some(homes) => (self.to.clone(), homes.get(&slot).cloned().unwrap_or_default()),
            };
            if from != to {
                keys += self.move_slot(slot, &from, &to)?;
                moved += 1;
            }
            endpoint.wait(Duration::ZERO)?;
        }
        Ok(Carried { begin_ns, end_ns: monotonic_ns(), slots: moved, keys })
    }

    fn move_slot(&mut self, slot: u16, from: &str, to: &str) -> RedisResult<u64> {
        let target = self.primaries.get(to).map(|(node, _)| node.clone());
        let Some(target) = target else { return Ok(0) };
        self.set_slot(to, slot, "IMPORTING", from)?;
        self.set_slot(from, slot, "MIGRATING", to)?;
        let mut moved = 0;
        if let Some((_, source)) = self.primaries.get_mut(from) {
            loop {
                let mut ask = redis::cmd("CLUSTER");
                ask.arg("GETKEYSINSLOT").arg(slot).arg(KEYS_AT_ONCE);
                let keys: Vec<Vec<u8>> = ask.query(source)?;
                if keys.is_empty() {
                    break;
                }
                let mut migrate = redis::cmd("MIGRATE");
                migrate.arg(&target.host).arg(target.port).arg("").arg(0).arg(MIGRATE_TIMEOUT_MS);
                migrate.arg("KEYS").arg(&keys).query::<()>(source)?;
                moved += keys.len() as u64;
                std::thread::sleep(PAUSE);
            }
        }
        // The new owner first: between the two nobody must think that the slot is nobody's.
        self.set_slot(to, slot, "NODE", to)?;
        self.set_slot(from, slot, "NODE", to)?;
        let others: Vec<String> =
            self.primaries.keys().filter(|id| *id != from && *id != to).cloned().collect();
        for other in others {
            self.set_slot(&other, slot, "NODE", to)?;
        }
        Ok(moved)
    }

    fn set_slot(&mut self, at: &str, slot: u16, how: &str, node: &str) -> RedisResult<()> {
        let Some((_, connection)) = self.primaries.get_mut(at) else { return Ok(()) };
        redis::cmd("CLUSTER").arg("SETSLOT").arg(slot).arg(how).arg(node).query(connection)
    }

    fn detail(
        &self,
        slots: &RangeInclusive<u16>,
        there: &Carried,
        back: Option<&Carried>,
    ) -> Detail {
        let to = self.primaries.get(&self.to).map(|(node, _)| node);
        let mut detail = Detail::from_iter([
            ("slots".to_owned(), json!(format!("{}-{}", slots.start(), slots.end()))),
            ("to".to_owned(), json!(to.map(|to| format!("{}:{}", to.host, to.port)))),
        ]);
        for (name, carried) in [("there", Some(there)), ("back", back)] {
            let Some(carried) = carried else { continue };
            let figures = [
                ("slots_moved", carried.slots),
                ("keys_moved", carried.keys),
                ("begin_ns", carried.begin_ns),
                ("end_ns", carried.end_ns),
            ];
            let figures = figures.map(|(figure, value)| (format!("{name}_{figure}"), json!(value)));
            detail.extend(figures);
        }
        detail
    }
}
