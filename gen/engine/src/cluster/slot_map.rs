//! Which node serves which slot: replaced whole, never patched, so that a reader sees one epoch.

use thiserror::Error;

use crate::units::NodeId;
use stallion_resp::tree::Tree;
use stallion_resp::units::SLOTS;
use stallion_resp::units::SlotId;

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
    /// Not the form of CLUSTER SHARDS or CLUSTER SLOTS.
    #[error("its topology (CLUSTER SHARDS or CLUSTER SLOTS) is something else: {0}")]
    Form(String),
    /// A node of which only the port without TLS is known.
    #[error(
        "its node at port {0} announces no TLS port, as with `tls-cluster no`: set `tls-cluster yes` on all \
         nodes, or leave out --tls"
    )]
    NoTls(u16),
    /// A node of which only the TLS port is known.
    #[error("its node at port {0} is to be reached by TLS alone: give --tls")]
    OnlyTls(u16),
    /// A range that is none.
    #[error("its topology (CLUSTER SHARDS or CLUSTER SLOTS) names the slots {0} to {1}")]
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
        let rows: Vec<Row> =
            ranges.iter().map(|range| row(range, asked)).collect::<Result<_, _>>()?;
        Ok(Self::of(&rows))
    }

    /// Reads the answer of CLUSTER SHARDS (Redis 7), with each node's port for TLS where `tls` is set
    /// (CLUSTER SLOTS has the one that fits the connection). Of several nodes of a shard that call
    /// themselves its primary, as a failed one does until it is replaced, the first that is online
    /// counts. As [`SlotMap::read`] otherwise.
    ///
    /// # Errors
    /// [`MapError`] when it is no such answer.
    pub fn read_shards(answer: &Tree, asked: &str, tls: bool) -> Result<Self, MapError> {
        let Tree::List(shards) = answer else {
            return Err(MapError::Form(shortened(answer)));
        };
        let mut rows = Vec::new();
        for shard in shards {
            rows.extend(shard_rows(shard, asked, tls)?);
        }
        Ok(Self::of(&rows))
    }

    /// From ranges of slots and who serves them.
    #[must_use]
    pub fn of(rows: &[Row]) -> Self {
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
        for row in rows {
            map.place(row);
        }
        map
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

    /// Every primary with its replicas.
    pub fn replicas_of_all(&self) -> impl Iterator<Item = (NodeId, &[NodeId])> {
        self.replicas
            .iter()
            .enumerate()
            .map(|(at, replicas)| (NodeId(at as u16), replicas.as_slice()))
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

/// A range of slots and who serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The first slot.
    pub first: usize,
    /// The last slot, which belongs to it.
    pub last: usize,
    /// Who serves it, the primary first.
    pub nodes: Vec<Node>,
}

fn row(range: &Tree, asked: &str) -> Result<Row, MapError> {
    let form = || MapError::Form(shortened(range));
    let [first, last, nodes @ ..] = range.list() else {
        return Err(form());
    };
    let (first, last) = ends(first, last).ok_or_else(form)??;
    let nodes = nodes.iter().map(|entry| node(entry, asked).ok_or_else(form));
    Ok(Row { first, last, nodes: nodes.collect::<Result<_, _>>()? })
}

/// The ends of a range; none when they are no numbers.
fn ends(first: &Tree, last: &Tree) -> Option<Result<(usize, usize), MapError>> {
    let (first, last) = first.integer().zip(last.integer())?;
    let end = i64::from(SLOTS);
    let is_range = (0..end).contains(&first) && (first..end).contains(&last);
    Some(if is_range {
        Ok((first as usize, last as usize))
    } else {
        Err(MapError::Range(first, last))
    })
}

/// The ranges of one shard of CLUSTER SHARDS: `slots [first, last, ...] nodes [...]`, each a map.
fn shard_rows(shard: &Tree, asked: &str, tls: bool) -> Result<Vec<Row>, MapError> {
    let form = || MapError::Form(shortened(shard));
    let slots = field(shard, "slots").ok_or_else(form)?;
    let mut nodes: Vec<ShardNode> = field(shard, "nodes")
        .ok_or_else(form)?
        .list()
        .iter()
        .map(|entry| shard_node(entry, asked, tls))
        .collect::<Result<_, _>>()?;
    // Stable: the first primary that is online, then other primaries, then the rest.
    nodes.sort_by_key(|node| match (node.is_primary, node.is_online) {
        (true, true) => 0,
        (true, false) => 1,
        (false, _) => 2,
    });
    // A replica that is loading or dead has nothing to tell, and a primary that was replaced is none.
    let serves = |(at, node): &(usize, ShardNode)| *at == 0 || !node.is_primary && node.is_online;
    let nodes: Vec<Node> =
        nodes.into_iter().enumerate().filter(serves).map(|(_, node)| node.node).collect();
    slots
        .list()
        .chunks(2)
        .map(|range| {
            let [first, last] = range else { return Err(form()) };
            let (first, last) = ends(first, last).ok_or_else(form)??;
            Ok(Row { first, last, nodes: nodes.clone() })
        })
        .collect()
}

/// A node of CLUSTER SHARDS.
struct ShardNode {
    node: Node,
    is_primary: bool,
    is_online: bool,
}

fn shard_node(entry: &Tree, asked: &str, tls: bool) -> Result<ShardNode, MapError> {
    let port_of = |name| field(entry, name).and_then(port);
    let (wanted, other) = if tls { ("tls-port", "port") } else { ("port", "tls-port") };
    let at = port_of(wanted).ok_or_else(|| match (port_of(other), tls) {
        (None, _) => MapError::Form(shortened(entry)),
        (Some(port), true) => MapError::NoTls(port),
        (Some(port), false) => MapError::OnlyTls(port),
    })?;
    // `endpoint` is what the cluster prefers; `ip` is always there.
    let named = |name| field(entry, name).and_then(Tree::text);
    let is_address = |host: &String| !host.is_empty() && host != "?";
    let host = ["endpoint", "ip"].into_iter().filter_map(named).find(is_address);
    Ok(ShardNode {
        node: Node { host: host.unwrap_or_else(|| asked.to_owned()), port: at },
        is_primary: named("role").is_some_and(|role| role == "master"),
        is_online: named("health").is_some_and(|health| health == "online"),
    })
}

/// A field of a map, which RESP2 shows as names and values in turn.
fn field<'a>(map: &'a Tree, name: &str) -> Option<&'a Tree> {
    let pairs = map.list().chunks_exact(2);
    pairs
        .map(|pair| (&pair[0], &pair[1]))
        .find(|(key, _)| key.text().is_some_and(|key| key == name))
        .map(|(_, value)| value)
}

