//! In which slots of a cluster the keys of a plan's requests lie.

use super::{Plan, PlanError, Topology, Work};
use stallion_engine::cluster::slots::slot_of;
use stallion_resp::command::{Command, Commands};
use stallion_resp::encoder::key_text;
use stallion_resp::units::{CommandId, KeyId};

impl Plan {
    /// In a cluster each request must be of one slot.
    pub(super) fn check_slots(&self) -> Result<(), PlanError> {
        if let Topology::Ring(ring) = &self.topology {
            return Ok(ring.check(&self.commands, matches!(self.work, Work::Replay))?);
        }
        let Topology::Cluster { .. } = self.topology else { return Ok(()) };
        if self.played.is_some() || is_one_slot(&self.key_prefix) {
            return Ok(());
        }
        let Commands { list, transaction } = &self.commands;
        let crosses = |(at, command): &(usize, &Command)| {
            command.keys() > 1 && self.commands.part(CommandId(*at as u8)).is_none()
        };
        if let Some((_, command)) = list.iter().enumerate().find(crosses) {
            return Err(PlanError::CrossSlot(command.name.clone()));
        }
        if transaction.is_none() {
            return Ok(());
        }
        // All commands of a transaction name one key, whose name must lie in one slot for all.
        let encoder = self.encoder();
        let slot = |at: usize, key| slot_of(&encoder.key_text(CommandId(at as u8), KeyId(key)));
        let mut with_key = list.iter().enumerate().filter(|(_, command)| command.has_key());
        let Some((first, one)) = with_key.next() else { return Ok(()) };
        let differs = |at: usize| (0..100).any(|key| slot(at, key) != slot(first, key));
        with_key.find(|(at, _)| differs(*at)).map_or(Ok(()), |(_, other)| {
            Err(PlanError::TransactionSlots(one.name.clone(), other.name.clone()))
        })
    }

    /// Whether all commands of a transaction name one key: elsewhere than in a cluster, and with a
    /// hash tag, each draws its own.
    #[must_use]
    pub fn one_key(&self) -> bool {
        matches!(self.topology, Topology::Cluster { .. }) && !is_one_slot(&self.key_prefix)
    }
}

/// Whether all keys with a prefix lie in one slot.
#[must_use]
pub fn is_one_slot(key_prefix: &str) -> bool {
    let slot = |key| slot_of(key_text(key_prefix, KeyId(key)).as_bytes());
    (1..100).all(|key| slot(key) == slot(0))
}
