//! The nodes of a cluster as one of them sees it: CLUSTER NODES, decoded.

use std::ops::RangeInclusive;

use crate::slots::range;

/// One node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterNode {
    /// Its id, which it keeps for ever.
    pub id: String,
    /// Host; empty when the node that was asked does not know its own.
    pub host: String,
    /// Port for clients.
    pub port: u16,
    /// It is a primary.
    pub is_primary: bool,
    /// It, or the cluster, thinks that it has failed.
    pub has_failed: bool,
    /// The id of the primary that it follows.
    pub follows: Option<String>,
    /// The cluster agrees that it has failed.
    pub is_down: bool,
    /// The slots that it serves.
    pub slots: Vec<RangeInclusive<u16>>,
    /// Slots that are on their way to it or from it; only the node that was asked tells its own.
    pub moving: Vec<u16>,
}

impl ClusterNode {
    /// Whether it serves a slot.
    #[must_use]
    pub fn serves(&self, slot: u16) -> bool {
        self.slots.iter().any(|range| range.contains(&slot))
    }

    /// How many slots it serves.
    #[must_use]
    pub fn slot_count(&self) -> usize {
        self.slots.iter().map(|range| usize::from(range.end() - range.start()) + 1).sum()
    }
}

/// Reads the text of CLUSTER NODES. Lines of another form are left out.
#[must_use]
pub fn nodes(text: &str) -> Vec<ClusterNode> {
    text.lines().filter_map(node).collect()
}

/// `id host:port@bus[,name] flags primary ping pong epoch link slot...`
fn node(line: &str) -> Option<ClusterNode> {
    let mut words = line.split_whitespace();
    let id = words.next()?.to_owned();
    let address = words.next()?.split('@').next()?;
    let (host, port) = address.rsplit_once(':')?;
    let flags: Vec<&str> = words.next()?.split(',').collect();
    let follows = words.next()?;
    // Slots on their way are in brackets: `[5-<-id]`.
    let (moving, slots): (Vec<&str>, Vec<&str>) =
        words.skip(4).partition(|word| word.starts_with('['));
    let slot = |word: &&str| word.trim_start_matches('[').split('-').next()?.parse().ok();
    Some(ClusterNode {
        id,
        host: host.to_owned(),
        port: port.parse().ok()?,
        is_primary: flags.contains(&"master"),
        is_down: flags.contains(&"fail"),
        has_failed: flags.iter().any(|flag| flag.starts_with("fail")),
        follows: (follows != "-").then(|| follows.to_owned()),
        slots: slots.into_iter().filter_map(range).collect(),
        moving: moving.iter().filter_map(slot).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_read() {
        let primary = node(
            "e92175 127.0.0.1:7300@17300,name myself,master - 0 1795 1 connected 0-99 7 [5-<-abc]",
        )
        .unwrap();
        assert_eq!((primary.id.as_str(), primary.port), ("e92175", 7300));
        assert_eq!(primary.slots, [0..=99, 7..=7]);
        assert!(primary.is_primary && !primary.has_failed && primary.serves(50));
        assert_eq!(primary.slot_count(), 101);
        assert_eq!((primary.follows, primary.moving), (None, vec![5]));
        let gone = node("1 :7@17 slave,fail? e9 0 1 2 disconnected").unwrap();
        assert!(gone.host.is_empty() && gone.has_failed && !gone.is_down && !gone.is_primary);
        assert_eq!(gone.follows.as_deref(), Some("e9"));
        for broken in ["", "x", "x y z", "1 a:b@c master - 0 0 0 connected"] {
            assert_eq!(node(broken), None, "{broken}");
        }
    }
}
