//! Which card the neighbours have.

use std::net::IpAddr;

use crate::wire::ethernet::Mac;

/// Neighbours that are known: servers of a network, and a gateway.
const MAX_NEIGHBOURS: usize = 1_024;

/// A question is repeated after so long.
const ASK_AGAIN_NS: u64 = 200_000_000;

/// A card is asked about again after so long, and used meanwhile.
const FRESH_NS: u64 = 30_000_000_000;

/// What is known of one address.
#[derive(Debug, Clone, Copy)]
struct Entry {
    address: IpAddr,
    card: Option<Mac>,
    heard_ns: u64,
    asked_ns: Option<u64>,
}

/// The answer to a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// The card, if it is known.
    pub(super) card: Option<Mac>,
    /// The neighbour is to be asked now.
    pub(super) is_to_be_asked: bool,
}

/// The neighbours. Those that were asked for first stand first: few servers take most of the look-ups.
#[derive(Debug, Default)]
pub(super) struct Neighbours(Vec<Entry>);

impl Neighbours {
    /// The card of an address.
    pub(super) fn look_up(&mut self, address: IpAddr, now_ns: u64) -> Known {
        let Some(at) = self.0.iter().position(|entry| entry.address == address) else {
            if self.0.len() < MAX_NEIGHBOURS {
                self.0.push(Entry { address, card: None, heard_ns: 0, asked_ns: Some(now_ns) });
            }
            return Known { card: None, is_to_be_asked: true };
        };
        let entry = &mut self.0[at];
        let is_fresh = entry.card.is_some() && now_ns.saturating_sub(entry.heard_ns) < FRESH_NS;
        let was_asked =
            entry.asked_ns.is_some_and(|asked_ns| now_ns.saturating_sub(asked_ns) < ASK_AGAIN_NS);
        let is_to_be_asked = !is_fresh && !was_asked;
        if is_to_be_asked {
            entry.asked_ns = Some(now_ns);
        }
        Known { card: entry.card, is_to_be_asked }
    }

    /// A neighbour named its card. Only those that were asked for are kept: a stranger cannot fill the
    /// table.
    pub(super) fn learn(&mut self, address: IpAddr, card: Mac, now_ns: u64) {
        let known = self.0.iter_mut().find(|entry| entry.address == address);
        if let Some(entry) = known.filter(|_| card.is_unicast()) {
            (entry.card, entry.heard_ns) = (Some(card), now_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbour_is_asked_until_it_answers_and_again_when_that_is_old() {
        let address = IpAddr::from([10, 0, 0, 3]);
        let mut neighbours = Neighbours::default();
        let ask = Known { card: None, is_to_be_asked: true };
        assert_eq!(neighbours.look_up(address, 1), ask);
        assert!(!neighbours.look_up(address, 2).is_to_be_asked);
        assert_eq!(neighbours.look_up(address, ASK_AGAIN_NS + 1), ask);
        neighbours.learn(address, Mac([2; 6]), ASK_AGAIN_NS + 2);
        let known = Known { card: Some(Mac([2; 6])), is_to_be_asked: false };
        assert_eq!(neighbours.look_up(address, ASK_AGAIN_NS + 3), known);
        let old = neighbours.look_up(address, ASK_AGAIN_NS + FRESH_NS + 2);
        assert_eq!(old, Known { is_to_be_asked: true, ..known });
    }

    #[test]
    fn strangers_and_groups_are_not_learnt() {
        let (address, stranger) = (IpAddr::from([10, 0, 0, 3]), IpAddr::from([10, 0, 0, 9]));
        let mut neighbours = Neighbours::default();
        neighbours.look_up(address, 1);
        neighbours.learn(address, Mac::BROADCAST, 2);
        neighbours.learn(stranger, Mac([2; 6]), 2);
        assert_eq!(neighbours.look_up(address, 3).card, None);
        assert_eq!(neighbours.look_up(stranger, 3).card, None);
    }
}