fn node(entry: &Tree, asked: &str) -> Option<Node> {
    let [host, at, ..] = entry.list() else { return None };
    let host = host.text().filter(|host| !host.is_empty() && host != "?");
    Some(Node { host: host.unwrap_or_else(|| asked.to_owned()), port: port(at)? })
}

fn port(tree: &Tree) -> Option<u16> {
    tree.integer().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)
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

    fn map(fields: Vec<(&str, Tree)>) -> Tree {
        Tree::List(fields.into_iter().flat_map(|(name, value)| [text(name), value]).collect())
    }

    #[test]
    fn shards_are_read_and_a_failed_primary_gives_way() {
        let node = |host: &str, role: &str, health: &str| {
            map(vec![
                ("id", text("x")),
                ("port", Tree::Integer(7)),
                ("tls-port", Tree::Integer(8)),
                ("ip", text(host)),
                ("endpoint", text(if host == "10.0.0.9" { "?" } else { host })),
                ("role", text(role)),
                ("health", text(health)),
            ])
        };
        let range = |ends: &[i64]| Tree::List(ends.iter().copied().map(Tree::Integer).collect());
        let answer = Tree::List(vec![
            map(vec![
                ("slots", range(&[0, 99, 200, 16_383])),
                (
                    "nodes",
                    Tree::List(vec![
                        node("10.0.0.1", "master", "fail"),
                        node("10.0.0.2", "replica", "online"),
                        node("10.0.0.3", "master", "online"),
                    ]),
                ),
            ]),
            map(vec![
                ("slots", range(&[100, 199])),
                ("nodes", Tree::List(vec![node("10.0.0.9", "master", "online")])),
            ]),
            map(vec![("slots", range(&[])), ("nodes", Tree::List(Vec::new()))]),
        ]);
        let found = SlotMap::read_shards(&answer, "10.0.0.7", false).unwrap();
        let at = |slot| found.primary(SlotId(slot)).map(|id| found.nodes[id.index()].host.clone());
        assert_eq!(at(0).as_deref(), Some("10.0.0.3"));
        assert_eq!(at(150).as_deref(), Some("10.0.0.9"));
        assert_eq!((found.primaries, found.unserved()), (2, 0));
        assert_eq!(found.replicas(SlotId(0)).len(), 1, "the failed primary is no replica");
        let by_tls = SlotMap::read_shards(&answer, "10.0.0.7", true).unwrap();
        assert_eq!((found.nodes[0].port, by_tls.nodes[0].port), (7, 8));
        for broken in [
            text("ERR"),
            Tree::List(vec![text("x")]),
            Tree::List(vec![map(vec![("slots", range(&[0])), ("nodes", Tree::List(Vec::new()))])]),
        ] {
            assert!(SlotMap::read_shards(&broken, "a", false).is_err(), "{broken:?}");
        }
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
