//! Which replica of a slot's primary a read goes to.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::cluster::cluster_map::{NO_NODE, Replicas};
use crate::limits::MAX_NODES;
use crate::mitigation::Choice;
use crate::units::NodeId;

/// Of so many reads one goes to the replica whose turn it is, so that `nearest` hears of all.
const EXPLORED_ONE_IN: u64 = 32;

/// The part of a new time in the smoothed one, as one in so many.
const SMOOTHED_OVER: u64 = 8;

/// The choice of one worker.
#[derive(Debug)]
pub struct Reader {
    choice: Choice,
    /// By the primary's number.
    pub replicas: Box<Replicas>,
    turn: u64,
    random: Xoshiro256PlusPlus,
    /// How long each node takes to answer, smoothed; 0 before its first answer.
    took_ns: Box<[u64; MAX_NODES]>,
}

impl Reader {
    /// One that knows no replica yet.
    #[must_use]
    pub fn new(choice: Choice, seed: u64) -> Self {
        Self {
            choice,
            replicas: Box::new([[NO_NODE; _]; MAX_NODES]),
            turn: 0,
            random: Xoshiro256PlusPlus::seed_from_u64(seed),
            took_ns: Box::new([0; MAX_NODES]),
        }
    }

    /// Whether a node is a replica of a primary.
    #[must_use]
    pub fn serves(&self, primary: NodeId, node: NodeId) -> bool {
        let of = self.replicas.get(primary.index());
        of.is_some_and(|replicas| replicas.iter().any(|one| u16::from(*one) == node.0))
    }

    /// A replica of a primary, among those that can be asked; none when there is none.
    pub fn choose(&mut self, primary: NodeId, can: impl Fn(NodeId) -> bool) -> Option<NodeId> {
        let of = self.replicas.get(primary.index())?;
        let mut open = [NodeId(0); crate::limits::MAX_REPLICAS];
        let mut count = 0;
        let known = of.iter().filter(|one| **one != NO_NODE).map(|one| NodeId(u16::from(*one)));
        for node in known.filter(|node| can(*node)) {
            open[count] = node;
            count += 1;
        }
        let open = &open[..count];
        self.turn += 1;
        let in_turn = || open.get(self.turn as usize % count.max(1)).copied();
        match self.choice {
            Choice::RoundRobin => in_turn(),
            Choice::Random => open.get(self.random.next_u64() as usize % count.max(1)).copied(),
            Choice::Nearest if self.turn.is_multiple_of(EXPLORED_ONE_IN) => {
                open.get((self.turn / EXPLORED_ONE_IN) as usize % count.max(1)).copied()
            }
            Choice::Nearest => open.iter().min_by_key(|node| self.took_ns[node.index()]).copied(),
        }
    }

    /// A node answered after so long.
    pub fn note_latency(&mut self, node: NodeId, took_ns: u64) {
        let Some(known) = self.took_ns.get_mut(node.index()) else { return };
        *known = match *known {
            0 => took_ns.max(1),
            before => before - before / SMOOTHED_OVER + took_ns / SMOOTHED_OVER,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIMARY: NodeId = NodeId(0);

    fn reader(choice: Choice) -> Reader {
        let mut reader = Reader::new(choice, 7);
        reader.replicas[PRIMARY.index()][..3].copy_from_slice(&[4, 5, 6]);
        reader
    }

    fn share_of(reader: &mut Reader, node: u16, can: impl Fn(NodeId) -> bool + Copy) -> usize {
        (0..900).filter(|_| reader.choose(PRIMARY, can) == Some(NodeId(node))).count()
    }

    #[test]
    fn all_replicas_have_their_turn() {
        assert_eq!(share_of(&mut reader(Choice::RoundRobin), 5, |_| true), 300);
        let random = share_of(&mut reader(Choice::Random), 5, |_| true);
        assert!((200..400).contains(&random), "{random}");
    }

    #[test]
    fn those_that_cannot_be_asked_are_passed_over() {
        let mut reader = reader(Choice::RoundRobin);
        assert_eq!(share_of(&mut reader, 5, |node| node != NodeId(5)), 0);
        assert_eq!(reader.choose(PRIMARY, |_| false), None);
        assert_eq!(reader.choose(NodeId(1), |_| true), None, "it has none");
        assert!(reader.serves(PRIMARY, NodeId(6)) && !reader.serves(PRIMARY, NodeId(1)));
    }

    #[test]
    fn the_nearest_is_asked_most_and_the_others_now_and_then() {
        let mut reader = reader(Choice::Nearest);
        for (node, took_ns) in [(4, 900_000), (5, 80_000), (6, 700_000)] {
            reader.note_latency(NodeId(node), took_ns);
        }
        let nearest = share_of(&mut reader, 5, |_| true);
        assert!((870..900).contains(&nearest), "{nearest}");
        for _ in 0..100 {
            reader.note_latency(NodeId(5), 5_000_000);
        }
        let nearest = share_of(&mut reader, 6, |_| true);
        assert!(nearest > 870, "{nearest}: another one is nearer now");
    }
}
