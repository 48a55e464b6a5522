//! Which slots have failed or had nobody to ask, and not been answered since, in groups by the node
//! that served them.

use crate::limits::MAX_OUTAGES;
use crate::measure::cluster::Outage;
use crate::units::{Nanos, NodeId};
use stallion_resp::units::SLOTS;
use stallion_resp::units::SlotId;

/// The outages of one worker that are not over.
#[derive(Debug)]
pub struct Outages {
    /// For each slot the place of its outage, plus one; 0 for none.
    of_slot: Box<[u8; SLOTS as usize]>,
    open: [Option<Outage>; MAX_OUTAGES],
    /// Slots that are in one.
    slots: usize,
}

impl Default for Outages {
    fn default() -> Self {
        Self { of_slot: Box::new([0; SLOTS as usize]), open: [None; MAX_OUTAGES], slots: 0 }
    }
}

impl Outages {
    /// Whether no slot is in one: nothing needs to be asked about answers.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.slots == 0
    }

    /// A request failed, or nobody is there to be asked. With too many outages at once those of
    /// further nodes are not kept.
    pub fn failed(&mut self, node: NodeId, slot: SlotId, now: Nanos) {
        if self.of_slot[slot.index()] != 0 {
            return;
        }
        let of_node = |place: &Option<Outage>| place.is_some_and(|outage| outage.node == node);
        let known = self.open.iter().position(of_node);
        let Some(at) = known.or_else(|| self.open.iter().position(Option::is_none)) else { return };
        let outage = self.open[at].get_or_insert(Outage {
            node,
            first_slot: slot,
            last_slot: slot,
            slots: 0,
            slots_back: 0,
            start: now,
            first_back: now,
            last_back: now,
        });
        outage.first_slot = outage.first_slot.min(slot);
        outage.last_slot = outage.last_slot.max(slot);
        outage.slots += 1;
        self.slots += 1;
        self.of_slot[slot.index()] = at as u8 + 1;
    }

    /// A request was answered without an error; gives the outage that is thereby over.
    pub fn answered(&mut self, slot: SlotId, now: Nanos) -> Option<Outage> {
        let at = std::mem::take(&mut self.of_slot[slot.index()]).checked_sub(1)?;
        let place = self.open.get_mut(usize::from(at))?;
        let outage = place.as_mut()?;
        if outage.slots_back == 0 {
            outage.first_back = now;
        }
        outage.last_back = now;
        outage.slots_back += 1;
        self.slots -= 1;
        place.take_if(|outage| outage.slots_back == outage.slots)
    }

    /// The run is over: gives those that are not, one after the other.
    pub fn take_open(&mut self) -> Option<Outage> {
        self.open.iter_mut().find_map(Option::take)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_lasts_until_each_of_its_slots_was_answered() {
        let mut outages = Outages::default();
        let (node, other) = (NodeId(1), NodeId(2));
        outages.failed(node, SlotId(7), Nanos(100));
        outages.failed(other, SlotId(900), Nanos(105));
        outages.failed(node, SlotId(3), Nanos(110));
        outages.failed(node, SlotId(7), Nanos(120));
        assert!(!outages.is_empty());
        assert_eq!(outages.answered(SlotId(8), Nanos(130)), None, "it had none");
        assert_eq!(outages.answered(SlotId(3), Nanos(150)), None);
        let over = outages.answered(SlotId(7), Nanos(190)).unwrap();
        let wanted = Outage {
            node,
            first_slot: SlotId(3),
            last_slot: SlotId(7),
            slots: 2,
            slots_back: 2,
            start: Nanos(100),
            first_back: Nanos(150),
            last_back: Nanos(190),
        };
        assert_eq!(over, wanted);
        assert_eq!(outages.take_open().map(|outage| outage.slots_back), Some(0));
        assert_eq!(outages.take_open(), None);
    }
}
