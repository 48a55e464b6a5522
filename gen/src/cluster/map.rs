//! Which node serves which slot: replaced whole, never patched, so that a reader sees one epoch.

use thiserror::Error;

use super::slots::SLOTS;
use crate::resp::tree::Tree;
use crate::units::{NodeId, SlotId};

/// One node of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node {
    /// Host name or address.
    pub host: String,
    /// Port for clients.
    pub port: u16,
}

/// The map. Node ids are places in `nodes`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotMap {
    /// Every node that serves slots, primaries first.
    pub nodes: Vec<Node>,
    /// How many of them are primaries.
    pub primaries: usize,
    /// The primary of each slot; none where nobody serves it.
    owner: Box<[Option<NodeId>]>,
    /// The replicas of each primary, by its place.
    replicas: Vec<Vec<NodeId>>,
}

/// A topology that is none. The text says what the server sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MapError {
    /// Not the form of CLUSTER SLOTS.
    #[error("CLUSTER SLOTS was answered with something else: {0}")]
    Form(String),
    /// A range that is none.
    #[error("CLUSTER SLOTS named the slots {0} to {1}")]
    Range(i64, i64),
}

impl SlotMap {
    /// Reads the answer of CLUSTER SLOTS. A node without an address (`""` or `?`) has that of
    /// `asked`, who was asked.
    ///
    /// # Errors
    /// [`MapError`] when it is no such answer.
    pub fn read(answer: &Tree, asked: &str) -> Result<Self, MapError> {
        let Tree::List(ranges) = answer else {
            return Err(MapError::Form(shortened(answer)));
        };
        let mut rows = Vec::new();
        for range in ranges {
            rows.push(row(range, asked)?);
        }
        let mut nodes: Vec<Node> =
            rows.iter().filter_map(|row| row.nodes.first().cloned()).collect();
        nodes.sort();
        nodes.dedup();
        let primaries = nodes.len();
        let mut map = Self {
            owner: vec![None; usize::from(SLOTS)].into(),
            replicas: vec![Vec::new(); primaries],
            nodes,
            primaries,
        };
        for row in &rows {
            map.place(row);
        }
        Ok(map)
    }

    fn place(&mut self, row: &Row) {
        let Some((primary, replicas)) = row.nodes.split_first() else { return };
        let owner = self.id_of(primary);
        self.owner[row.first..=row.last].fill(Some(owner));
        for replica in replicas {
            let id = self.id_of(replica);
            let known = &mut self.replicas[usize::from(owner.0)];
            if id != owner && !known.contains(&id) {
                known.push(id);
            }
        }
    }

    /// The id of a node, which is added if it is new.
    fn id_of(&mut self, node: &Node) -> NodeId {
        let at = self.nodes.iter().position(|known| known == node).unwrap_or_else(|| {
            self.nodes.push(node.clone());
            self.nodes.len() - 1
        });
        NodeId(at as u16)
    }

    /// The primary of a slot.
    #[inline]
    #[must_use]
    pub fn primary(&self, slot: SlotId) -> Option<NodeId> {
        self.owner[usize::from(slot.0) % usize::from(SLOTS)]
    }

    /// The replicas of a slot's primary.
    #[must_use]
    pub fn replicas(&self, slot: SlotId) -> &[NodeId] {
        let primary = self.primary(slot).map(|id| usize::from(id.0));
        primary.and_then(|at| self.replicas.get(at)).map_or(&[], Vec::as_slice)
    }

    /// Slots that nobody serves.
    #[must_use]
    pub fn unserved(&self) -> usize {
        self.owner.iter().filter(|owner| owner.is_none()).count()
    }

    /// Slots of each primary, by its place.
    #[must_use]
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.primaries];
        for owner in self.owner.iter().flatten() {
            counts[usize::from(owner.0)] += 1;
        }
        counts
    }
}

/// A range of slots and who serves it, the primary first.
struct Row {
    first: usize,
    last: usize,
    nodes: Vec<Node>,
}

fn row(range: &Tree, asked: &str) -> Result<Row, MapError> {
    let form = || MapError::Form(shortened(range));
    let [first, last, nodes @ ..] = range.list() else {
        return Err(form());
    };
    let (first, last) = first.integer().zip(last.integer()).ok_or_else(form)?;
    let end = i64::from(SLOTS);
    if !(0..end).contains(&first) || !(first..end).contains(&last) {
        return Err(MapError::Range(first, last));
    }
    let nodes = nodes.iter().map(|entry| node(entry, asked).ok_or_else(form));
    Ok(Row { first: first as usize, last: last as usize, nodes: nodes.collect::<Result<_, _>>()? })
}

fn node(entry: &Tree, asked: &str) -> Option<Node> {
    let [host, port, ..] = entry.list() else { return None };
    let host = host.text().filter(|host| !host.is_empty() && host != "?");
    let port = port.integer().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)?;
    Some(Node { host: host.unwrap_or_else(|| asked.to_owned()), port })
}

fn shortened(tree: &Tree) -> String {
    format!("{tree:?}").chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Tree {
        Tree::Text(text.as_bytes().to_vec())
    }

    fn entry(host: &str, port: i64) -> Tree {
        Tree::List(vec![text(host), Tree::Integer(port), text("id"), Tree::List(Vec::new())])
    }

    fn range(first: i64, last: i64, nodes: Vec<Tree>) -> Tree {
        let ends = [Tree::Integer(first), Tree::Integer(last)];
        Tree::List(ends.into_iter().chain(nodes).collect())
    }

    #[test]
    fn a_topology_is_read() {
        let answer = Tree::List(vec![
            range(0, 5_460, vec![entry("10.0.0.1", 7), entry("10.0.0.4", 7)]),
            range(5_461, 10_922, vec![entry("", 8), entry("10.0.0.5", 7), entry("10.0.0.6", 7)]),
            range(12_000, 16_383, vec![entry("10.0.0.1", 7), entry("10.0.0.4", 7)]),
        ]);
        let map = SlotMap::read(&answer, "10.0.0.2").unwrap();
        assert_eq!((map.primaries, map.nodes.len(), map.unserved()), (2, 5, 12_000 - 10_923));
        let at = |slot| map.primary(SlotId(slot)).map(|id| map.nodes[usize::from(id.0)].clone());
        assert_eq!(at(0), at(16_383));
        assert_eq!(at(6_000).unwrap().host, "10.0.0.2", "its own address");
        assert_eq!(at(11_000), None);
        assert_eq!(map.replicas(SlotId(6_000)).len(), 2);
        assert_eq!(map.counts().iter().sum::<usize>() + map.unserved(), 16_384);
    }

    #[test]
    fn answers_that_are_none_are_refused() {
        for answer in [
            text("ERR This instance has cluster support disabled"),
            Tree::List(vec![text("x")]),
            Tree::List(vec![range(0, 16_384, vec![entry("a", 1)])]),
            Tree::List(vec![range(5, 4, vec![entry("a", 1)])]),
            Tree::List(vec![range(0, 1, vec![entry("a", 0)])]),
        ] {
            assert!(SlotMap::read(&answer, "a").is_err(), "{answer:?}");
        }
    }
}
