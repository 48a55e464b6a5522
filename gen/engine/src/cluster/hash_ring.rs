//! Sharding by the client: which server of a list has a key, and how many keys move when the list
//! changes.

use md5::{Digest, Md5};

use crate::units::NodeId;

/// How keys are spread over servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Spreading {
    /// Points on a circle: libketama (Richard Jones, last.fm, 2007), as twemproxy and many clients
    /// have it, with 160 for each server.
    Ketama,
    /// The hash modulo the number of servers.
    Modulo,
}

/// Points that one digest gives.
pub const POINTS_PER_DIGEST: usize = 4;

/// Points that libketama and twemproxy give each server.
pub const DEFAULT_POINTS: usize = 160;

/// Servers and what each of them has.
#[derive(Debug, Clone)]
pub struct HashRing {
    /// Points of the circle, ascending, and whose they are; empty for modulo.
    points: Vec<(u32, NodeId)>,
    servers: u64,
}

impl HashRing {
    /// Spreads keys over servers, which are named as `host:port`; each has so many points on a circle.
    #[must_use]
    pub fn new(spreading: Spreading, points_each: usize, servers: &[String]) -> Self {
        let mut points = Vec::new();
        if spreading == Spreading::Ketama {
            for (server, name) in servers.iter().enumerate() {
                // As libmemcached and twemproxy do: the usual port of memcached is no part of a name.
                let name = name.strip_suffix(":11211").unwrap_or(name);
                for index in 0..points_each.div_ceil(POINTS_PER_DIGEST) {
                    let digest = Md5::digest(format!("{name}-{index}"));
                    let words = (0..POINTS_PER_DIGEST).map(|at| word(&digest, at));
                    points.extend(words.map(|point| (point, NodeId(server as u16))));
                }
            }
            points.sort_unstable();
        }
        Self { points, servers: servers.len().max(1) as u64 }
    }

    /// The server that has a key.
    #[must_use]
    pub fn server_of(&self, key: &[u8]) -> NodeId {
        self.server_of_parts([key])
    }

    /// The server of a key that comes in parts.
    #[inline]
    #[must_use]
    pub fn server_of_parts<const N: usize>(&self, parts: [&[u8]; N]) -> NodeId {
        let mut hasher = Md5::new();
        for part in parts {
            hasher.update(part);
        }
        let hash = word(&hasher.finalize(), 0);
        if self.points.is_empty() {
            return NodeId((u64::from(hash) % self.servers) as u16);
        }
        // The first point at or behind the key's; behind the last one the circle closes.
        let at = self.points.partition_point(|(point, _)| *point < hash);
        self.points.get(at).or_else(|| self.points.first()).map_or(NodeId(0), |(_, node)| *node)
    }
}

/// Four bytes of a digest, the least significant first.
fn word(digest: &[u8], index: usize) -> u32 {
    digest
        .get(index * 4..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |four| u32::from_le_bytes(*four))
}

/// The share of keys that another server has after a change, by the keys that are given.
pub fn share_moved(
    before: (&HashRing, &[String]),
    after: (&HashRing, &[String]),
    keys: impl Iterator<Item = Vec<u8>>,
) -> f64 {
    let (mut moved, mut all) = (0_u64, 0_u64);
    for key in keys {
        let place = |(ring, servers): (&HashRing, &[String])| {
            servers.get(usize::from(ring.server_of(&key).0)).cloned()
        };
        moved += u64::from(place(before) != place(after));
        all += 1;
    }
    moved as f64 / all.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("10.0.1.{}:11211", index + 1)).collect()
    }

    fn keys() -> impl Iterator<Item = Vec<u8>> {
        (0..20_000).map(|index| format!("key:{index:012}").into_bytes())
    }

    #[test]
    fn a_circle_moves_a_share_and_modulo_moves_nearly_all() {
        let (before, after) = (servers(4), servers(5));
        let moved = |spreading| {
            let rings =
                [&before, &after].map(|list| HashRing::new(spreading, DEFAULT_POINTS, list));
            share_moved((&rings[0], &before), (&rings[1], &after), keys())
        };
        let (ketama, modulo) = (moved(Spreading::Ketama), moved(Spreading::Modulo));
        // One of five servers takes its part from all others; 160 points keep it within a half.
        assert!((0.13..0.30).contains(&ketama), "{ketama}");
        assert!((modulo - 0.8).abs() < 0.02, "{modulo}");
    }

    #[test]
    fn every_server_has_its_part() {
        for (spreading, tolerance) in [(Spreading::Ketama, 0.35), (Spreading::Modulo, 0.05)] {
            let list = servers(5);
            let ring = HashRing::new(spreading, DEFAULT_POINTS, &list);
            let mut parts = vec![0_f64; list.len()];
            for key in keys() {
                parts[usize::from(ring.server_of(&key).0)] += 5.0 / 20_000.0;
            }
            assert!(parts.iter().all(|part| (part - 1.0).abs() < tolerance), "{parts:?}");
        }
    }

    #[test]
    fn few_points_make_unequal_parts() {
        let list = servers(5);
        let spread = |points| {
            let ring = HashRing::new(Spreading::Ketama, points, &list);
            let mut parts = vec![0_u32; list.len()];
            for key in keys() {
                parts[usize::from(ring.server_of(&key).0)] += 1;
            }
            parts.iter().max().unwrap() - parts.iter().min().unwrap()
        };
        assert!(spread(4) > 2 * spread(1_600), "{} and {}", spread(4), spread(1_600));
    }

    #[test]
    fn nobody_leaves_a_key_without_a_server() {
        let ring = HashRing::new(Spreading::Ketama, DEFAULT_POINTS, &servers(1));
        assert_eq!(ring.server_of(b"anything"), NodeId(0));
    }
}
